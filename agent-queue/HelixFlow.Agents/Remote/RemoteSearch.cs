using System.Text.Json;
using Grpc.Core;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.JobTypes.Research;
using HelixFlow.Agents.Searching;
using HelixFlow.Schemas.Agents.V1;
using SearchHit = HelixFlow.Agents.Searching.SearchHit;

namespace HelixFlow.Agents.Remote;

/// <summary>What a server has for built-in types of jobs.</summary>
/// <param name="Searches">Its searches.</param>
/// <param name="ToolsDigest">The digest of its rules for the tools of agents.</param>
public sealed record ServerSources(IReadOnlyList<ISearchProvider> Searches, string ToolsDigest);

/// <summary>A search of a server, to jobs in another process. Thread-safe.</summary>
public sealed class RemoteSearch : ISearchProvider, ILocalPages
{
    private readonly Sources.SourcesClient _client;

    private RemoteSearch(Sources.SourcesClient client, SearchSource source)
    {
        _client = client;
        Name = source.Name;
        IsLocal = source.IsLocal;
    }

    /// <inheritdoc />
    public string Name { get; }

    /// <inheritdoc />
    public bool IsLocal { get; }

    /// <summary>Asks a server what it has.</summary>
    /// <param name="invoker">The channel to it, which sends a worker's key.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="RpcException">It cannot be reached, or does not take the key.</exception>
    public static async Task<ServerSources> DescribeAsync(CallInvoker invoker, CancellationToken cancellationToken)
    {
        var client = new Sources.SourcesClient(invoker);
        DescribeResponse response = await client.DescribeAsync(new DescribeRequest(), cancellationToken: cancellationToken).ConfigureAwait(false);
        return new ServerSources([.. response.Searches.Select(source => new RemoteSearch(client, source))], response.ToolsDigest);
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        var request = new SearchRequest { Source = Name, Text = query.Text, Limit = query.Limit, Language = query.Language ?? "" };
        SearchResponse response = await AskAsync(_client.SearchAsync(request, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        return [.. response.Hits.Select(static hit => new SearchHit(hit.Url, hit.Title, hit.Snippet))];
    }

    /// <inheritdoc />
    public async Task<FetchResult> ReadAsync(string url, CancellationToken cancellationToken)
    {
        ReadPageResponse response = await AskAsync(_client.ReadPageAsync(new ReadPageRequest { Url = url }, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        return JsonSerializer.Deserialize(response.ResultJson.Span, ResearchJson.Default.FetchResult)!;
    }

    private static async Task<T> AskAsync<T>(AsyncUnaryCall<T> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SearchException(exception.Status.Detail, exception);
        }
        catch (RpcException exception)
        {
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }
    }
}
