using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Passages;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>The tools that need nothing but the job's input and the clock.</summary>
internal static class BuiltinTools
{
    private const int PassageLength = 800;
    private const int MostPassages = 8;

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["calculator", "current_time", "json_query", "search_documents", "http_fetch"];

    /// <summary>The tool of a name.</summary>
    public static ITool Of(string name, IReadOnlyList<SourceDocument> documents, ToolHost host) => name switch
    {
        "calculator" => new Builtin(
            new ToolDescription(
                "calculator", "Evaluates an arithmetic expression exactly, for example \"(3 + 4) * sqrt(2)\".",
                Schema("""{"type":"object","properties":{"expression":{"type":"string","minLength":1,"maxLength":2000}},"required":["expression"],"additionalProperties":false}"""),
                EffectClass.Pure, ""),
            static (arguments, _) => Task.FromResult(Calculate(arguments.GetProperty("expression").GetString()!))),
        "current_time" => new Builtin(
            new ToolDescription(
                "current_time", "Tells the present date and time in UTC.", Schema("""{"type":"object","properties":{},"additionalProperties":false}"""), EffectClass.Recorded, ""),
            (_, _) => Task.FromResult(new ToolResult(host.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z', dddd", CultureInfo.InvariantCulture)))),
        "json_query" => JsonQuery(documents),
        "search_documents" => Search(documents),
        _ => HttpFetch(host),
    };

    private static ToolResult Calculate(string expression)
    {
        try
        {
            double value = Expression.Evaluate(expression);
            return new ToolResult(double.IsInteger(value) && Math.Abs(value) < 1L << 53 ? value.ToString("F0", CultureInfo.InvariantCulture) : value.ToString("G15", CultureInfo.InvariantCulture));
        }
        catch (FormatException exception)
        {
            return ToolResult.Error(exception.Message);
        }
    }

    private static Builtin JsonQuery(IReadOnlyList<SourceDocument> documents)
    {
        Dictionary<string, SourceDocument> byName = ByName(documents);
        return new Builtin(
            new ToolDescription(
                "json_query", "Selects values from JSON by a JSONPath (RFC 9535), for example \"$.items[?(@.price < 10)].name\". Give the JSON as 'json', or name a document.",
                Schema("""
                    {"type":"object","properties":{"path":{"type":"string","minLength":1,"maxLength":1000},"json":{"type":"string"},"document":{"type":"string"}},
                     "required":["path"],"additionalProperties":false}
                    """),
                EffectClass.Pure, IdentityOf(documents)),
            (arguments, _) => Task.FromResult(Query(arguments, byName)));
    }

    private static ToolResult Query(JsonElement arguments, Dictionary<string, SourceDocument> documents)
    {
        string? text = arguments.TryGetProperty("json", out JsonElement given) ? given.GetString() : null;
        if (text is null && arguments.TryGetProperty("document", out JsonElement named))
        {
            text = documents.TryGetValue(named.GetString()!, out SourceDocument? document) ? document.Text : null;
        }

        if (text is null)
        {
            return ToolResult.Error($"Give 'json', or as 'document' one of: {string.Join(", ", documents.Keys)}.");
        }

        try
        {
            IReadOnlyList<JsonElement> found = JsonPath.Parse(arguments.GetProperty("path").GetString()!).Select(JsonElement.Parse(text));
            return new ToolResult($"[{string.Join(',', found.Select(static value => value.GetRawText()))}]");
        }
        catch (Exception exception) when (exception is FormatException or JsonException)
        {
            return ToolResult.Error(exception.Message);
        }
    }

    private static Builtin Search(IReadOnlyList<SourceDocument> documents)
    {
        var index = PassageIndex.Of(documents, PassageLength);
        return new Builtin(
            new ToolDescription(
                "search_documents", $"Finds passages by their words in {documents.Count} given documents.",
                Schema("""
                    {"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":500},"limit":{"type":"integer","minimum":1,"maximum":8}},
                     "required":["query"],"additionalProperties":false}
                    """),
                EffectClass.Pure, IdentityOf(documents)),
            (arguments, _) =>
            {
                int most = arguments.TryGetProperty("limit", out JsonElement limit) ? limit.GetInt32() : MostPassages;
                IReadOnlyList<Passage> found = index.Find(arguments.GetProperty("query").GetString()!, most);
                return Task.FromResult(new ToolResult(found.Count == 0
                    ? "No passage has these words."
                    : string.Join("\n\n", found.Select(static passage => string.Create(CultureInfo.InvariantCulture, $"[{passage.Number}] {passage.Source}: {passage.Text}")))));
            });
    }

    private static Builtin HttpFetch(ToolHost host) => new(
        new ToolDescription(
            "http_fetch", "Reads a page of the web and gives its text.",
            Schema("""{"type":"object","properties":{"url":{"type":"string","minLength":8,"maxLength":2000}},"required":["url"],"additionalProperties":false}"""),
            EffectClass.Recorded, ""),
        async (arguments, token) =>
        {
            Fetching.FetchResult result = await host.Pages.FetchAsync(arguments.GetProperty("url").GetString()!, token).ConfigureAwait(false);
            return result.Page is { } page ? new ToolResult($"{page.Title}\n{page.Url}\n\n{page.Text}") : ToolResult.Error(result.Reason ?? "It cannot be read.");
        });

    private static Dictionary<string, SourceDocument> ByName(IReadOnlyList<SourceDocument> documents)
    {
        var byName = new Dictionary<string, SourceDocument>(StringComparer.Ordinal);
        for (int i = 0; i < documents.Count; i++)
        {
            byName[documents[i].Name ?? (i + 1).ToString(CultureInfo.InvariantCulture)] = documents[i];
        }

        return byName;
    }

    // Results of pure tools are used by other runs: the documents belong to what they depend on.
    private static string IdentityOf(IReadOnlyList<SourceDocument> documents) =>
        ActionDigest.HashOf(Encoding.UTF8.GetBytes(string.Concat(documents.Select(static document => $"{document.Name?.Length ?? -1}:{document.Name}{document.Text.Length}:{document.Text}"))));

    private static JsonElement Schema(string json) => JsonElement.Parse(json);

    private sealed record Builtin(ToolDescription Description, Func<JsonElement, CancellationToken, Task<ToolResult>> Call) : ITool
    {
        public Task<ToolResult> CallAsync(JsonElement arguments, StepContext context, CancellationToken cancellationToken) => Call(arguments, cancellationToken);
    }
}
