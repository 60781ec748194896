using System.Net;
using System.Net.Http.Headers;

namespace HelixFlow.Cli.Pull;

/// <summary>GET requests that follow redirects by the rules of a careful client.</summary>
/// <remarks>
/// The token goes to the hub's own origin (scheme, host and port) and nowhere else, so that a redirect to a content network does not see
/// it. An https address never redirects to http. Thread-safe.
/// </remarks>
internal sealed class PullHttp : IDisposable
{
    private const int MaxRedirects = 10;

    private readonly HttpClient _client;
    private readonly Uri? _tokenOrigin;
    private readonly string? _token;
    private readonly RetryPolicy _retry;
    private readonly TimeProvider _time;

    /// <param name="tokenOrigin">The only origin that may see <paramref name="token"/>.</param>
    /// <param name="token">A bearer token, or null.</param>
    /// <param name="retry">For the time limit on an answer's headers.</param>
    /// <param name="time">The clock that Retry-After dates are measured against.</param>
    public PullHttp(Uri? tokenOrigin, string? token, RetryPolicy retry, TimeProvider time)
    {
        _tokenOrigin = tokenOrigin;
        _token = token;
        _retry = retry;
        _time = time;
        _client = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None, // ranges and sizes count the bytes that are stored
                ConnectTimeout = TimeSpan.FromSeconds(15),
            },
            disposeHandler: true)
        {
            Timeout = Timeout.InfiniteTimeSpan, // a download may take hours; a stalled one is noticed at each read
        };
        _client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("helixflow", "0.1"));
        _client.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    public void Dispose() => _client.Dispose();

    /// <summary>
    /// An answer of status 200, 206 or 416 with its body unread; its RequestMessage holds the final address.
    /// </summary>
    /// <param name="url">Where to start.</param>
    /// <param name="range">The bytes wanted, or null for all.</param>
    /// <param name="validator">The entity tag that the range belongs to, if there is a strong one.</param>
    /// <param name="stopping">Ends the request.</param>
    /// <exception cref="TransientException">Trying again may help.</exception>
    /// <exception cref="PullException">It will not.</exception>
    public async Task<HttpResponseMessage> GetAsync(Uri url, ByteRange? range, EntityTagHeaderValue? validator, CancellationToken stopping)
    {
        Uri current = url;
        for (int redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            HttpResponseMessage response = await SendAsync(current, range, validator, stopping);
            if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable)
            {
                return response;
            }

            using (response)
            {
                current = response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                    or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
                    ? Redirected(current, response.Headers.Location)
                    : throw Refusal(current, response);
            }
        }

        throw new PullException($"{Shown(url)} redirects more than {MaxRedirects} times");
    }

    /// <summary>An address without its query, which may carry a signature.</summary>
    public static string Shown(Uri url) => url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    private async Task<HttpResponseMessage> SendAsync(
        Uri url, ByteRange? range, EntityTagHeaderValue? validator, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        if (_token is not null && _tokenOrigin is not null && IsSameOrigin(url, _tokenOrigin))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
        }

        if (range is { } bytes)
        {
            request.Headers.Range = new RangeHeaderValue(bytes.From, bytes.To - 1);
            if (validator is { IsWeak: false })
            {
                request.Headers.IfRange = new RangeConditionHeaderValue(validator);
            }
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(_retry.StallTimeout);
        try
        {
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        }
        catch (HttpRequestException e)
        {
            throw new TransientException($"{Shown(url)}: {e.Message}", inner: e);
        }
        catch (OperationCanceledException e) when (!stopping.IsCancellationRequested)
        {
            throw new TransientException($"{Shown(url)} did not answer in {_retry.StallTimeout.TotalSeconds:0.#} s", inner: e);
        }
    }

    internal static Uri Redirected(Uri from, Uri? location)
    {
        if (location is null || !Uri.TryCreate(from, location, out Uri? target) || target.Scheme is not ("http" or "https"))
        {
            throw new PullException($"{Shown(from)} redirects to nowhere usable");
        }

        return from.Scheme == "https" && target.Scheme == "http"
            ? throw new PullException($"{Shown(from)} redirects from https to the unprotected {Shown(target)}; refused")
            : target;
    }

    private Exception Refusal(Uri url, HttpResponseMessage response)
    {
        string what = $"{Shown(url)} answered {(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
        return response.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new PullException(
                _token is null
                    ? $"{what}: the file is private or gated. Accept its terms on the hub and set HF_TOKEN (or --token) to an access token"
                    : $"{what}: the token in HF_TOKEN (or --token) has no access. Accept the model's terms on the hub with its account"),
            HttpStatusCode.NotFound or HttpStatusCode.Gone =>
                new PullException($"{what}: check the repository, the revision and the file name"),
            HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError =>
                new TransientException(what, RetryAfterOf(response)),
            _ => new PullException(what),
        };
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage response) =>
        response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - _time.GetUtcNow(),
            _ => null,
        };

    private static bool IsSameOrigin(Uri a, Uri b) =>
        a.Scheme == b.Scheme && a.Port == b.Port && string.Equals(a.IdnHost, b.IdnHost, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Bytes <paramref name="From"/> up to, not including, <paramref name="To"/>.</summary>
internal readonly record struct ByteRange(long From, long To)
{
    public long Length => To - From;
}
