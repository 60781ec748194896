using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.VectorStores;

/// <summary><c>/v1/vector_stores</c>: the stores of the client's project, and searches in them.</summary>
internal sealed class VectorStoreEndpoints(VectorCatalog catalog, TextEmbedder embedder, IngestionQueue queue, StoreSearch search, GatewayOptions options)
{
    private const int LongestName = 256;
    private const int LongestDescription = 512;
    private const int MostFiles = 500;
    private const int MostDays = 365;
    private const int MostQueries = 32;

    public async Task CreateAsync(HttpContext context)
    {
        using JsonDocument body = await RequestBody.ReadAsync(context, options);
        var fields = new RequestFields(body.RootElement);
        string name = Text(fields, "name", LongestName) ?? "";
        string? description = Text(fields, "description", LongestDescription);
        long? days = ExpiresDays(fields);
        string? metadata = MetadataField.Read(fields);
        ChunkingStrategy chunking = ChunkingStrategy.Read(fields);
        List<AddedFile> files = StoreFileEndpoints.FileIds(fields, MostFiles, chunking, null);
        string? model = files.Count > 0 ? await embedder.RequireDefaultAsync(context.RequestAborted) : null;
        VectorStore store = await catalog.CreateAsync(BearerKey.ProjectOf(context), name, description, metadata, days, model, files, context.RequestAborted);
        queue.Wake();
        await WriteAsync(context, store);
    }

    public async Task ListAsync(HttpContext context)
    {
        var query = PageQuery.Read(context.Request, newestFirst: true);
        Page<VectorStore> page = await catalog.ListAsync(BearerKey.ProjectOf(context), query, PageQuery.Parameter(context.Request, "before"), context.RequestAborted);
        long now = catalog.Now;
        await page.WriteAsync(context, static store => store.Id, (json, store) => VectorStore.Write(json, (store, now)));
    }

    public async Task GetAsync(HttpContext context) => await WriteAsync(context, await catalog.GetAsync(BearerKey.ProjectOf(context), IdOf(context), context.RequestAborted));

    public async Task UpdateAsync(HttpContext context)
    {
        using JsonDocument body = await RequestBody.ReadAsync(context, options);
        var fields = new RequestFields(body.RootElement);
        string? name = Text(fields, "name", LongestName);

        // A null takes the policy away; without the field it stays.
        bool setsExpiry = body.RootElement.TryGetProperty("expires_after", out _);
        await WriteAsync(
            context,
            await catalog.UpdateAsync(BearerKey.ProjectOf(context), IdOf(context), name, MetadataField.Read(fields), setsExpiry, ExpiresDays(fields), context.RequestAborted));
    }

    public async Task DeleteAsync(HttpContext context)
    {
        string id = IdOf(context);
        await catalog.DeleteAsync(BearerKey.ProjectOf(context), id, context.RequestAborted);
        await DeletedJson.WriteAsync(context, id, "vector_store.deleted");
    }

    public async Task SearchAsync(HttpContext context)
    {
        SearchRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = ParseSearch(new RequestFields(body.RootElement));
        }

        List<SearchResult> results = await search.RunAsync(BearerKey.ProjectOf(context), IdOf(context), request, context.TraceIdentifier, context.RequestAborted);
        await JsonResponse.WriteAsync(context, (request.Queries, results), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "vector_store.search_results.page"u8);
            json.WriteStartArray("search_query"u8);
            foreach (string query in state.Queries)
            {
                json.WriteStringValue(query);
            }

            json.WriteEndArray();
            json.WriteStartArray("data"u8);
            state.results.ForEach(result => Write(json, result));
            json.WriteEndArray();
            json.WriteBoolean("has_more"u8, false);
            json.WriteNull("next_page"u8);
            json.WriteEndObject();
        });
    }

    private static SearchRequest ParseSearch(RequestFields fields)
    {
        IReadOnlyList<string> queries = fields.TryGet("query", out _) ? fields.Strings("query", MostQueries) : throw fields.Missing("query");
        if (queries.Count == 0 || queries.Any(string.IsNullOrWhiteSpace))
        {
            throw RequestFields.Invalid("query", "Invalid 'query': expected one or several texts that are not empty.", "invalid_value");
        }

        if (fields.Bool("rewrite_query"))
        {
            throw fields.Unsupported("rewrite_query", "is not supported by this server: it searches with the query as it is.");
        }

        long most = fields.Integer("max_num_results", 1, SearchRequest.MostResults) ?? SearchRequest.UsualResults;
        return new SearchRequest(queries, AttributeFilter.Read(fields), (int)most, RankingOptions.Read(fields));
    }

    private static void Write(Utf8JsonWriter json, SearchResult result)
    {
        json.WriteStartObject();
        json.WriteString("file_id"u8, result.FileId);
        json.WriteString("filename"u8, result.Filename);
        json.WriteNumber("score"u8, result.Score);
        json.WritePropertyName("attributes"u8);
        json.WriteRawValue(result.Attributes ?? "{}", skipInputValidation: true);
        json.WriteStartArray("content"u8);
        StoreFileEndpoints.WriteText(json, result.Text);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private static long? ExpiresDays(RequestFields fields)
    {
        if (fields.Object("expires_after") is not { } policy)
        {
            return null;
        }

        string anchor = policy.RequiredString("anchor");
        return anchor == "last_active_at"
            ? policy.Integer("days", 1, MostDays) ?? throw policy.Missing("days")
            : throw RequestFields.Invalid("expires_after.anchor", $"Invalid value: '{anchor}'. Supported values are: 'last_active_at'.", "invalid_value");
    }

    private static string? Text(RequestFields fields, string name, int longest) => fields.String(name) is { } text && text.Length > longest
        ? throw RequestFields.Invalid(
            name,
            string.Create(CultureInfo.InvariantCulture, $"Invalid '{name}': string too long. Expected a string with maximum length {longest}, but got a string with length {text.Length} instead."),
            "string_above_max_length")
        : fields.String(name);

    private Task WriteAsync(HttpContext context, VectorStore store) => JsonResponse.WriteAsync(context, (store, catalog.Now), VectorStore.Write);
}
