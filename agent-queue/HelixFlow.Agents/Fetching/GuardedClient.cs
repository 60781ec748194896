using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace HelixFlow.Agents.Fetching;

/// <summary>One request at a time to hosts that nobody vouches for: only to addresses that may be reached, and with limits on all that comes back.</summary>
/// <remarks>
/// Names are resolved here and the connection is opened to the address that was judged, so that a name cannot mean another address a moment later (DNS
/// rebinding). No proxy, cookies, credentials or redirects, and no downloads of missing certificates. Thread-safe.
/// </remarks>
internal sealed class GuardedClient : IDisposable
{
    /// <summary>By what name robots.txt speaks of us.</summary>
    public const string Product = "HelixFlow";

    private const int ReadBytes = 16 << 10;

    private readonly FetchOptions _options;
    private readonly AddressRules _rules;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _client;

    /// <summary>Who asks, to servers.</summary>
    public static string UserAgent { get; } = $"{Product}/{typeof(GuardedClient).Assembly.GetName().Version!.ToString(2)}";

    /// <exception cref="FormatException">The options allow something that is no host or network.</exception>
    public GuardedClient(FetchOptions options, TimeProvider time, X509ChainPolicy? certificates = null)
    {
        _options = options;
        _rules = AddressRules.Parse(options.Allowed, options.Ports);
        _time = time;
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.GZip | DecompressionMethods.Deflate | DecompressionMethods.Brotli,
            ConnectCallback = (context, token) => GuardedConnection.OpenAsync(_rules, options.Resolve, context.DnsEndPoint, token),
            ConnectTimeout = options.ConnectTimeLimit,
            MaxResponseDrainSize = 0,
            MaxResponseHeadersLength = options.MaxHeaderKib,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = certificates ?? new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck, VerificationTimeIgnored = true },
            },
            UseCookies = false,
            UseProxy = false,
        });
    }

    /// <summary>Gets what is at an address; of a redirect only where it leads to, of an error nothing but the status.</summary>
    /// <param name="address">Where.</param>
    /// <param name="request">What is taken.</param>
    /// <param name="timeLimit">How long it may take, from the connection to the last byte.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="FetchException">It cannot be had.</exception>
    public async Task<PageResponse> GetAsync(Uri address, PageRequest request, TimeSpan timeLimit, CancellationToken cancellationToken)
    {
        if (address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0 || address.Host.Length == 0)
        {
            throw new FetchException(FetchFailure.BadAddress, "It is no address of HTTP, or has a name and password in it.");
        }

        using var deadline = new CancellationTokenSource(timeLimit > TimeSpan.Zero ? timeLimit : TimeSpan.Zero, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Get, address);
            message.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
            message.Headers.TryAddWithoutValidation("Accept", request.Accept);
            using HttpResponseMessage response = await _client.SendAsync(message, either.Token).ConfigureAwait(false);
            var head = new PageResponse((int)response.StatusCode, response.Headers.Location, WaitOf(response.Headers.RetryAfter), response.Content.Headers.ContentType, []);
            if (!response.IsSuccessStatusCode)
            {
                return head;
            }

            request.Check?.Invoke(head.ContentType);
            if (response.Content.Headers.ContentEncoding.Count > 0)
            {
                throw new FetchException(FetchFailure.ContentType, $"{address.Host} sends its content packed in a way that was not asked for.");
            }

            Stream body = await response.Content.ReadAsStreamAsync(either.Token).ConfigureAwait(false);
            return head with { Body = await ReadAsync(body, request, either.Token).ConfigureAwait(false) };
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new FetchException(FetchFailure.TooSlow, $"{address.Host} took longer than {_options.TimeLimit.TotalSeconds:0.#} s.");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidDataException or SocketException or UriFormatException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Explain(address, exception);
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Reads a body with limits on its size, after decompression, and on its slowness.</summary>
    internal async Task<byte[]> ReadAsync(Stream body, PageRequest request, CancellationToken cancellationToken)
    {
        long started = _time.GetTimestamp();
        var read = new ArrayBufferWriter<byte>(ReadBytes);
        while (true)
        {
            int count = await body.ReadAsync(read.GetMemory(Math.Min(ReadBytes, request.MaxBytes - read.WrittenCount + 1)), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return read.WrittenSpan.ToArray();
            }

            read.Advance(count);
            if (read.WrittenCount > request.MaxBytes)
            {
                return request.IsCut ? read.WrittenSpan[..request.MaxBytes].ToArray()
                    : throw new FetchException(FetchFailure.TooLarge, $"It is larger than {request.MaxBytes} bytes.");
            }

            TimeSpan elapsed = _time.GetElapsedTime(started);
            if (elapsed > _options.RateGrace && read.WrittenCount < elapsed.TotalSeconds * _options.MinimumRate)
            {
                throw new FetchException(FetchFailure.TooSlow, $"It comes with less than {_options.MinimumRate} bytes a second.");
            }
        }
    }

    private TimeSpan? WaitOf(RetryConditionHeaderValue? retryAfter) =>
        retryAfter?.Delta ?? (retryAfter?.Date is { } date ? date - _time.GetUtcNow() : null);

    // The reason is for the people whose job it is: it tells nothing about addresses inside.
    private static FetchException Explain(Uri address, Exception exception)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is FetchException known)
            {
                return known;
            }
        }

        return exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => new FetchException(FetchFailure.Tls, $"No secure connection to {address.Host} could be had.", exception),
            HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => new FetchException(FetchFailure.TooLarge, $"The headers that {address.Host} sends are too large.", exception),
            HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } or InvalidDataException or UriFormatException =>
                new FetchException(FetchFailure.BadAnswer, $"What {address.Host} sends is broken.", exception),
            _ => new FetchException(FetchFailure.Unreachable, $"{address.Host} cannot be reached, or broke off.", exception),
        };
    }
}

/// <summary>What is taken of an answer.</summary>
/// <param name="Accept">Which types are asked for.</param>
/// <param name="MaxBytes">Most bytes of the body, after decompression.</param>
/// <param name="IsCut">Whether what is longer is cut; otherwise it is refused.</param>
/// <param name="Check">Refuses content types by a <see cref="FetchException"/> before the body is read.</param>
internal sealed record PageRequest(string Accept, int MaxBytes, bool IsCut = false, Action<MediaTypeHeaderValue?>? Check = null);

/// <summary>What a host answered.</summary>
internal sealed record PageResponse(int Status, Uri? Location, TimeSpan? RetryAfter, MediaTypeHeaderValue? ContentType, byte[] Body);
