using System.Text.Json;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Searching;

/// <summary>A SearXNG server (https://docs.searxng.org/dev/search_api.html), whose settings must allow the format <c>json</c>.</summary>
public sealed class SearxngSearch : ISearchProvider, IDisposable
{
    private readonly Uri _base;
    private readonly SearchHttp _http;

    /// <summary>Makes a client.</summary>
    /// <param name="address">Where the server is, for example <c>http://127.0.0.1:8888/</c>; it may be inside.</param>
    /// <param name="options">How names are resolved, and what else may be reached.</param>
    /// <param name="time">The clock.</param>
    public SearxngSearch(Uri address, FetchOptions options, TimeProvider time)
    {
        _base = new Uri(address.AbsoluteUri.TrimEnd('/') + "/");
        _http = new SearchHttp(address, options, time);
    }

    /// <inheritdoc />
    public string Name => "searxng";

    /// <inheritdoc />
    public bool IsLocal => false;

    /// <inheritdoc />
    public async Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        string language = query.Language is { } tag ? "&language=" + Uri.EscapeDataString(tag) : "";
        var address = new Uri(_base, $"search?q={Uri.EscapeDataString(query.Text)}&format=json{language}");
        byte[] answer = await _http.GetAsync(Name, address, "application/json", cancellationToken).ConfigureAwait(false);
        try
        {
            return SearchAnswer.OfJson(JsonElement.Parse(answer), address, query.Limit);
        }
        catch (JsonException exception)
        {
            throw new SearchException("searxng answers with something that is no JSON.", exception);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();
}
