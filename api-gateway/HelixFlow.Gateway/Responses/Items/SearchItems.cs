using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Gateway.VectorStores;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>Items of the type "file_search_call": as they are stored, as clients see them, and as the model reads them.</summary>
internal static class SearchItems
{
    public const string Kind = "file_search_call";

    /// <summary>The value of "include" that shows results.</summary>
    public const string Include = "file_search_call.results";

    private static readonly string[] Statuses = ["in_progress", "searching", "completed", "incomplete", "failed"];

    public static void Write(Utf8JsonWriter json, string id, string status, IReadOnlyList<string> queries, IReadOnlyList<SearchResult>? results)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("type"u8, Kind);
        json.WriteString("status"u8, status);
        json.WriteStartArray("queries"u8);
        foreach (string query in queries)
        {
            json.WriteStringValue(query);
        }

        json.WriteEndArray();
        if (results is null)
        {
            json.WriteNull("results"u8);
        }
        else
        {
            json.WriteStartArray("results"u8);
            foreach (SearchResult result in results)
            {
                Write(json, result);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>The item that a client sends again.</summary>
    /// <exception cref="Errors.OpenAiException">It is malformed.</exception>
    public static StoredItem Read(RequestFields fields)
    {
        string id = fields.String("id") ?? ObjectId.New("fs_");
        string status = fields.String("status") ?? "completed";
        if (!Statuses.Contains(status))
        {
            throw fields.InvalidValue("status", status, string.Join(", ", Statuses.Select(static known => $"'{known}'")));
        }

        IReadOnlyList<string> queries = fields.Array("queries") is null ? throw fields.Missing("queries") : fields.Strings("queries", int.MaxValue);
        List<SearchResult>? results = fields.Array("results") is { } array ? ReadResults(array, fields.Param("results")) : null;
        return new StoredItem(id, JsonText.Of((id, status, queries, results), static (json, item) => Write(json, item.id, item.status, item.queries, item.results)));
    }

    /// <summary>An item as a list shows it: what a search found is left out unless it was asked for.</summary>
    public static StoredItem Shown(StoredItem item, bool withResults)
    {
        if (withResults || !item.Json.Contains(Kind, StringComparison.Ordinal))
        {
            return item;
        }

        using JsonDocument document = JsonDocument.Parse(item.Json);
        return Is(document.RootElement)
            ? item with { Json = JsonText.Of(document.RootElement, static (json, call) => Write(json, call.GetProperty("id").GetString()!, call.GetProperty("status").GetString()!, QueriesOf(call), null)) }
            : item;
    }

    /// <summary>What all searches of a conversation have found, in the order in which <see cref="TellResults"/> numbers it.</summary>
    public static List<SearchResult> ResultsOf(IEnumerable<StoredItem> items)
    {
        var results = new List<SearchResult>();
        foreach (StoredItem item in items.Where(static item => item.Json.Contains(Kind, StringComparison.Ordinal)))
        {
            using JsonDocument document = JsonDocument.Parse(item.Json);
            if (Is(document.RootElement) && ResultsOf(document.RootElement) is { } found)
            {
                results.AddRange(found);
            }
        }

        return results;
    }

    /// <summary>The call's arguments as the model gave them.</summary>
    public static string ArgumentsOf(JsonElement call) => JsonText.Of(call, static (json, call) =>
    {
        json.WriteStartObject();
        json.WritePropertyName("queries"u8);
        call.GetProperty("queries").WriteTo(json);
        json.WriteEndObject();
    });

    /// <summary>The call's results as the model reads them.</summary>
    /// <param name="call">The item.</param>
    /// <param name="number">Of the first result; then of the first one of the next call.</param>
    public static string TellResults(JsonElement call, ref int number)
    {
        if (ResultsOf(call) is not { } results)
        {
            return "The search gave no answer.";
        }

        if (results.Count == 0)
        {
            return "Nothing was found.";
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"What was found, best first. Behind each statement that rests on one of these, write its number like this: 【{number}】\n");
        foreach (SearchResult result in results)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n【{number++}】 {result.Filename}\n{result.Text}\n");
        }

        return text.ToString();
    }

    /// <summary>Whether a request for stored items asks for what searches have found.</summary>
    public static bool AreAskedFor(HttpRequest request) =>
        request.Query.Any(static parameter => parameter.Key.StartsWith("include", StringComparison.Ordinal) && parameter.Value.Contains(Include));

    private static bool Is(JsonElement item) => item.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.ValueEquals(Kind);

    private static List<string> QueriesOf(JsonElement call) => [.. call.GetProperty("queries").EnumerateArray().Select(static query => query.GetString()!)];

    private static List<SearchResult>? ResultsOf(JsonElement call) =>
        call.GetProperty("results") is { ValueKind: JsonValueKind.Array } results ? [.. results.EnumerateArray().Select(static result => Result(new RequestFields(result), result))] : null;

    private static List<SearchResult> ReadResults(JsonElement array, string param)
    {
        var results = new List<SearchResult>();
        foreach (JsonElement result in array.EnumerateArray())
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{param}[{results.Count}]");
            results.Add(result.ValueKind == JsonValueKind.Object ? Result(new RequestFields(result, place + "."), result) : throw RequestFields.WrongType(place, "an object", result));
        }

        return results;
    }

    private static SearchResult Result(RequestFields fields, JsonElement result) => new(
        fields.String("file_id") ?? "",
        fields.String("filename") ?? "",
        fields.Object("attributes") is null ? null : result.GetProperty("attributes").GetRawText(),
        fields.Number("score", 0, 1) ?? 0,
        fields.String("text") ?? "");

    private static void Write(Utf8JsonWriter json, SearchResult result)
    {
        json.WriteStartObject();
        json.WritePropertyName("attributes"u8);
        json.WriteRawValue(result.Attributes ?? "{}", skipInputValidation: true);
        json.WriteString("file_id"u8, result.FileId);
        json.WriteString("filename"u8, result.Filename);
        json.WriteNumber("score"u8, result.Score);
        json.WriteString("text"u8, result.Text);
        json.WriteEndObject();
    }
}
