using System.Net;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Searching;

/// <summary>Requests to a search service that the operator names: its host may be inside; whatever else it mentions may not.</summary>
internal sealed class SearchHttp : IDisposable
{
    private const int MaxBytes = 4 << 20;

    private readonly TimeSpan _timeLimit;
    private readonly GuardedClient _client;

    public SearchHttp(Uri service, FetchOptions options, TimeProvider time)
    {
        string host = IPAddress.TryParse(service.IdnHost, out IPAddress? address) ? address.ToString() : $"{service.IdnHost}:{service.Port}";
        _timeLimit = options.TimeLimit;
        _client = new GuardedClient(
            new FetchOptions
            {
                Allowed = [.. options.Allowed, host], Ports = options.Ports, Resolve = options.Resolve,
                ConnectTimeLimit = options.ConnectTimeLimit, TimeLimit = options.TimeLimit, RateGrace = options.RateGrace,
            },
            time);
    }

    /// <summary>The answer, if it is one.</summary>
    /// <exception cref="SearchException">It cannot be had; the message says nothing of the address, which may have a key in it.</exception>
    public async Task<byte[]> GetAsync(string name, Uri address, string accept, CancellationToken cancellationToken)
    {
        try
        {
            PageResponse response = await _client.GetAsync(address, new PageRequest(accept, MaxBytes), _timeLimit, cancellationToken).ConfigureAwait(false);
            return response.Status is >= 200 and < 300 ? response.Body : throw new SearchException(response.Status switch
            {
                403 => $"{name} refuses the request (status 403). SearXNG does so when 'json' is missing in search.formats of its settings.yml.",
                429 => $"{name} asks for a pause (status 429). SearXNG's limiter does so to programs; see limiter in its settings.yml.",
                >= 300 and < 400 => $"{name} redirects elsewhere: configure the address where it is.",
                _ => $"{name} answers with the status {response.Status}.",
            });
        }
        catch (FetchException exception)
        {
            throw new SearchException($"{name}: {exception.Message}", exception);
        }
    }

    public void Dispose() => _client.Dispose();
}
