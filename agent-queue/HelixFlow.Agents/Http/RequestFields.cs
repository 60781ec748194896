using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Values;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>The fields of a JSON object in a request. Whatever is not asked for is refused by its name.</summary>
internal sealed class RequestFields
{
    private static readonly JsonDocumentOptions _options = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    private readonly Dictionary<string, JsonElement> _fields = new(StringComparer.Ordinal);
    private readonly string _pointer;

    private RequestFields(JsonElement value, string pointer)
    {
        _pointer = pointer;
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw AgentProblem.WrongField(pointer, $"{(pointer.Length == 0 ? "The body" : $"'{pointer}'")} must be a JSON object.").AsException();
        }

        foreach (JsonProperty property in value.EnumerateObject())
        {
            _fields.Add(property.Name, property.Value);
        }
    }

    /// <summary>Reads the body as one JSON value; null when it is empty.</summary>
    public static async Task<JsonElement?> ReadValueAsync(HttpContext context)
    {
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
        if (buffer.Length == 0)
        {
            return null;
        }

        if (context.Request.ContentType is { } type && !type.Contains("json", StringComparison.OrdinalIgnoreCase))
        {
            throw new AgentProblem(StatusCodes.Status415UnsupportedMediaType, "unsupported_media_type", "The body must be JSON: send 'Content-Type: application/json'.").AsException();
        }

        try
        {
            using var document = JsonDocument.Parse(new ReadOnlyMemory<byte>(buffer.GetBuffer(), 0, (int)buffer.Length), _options);
            _ = CanonicalJson.Of(document.RootElement); // half surrogate pairs and numbers that no double holds are refused before anything reads them
            return document.RootElement.Clone();
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            throw new AgentProblem(StatusCodes.Status400BadRequest, "invalid_json", $"The body is no JSON that can be kept: {exception.Message}").AsException();
        }
    }

    /// <summary>Reads the body as an object; an empty body has no fields.</summary>
    public static async Task<RequestFields> ReadAsync(HttpContext context) =>
        new(await ReadValueAsync(context) ?? JsonElement.Parse("{}"), "");

    /// <summary>Reads fields that came another way.</summary>
    /// <exception cref="AgentProblemException">There is a value that cannot be kept.</exception>
    public static RequestFields Of(JsonObject fields)
    {
        try
        {
            using var document = JsonDocument.Parse(fields.ToJsonString(), _options);
            _ = CanonicalJson.Of(document.RootElement);
            return new RequestFields(document.RootElement.Clone(), "");
        }
        catch (Exception exception) when (exception is JsonException or FormatException or ArgumentException)
        {
            throw new AgentProblem(StatusCodes.Status400BadRequest, "invalid_json", $"The arguments are no JSON that can be kept: {exception.Message}").AsException();
        }
    }

    /// <summary>What has not been read yet, as an object; it counts as read.</summary>
    public JsonElement Rest()
    {
        var rest = new JsonObject(_fields.Select(static field => KeyValuePair.Create(field.Key, JobJson.Of(field.Value))));
        _fields.Clear();
        return JsonElement.Parse(rest.ToJsonString());
    }

    public JsonElement? Value(string name) => _fields.Remove(name, out JsonElement value) ? value : null;

    public RequestFields? Object(string name) => Given(name) is { } value ? new RequestFields(value, $"{_pointer}/{name}") : null;

    public IReadOnlyList<RequestFields> Objects(string name, int most)
    {
        if (Given(name) is not { } value)
        {
            return [];
        }

        return value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= most
            ? [.. value.EnumerateArray().Select((item, i) => new RequestFields(item, $"{_pointer}/{name}/{i}"))]
            : throw Wrong(name, $"must be a list of at most {most} objects");
    }

    public string? Text(string name, int longest)
    {
        if (Given(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text.Length > 0 && text.Length <= longest
            ? text
            : throw Wrong(name, $"must be a text of 1 to {longest} characters");
    }

    public long? Number(string name, long least, long most)
    {
        if (Given(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= least && number <= most
            ? number
            : throw Wrong(name, $"must be a whole number from {least} to {most}");
    }

    public bool? Flag(string name) => Given(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw Wrong(name, "must be true or false"),
    };

    public T? Word<T>(string name)
        where T : struct, Enum
    {
        if (Given(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String && Words.TryRead(value.GetString()!, out T word)
            ? word
            : throw Wrong(name, $"must be one of {string.Join(", ", Words.Of<T>())}");
    }

    public DateTimeOffset? Time(string name)
    {
        if (Given(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out DateTimeOffset time) && time.ToUnixTimeMilliseconds() > 0
            ? time
            : throw Wrong(name, "must be a time as RFC 3339 has it, for example \"2030-01-31T12:00:00Z\"");
    }

    public IReadOnlyList<string> Texts(string name, int most, int longest)
    {
        if (Given(name) is not { } value)
        {
            return [];
        }

        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= most
            && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.GetString()!.Length is > 0 and var length && length <= longest))
        {
            return [.. value.EnumerateArray().Select(static item => item.GetString()!)];
        }

        throw Wrong(name, $"must be a list of at most {most} texts of 1 to {longest} characters");
    }

    public IReadOnlyDictionary<string, string>? TextsByName(string name, int most, int longestName, int longest)
    {
        if (Given(name) is not { } value)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Count() <= most
            && value.EnumerateObject().All(item => item.Name.Length <= longestName && item.Value.ValueKind == JsonValueKind.String && item.Value.GetString()!.Length <= longest))
        {
            return value.EnumerateObject().OrderBy(static item => item.Name, StringComparer.Ordinal).ToDictionary(static item => item.Name, static item => item.Value.GetString()!);
        }

        throw Wrong(name, $"must be an object of at most {most} texts of up to {longest} characters, with names of up to {longestName}");
    }

    /// <summary>Refuses what has not been read.</summary>
    public void Finish()
    {
        if (_fields.Count > 0)
        {
            string name = _fields.Keys.Order(StringComparer.Ordinal).First();
            throw new AgentProblem(StatusCodes.Status400BadRequest, "unknown_field", $"There is no field '{AgentProblem.Shortened(name)}' here.") { Pointer = $"{_pointer}/{name}" }.AsException();
        }
    }

    public AgentProblemException Wrong(string name, string rule) => AgentProblem.WrongField($"{_pointer}/{name}", $"'{name}' {rule}.").AsException();

    // null is the same as absent.
    private JsonElement? Given(string name) => Value(name) is { ValueKind: not JsonValueKind.Null } value ? value : null;
}
