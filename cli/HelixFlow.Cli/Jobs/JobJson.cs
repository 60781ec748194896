using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Jobs;

/// <summary>What a server says of jobs, for people: texts come without what could steer their terminal.</summary>
internal static class JobJson
{
    /// <summary>A text; empty when there is none.</summary>
    public static string Text(this JsonElement element, string name, int longest = 200) =>
        element.Given(name) is { ValueKind: JsonValueKind.String } value ? Terminal.Printable(value.GetString()!, longest) : "";

    /// <summary>A whole number; 0 when there is none.</summary>
    public static long Number(this JsonElement element, string name) => element.Given(name) is { ValueKind: JsonValueKind.Number } value ? value.GetInt64() : 0;

    /// <summary>A field that is neither absent nor null.</summary>
    public static JsonElement? Given(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>The items of a field that is a list.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.Given(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    /// <summary>A time; null when there is none.</summary>
    public static DateTimeOffset? Time(this JsonElement element, string name) =>
        element.Given(name) is { ValueKind: JsonValueKind.String } value && value.TryGetDateTimeOffset(out DateTimeOffset time) ? time : null;

    /// <summary>A time as people read it, in UTC and without parts of a second; empty when there is none.</summary>
    public static string Clock(this JsonElement element, string name) =>
        element.Time(name) is { } time ? time.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "";

    /// <summary>How long something took; empty while that is not known.</summary>
    public static string Took(this JsonElement element) => (element.Time("started_at"), element.Time("ended_at")) is ({ } start, { } end) ? Terminal.Duration(end - start) : "";

    /// <summary>What a job says of itself, or what ended it.</summary>
    public static string Message(this JsonElement job, int longest) =>
        job.Given("error") is { } error ? error.Text("message", longest) : job.Given("progress") is { } progress ? progress.Text("message", longest) : "";

    public static string Percent(this JsonElement job) =>
        string.Create(CultureInfo.InvariantCulture, $"{(job.Given("progress") is { } progress ? progress.Number("percent") : 0)} %");

    /// <summary>Sets a field unless there is no value for it.</summary>
    public static void SetGiven(this JsonObject json, string name, JsonNode? value)
    {
        if (value is not null)
        {
            json[name] = value;
        }
    }
}
