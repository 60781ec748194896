using System.Security.Cryptography.X509Certificates;

namespace HelixFlow.Agents.Fetching;

/// <summary>Reads pages of the web on behalf of people who name the addresses: politely, within limits, and from nowhere but where it may.</summary>
/// <remarks>
/// Each host is asked by one request at a time, rests between two, and is asked for its robots.txt first; every redirect is judged like the address
/// that was given.
/// All members may be called from any thread.
/// </remarks>
public sealed class WebFetcher : IDisposable
{
    private readonly FetchOptions _options;
    private readonly TimeProvider _time;
    private readonly GuardedClient _client;
    private readonly RobotsCache _robots;
    private readonly HostTurns _turns;

    /// <summary>Makes a fetcher.</summary>
    /// <exception cref="FormatException">The options allow something that is no host or network.</exception>
    public WebFetcher(FetchOptions options, TimeProvider time) : this(options, time, null)
    {
    }

    internal WebFetcher(FetchOptions options, TimeProvider time, X509ChainPolicy? certificates)
    {
        _options = options;
        _time = time;
        _client = new GuardedClient(options, time, certificates);
        _robots = new RobotsCache(_client, options, time);
        _turns = new HostTurns(time);
    }

    /// <summary>Reads a page; why it cannot be read is a result as well.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<FetchResult> FetchAsync(string address, CancellationToken cancellationToken)
    {
        try
        {
            return Uri.TryCreate(address, UriKind.Absolute, out Uri? first)
                ? new FetchResult(await FollowAsync(first, cancellationToken).ConfigureAwait(false), null, null)
                : throw new FetchException(FetchFailure.BadAddress, "It is no address of HTTP.");
        }
        catch (FetchException exception)
        {
            return new FetchResult(null, exception.Failure, exception.Message);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _client.Dispose();

    private async Task<WebPage> FollowAsync(Uri first, CancellationToken cancellationToken)
    {
        var request = new PageRequest(PageReader.Accept, _options.MaxBytes, Check: PageReader.Check);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        TimeSpan left = _options.TimeLimit;
        bool hasWaited = false;
        Uri at = first;
        while (true)
        {
            if (!hasWaited && !seen.Add(Plain(at)))
            {
                throw new FetchException(FetchFailure.Redirects, $"{first.Host} redirects in a circle.");
            }

            if (seen.Count > _options.MaxRedirects + 1)
            {
                throw new FetchException(FetchFailure.Redirects, $"{first.Host} redirects more than {_options.MaxRedirects} times.");
            }

            (PageResponse response, TimeSpan took) = await AskAsync(at, request, left, cancellationToken).ConfigureAwait(false);
            left -= took;
            switch (response.Status)
            {
                case >= 200 and < 300:
                    return PageReader.Read(Plain(at), response.Body, response.ContentType?.MediaType, response.ContentType?.CharSet, _time.GetUtcNow());
                case 301 or 302 or 303 or 307 or 308 when response.Location is { } location:
                    at = Uri.TryCreate(at, location, out Uri? next) ? next
                        : throw new FetchException(FetchFailure.BadAnswer, $"{at.Host} redirects to no address.");
                    hasWaited = false;
                    break;
                case 429 or 503 when response.RetryAfter <= _options.MaxHostDelay && !hasWaited:
                    hasWaited = true; // which the host's next turn does
                    break;
                case 429:
                    throw new FetchException(FetchFailure.RateLimited, $"{at.Host} asks for a pause (status 429).");
                default:
                    throw new FetchException(FetchFailure.HttpStatus, $"{at.Host} answers with the status {response.Status}.");
            }
        }
    }

    private async Task<(PageResponse Response, TimeSpan Took)> AskAsync(Uri at, PageRequest request, TimeSpan left, CancellationToken cancellationToken)
    {
        if (at.Scheme is not ("http" or "https"))
        {
            throw new FetchException(FetchFailure.BadAddress, $"'{at.Scheme}' is not read here; http and https are.");
        }

        using HostTurns.Turn turn = await _turns.EnterAsync(at.IdnHost, cancellationToken).ConfigureAwait(false);
        RobotsRules robots = await _robots.GetAsync(at, cancellationToken).ConfigureAwait(false);
        if (!robots.Allows(at.PathAndQuery))
        {
            throw new FetchException(FetchFailure.Robots, $"{at.Host} asks robots not to read this (robots.txt).");
        }

        TimeSpan wished = Least(robots.Delay, _options.MaxHostDelay);
        await turn.RestAsync(wished > _options.HostDelay ? wished : _options.HostDelay, cancellationToken).ConfigureAwait(false);
        long started = _time.GetTimestamp();
        TimeSpan pause = TimeSpan.Zero;
        try
        {
            PageResponse response = await _client.GetAsync(at, request, left, cancellationToken).ConfigureAwait(false);
            pause = response.RetryAfter is { } wanted ? Least(wanted, _options.MaxHostDelay) : TimeSpan.Zero;
            return (response, _time.GetElapsedTime(started));
        }
        finally
        {
            turn.Asked(pause);
        }
    }

    /// <summary>An address as servers see it: without what stands behind #.</summary>
    private static string Plain(Uri address) => address.GetComponents(UriComponents.HttpRequestUrl, UriFormat.UriEscaped);

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
