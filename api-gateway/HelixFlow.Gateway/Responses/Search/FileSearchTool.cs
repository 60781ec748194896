using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Responses.Search;

/// <summary>The tool "file_search" of a response: the model calls it like a function, and the server looks into vector stores itself.</summary>
/// <param name="Stores">The ids of the stores; at least one.</param>
/// <param name="Most">Results of a call.</param>
/// <param name="Filter">Null for all files.</param>
/// <param name="Ranking">What comes first.</param>
/// <param name="Json">The tool as the response shows it.</param>
internal sealed record FileSearchTool(IReadOnlyList<string> Stores, int Most, AttributeFilter? Filter, RankingOptions Ranking, string Json)
{
    /// <summary>The tool's type, and the name by which the model calls it.</summary>
    public const string Name = "file_search";

    /// <summary>What the model is told of it.</summary>
    public const string Description =
        "Searches the files that the user has provided. Call it whenever they may hold what is asked for, with one or several short queries that are understood without the conversation.";

    /// <summary>The schema of its arguments.</summary>
    public const string Parameters = """
        {"type":"object","properties":{"queries":{"type":"array","items":{"type":"string","minLength":1,"maxLength":160},"minItems":1,"maxItems":4}},"required":["queries"],"additionalProperties":false}
        """;

    private const int MostStores = 10;

    /// <exception cref="Errors.OpenAiException">A field is missing or malformed.</exception>
    public static FileSearchTool Read(RequestFields fields)
    {
        JsonElement ids = fields.Array("vector_store_ids") ?? throw fields.Missing("vector_store_ids");
        IReadOnlyList<string> stores = fields.Strings("vector_store_ids", MostStores);
        if (stores.Count == 0)
        {
            string param = fields.Param("vector_store_ids");
            throw RequestFields.Invalid(param, $"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        int most = (int)(fields.Integer("max_num_results", 1, SearchRequest.MostResults) ?? SearchRequest.UsualResults);
        AttributeFilter? filter = AttributeFilter.Read(fields, fields.Param("filters"));
        RankingOptions ranking = RankingOptions.Read(fields);
        string json = JsonText.Of((fields, ids, most, ranking), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("type"u8, Name);
            json.WritePropertyName("filters"u8);
            WriteOr(json, state.fields, "filters", static json => json.WriteNullValue());
            json.WriteNumber("max_num_results"u8, state.most);
            json.WritePropertyName("ranking_options"u8);
            WriteOr(json, state.fields, "ranking_options", static json => json.WriteRawValue("""{"ranker":"auto","score_threshold":0.0}"""));
            json.WritePropertyName("vector_store_ids"u8);
            state.ids.WriteTo(json);
            json.WriteEndObject();
        });
        return new FileSearchTool([.. stores.Distinct(StringComparer.Ordinal)], most, filter, ranking, json);
    }

    private static void WriteOr(Utf8JsonWriter json, RequestFields fields, string name, Action<Utf8JsonWriter> otherwise)
    {
        if (fields.TryGet(name, out JsonElement value))
        {
            value.WriteTo(json);
        }
        else
        {
            otherwise(json);
        }
    }
}
