using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.VectorStores;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Responses.Search;

/// <summary>Answers the model's calls of "file_search". Thread-safe.</summary>
internal sealed class FileSearch(StoreSearch stores, VectorCatalog catalog, MeasuredPool pool, ILogger<FileSearch> logger)
{
    private const int MostQueries = 8;

    /// <summary>Says before a response begins that it names a store that cannot be searched.</summary>
    /// <exception cref="OpenAiException">There is no such store, or it has expired.</exception>
    public async Task CheckAsync(string project, FileSearchTool tool, CancellationToken cancellationToken)
    {
        try
        {
            await catalog.CheckAsync(project, tool.Stores, cancellationToken);
        }
        catch (OpenAiException exception)
        {
            throw new OpenAiException(exception.Error with { Param = "tools" }, exception);
        }
    }

    /// <summary>Looks for what a call asks for. One that cannot be answered has no results, which the model is told.</summary>
    /// <param name="call">Gets its queries and results.</param>
    /// <param name="tool">Where to look.</param>
    /// <param name="request">The response's request, for which the results must leave room in the model's context.</param>
    /// <param name="items">All items before the call.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public async Task RunAsync(SearchOutput call, FileSearchTool tool, ResponseRequest request, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
    {
        call.Queries = QueriesOf(call.Text.ToString());
        call.Status = "failed";
        if (call.Queries.Count == 0)
        {
            return;
        }

        try
        {
            List<SearchResult> found = await FindAsync(call, tool, request, cancellationToken);
            call.Status = "completed";
            call.Results = found;
            call.Results = found[..await FittingAsync(call, found, request, items, cancellationToken)];
        }
        catch (Exception exception) when (exception is OpenAiException or InferenceException or StorageException)
        {
            GatewayLog.SearchFailed(logger, request.Generate.RequestId, exception);
            (call.Status, call.Results) = ("failed", null);
        }
    }

    // Scores of one question compare across stores: each says how far up in its rankings a result is.
    private async Task<List<SearchResult>> FindAsync(SearchOutput call, FileSearchTool tool, ResponseRequest request, CancellationToken cancellationToken)
    {
        var search = new SearchRequest(call.Queries, tool.Filter, tool.Most, tool.Ranking);
        var found = new List<SearchResult>();
        foreach (string store in tool.Stores)
        {
            found.AddRange(await stores.RunAsync(request.Generate.Project, store, search, request.Generate.RequestId, cancellationToken));
        }

        return tool.Stores.Count == 1 ? found : [.. found.OrderByDescending(static result => result.Score).Take(tool.Most)];
    }

    // How many of the results the model's context has room for. A response that may leave out its oldest items makes room for them so.
    private async Task<int> FittingAsync(SearchOutput call, List<SearchResult> found, ResponseRequest request, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
    {
        uint context = await ResponsePrompt.ContextAsync(pool, request, cancellationToken);
        if (context == 0 || found.Count == 0)
        {
            return found.Count;
        }

        IReadOnlyList<StoredItem> before = request.Truncate ? request.Input : items;
        int fits = 0;
        for (int most = found.Count, count = found.Count; fits < most; count = (fits + most + 1) / 2)
        {
            call.Results = found[..count];
            ChatPrompt prompt = ResponsePrompt.Of(request, [.. before, call.ToStored()]);
            if ((await pool.CountTokensAsync(new CountTokensRequest { Model = request.Generate.Model, Chat = prompt }, cancellationToken)).Tokens + ResponsePrompt.RoomOf(request, context) <= context)
            {
                fits = count;
            }
            else
            {
                most = count - 1;
            }
        }

        return fits;
    }

    // As the tool's schema has them; a model that is not held to it may write one text.
    private static List<string> QueriesOf(string arguments)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(arguments);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !(root.TryGetProperty("queries", out JsonElement queries) || root.TryGetProperty("query", out queries)))
            {
                return [];
            }

            IEnumerable<JsonElement> texts = queries.ValueKind == JsonValueKind.Array ? queries.EnumerateArray() : [queries];
            return [.. texts.Where(static text => text.ValueKind == JsonValueKind.String).Select(static text => text.GetString()!).Where(static text => !string.IsNullOrWhiteSpace(text)).Take(MostQueries)];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
