using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.JobTypes.Research;
using HelixFlow.Agents.Searching;
using HelixFlow.Schemas.Agents.V1;
using SearchHit = HelixFlow.Agents.Searching.SearchHit;

namespace HelixFlow.Agents.Remote;

/// <summary>The searches of this process, to workers in others. Thread-safe.</summary>
internal sealed class SourceService(IEnumerable<ISearchProvider> searches, SourceOptions options, WorkerGuard guard) : Sources.SourcesBase
{
    private const int MostHits = 1000;

    private readonly ISearchProvider[] _searches = [.. searches];

    public override async Task<DescribeResponse> Describe(DescribeRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context).ConfigureAwait(false);
        return new DescribeResponse { ToolsDigest = options.ToolsDigest, Searches = { _searches.Select(static search => new SearchSource { Name = search.Name, IsLocal = search.IsLocal }) } };
    }

    public override async Task<SearchResponse> Search(SearchRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context).ConfigureAwait(false);
        ISearchProvider search = Array.Find(_searches, search => search.Name == request.Source)
            ?? throw WorkerStatus.Refuse(StatusCode.NotFound, WorkerStatus.UnknownSource, $"The server has no search '{request.Source}'.");
        if (request.Limit is < 1 or > MostHits)
        {
            throw WorkerStatus.Wrong("limit", $"'limit' is {request.Limit} and must be between 1 and {MostHits}.");
        }

        IReadOnlyList<SearchHit> hits = await AskAsync(
            () => search.SearchAsync(new SearchQuery(request.Text, request.Limit, Wire.Text(request.Language)), context.CancellationToken)).ConfigureAwait(false);
        return new SearchResponse { Hits = { hits.Select(static hit => new Schemas.Agents.V1.SearchHit { Url = hit.Url, Title = hit.Title, Snippet = hit.Snippet }) } };
    }

    public override async Task<ReadPageResponse> ReadPage(ReadPageRequest request, ServerCallContext context)
    {
        await guard.CheckAsync(context).ConfigureAwait(false);
        ILocalPages pages = _searches.OfType<ILocalPages>().FirstOrDefault()
            ?? throw WorkerStatus.Refuse(StatusCode.NotFound, WorkerStatus.UnknownSource, "The server has no folder of local pages.");
        FetchResult result = await AskAsync(() => pages.ReadAsync(request.Url, context.CancellationToken)).ConfigureAwait(false);
        return new ReadPageResponse { ResultJson = UnsafeByteOperations.UnsafeWrap(JsonSerializer.SerializeToUtf8Bytes(result, ResearchJson.Default.FetchResult)) };
    }

    private static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (SearchException exception)
        {
            throw WorkerStatus.Refuse(StatusCode.Unavailable, WorkerStatus.SearchFailed, exception.Message, cause: exception);
        }
    }
}
