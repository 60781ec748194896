using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using HelixFlow.Agents.Dispatch;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Webhooks;

/// <summary>Sends what the journal holds for receivers: at least once each, again and later each time until it is taken or given up.</summary>
/// <remarks>
/// One loop claims deliveries, and each is tried in a task of its own. A process that dies while it sends leaves its claims to others, which send again after a while
/// under the same id. Several processes may share a journal. Neither redirects are followed nor bodies of answers read.
/// </remarks>
public sealed partial class WebhookSender : IDisposable
{
    private static readonly TimeSpan _drainLimit = TimeSpan.FromSeconds(2);

    private readonly Journal.Journal _journal;
    private readonly WebhookOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly WebhookMetrics? _metrics;
    private readonly HttpClient _http;
    private readonly WakeSignal _wake;
    private readonly long _leaseMs;
    private readonly CancellationTokenSource _leaving = new();

    public WebhookSender(Journal.Journal journal, WebhookOptions options, TimeProvider time, ILogger<WebhookSender> logger, WebhookMetrics? metrics = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Concurrency, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxAttempts, 1);
        _journal = journal;
        _options = options;
        _time = time;
        _logger = logger;
        _metrics = metrics;
        _wake = new WakeSignal(time);
        _leaseMs = (long)(3 * options.Timeout).TotalMilliseconds;
        bool allowPrivate = options.AllowPrivateAddresses;
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectCallback = (context, token) => ReceiverAddress.ConnectAsync(context.DnsEndPoint, allowPrivate, token),
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            MaxResponseDrainSize = 16 * 1024,
            MaxResponseHeadersLength = 16,
        }) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("HelixFlow", "0.1"));
    }

    /// <summary>Sends until it is stopped, and then lets those end that are under way, for a moment.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        _journal.DeliveryDue += _wake.Set;
        var sending = new HashSet<Task>();
        try
        {
            while (!stopping.IsCancellationRequested)
            {
                sending.RemoveWhere(static task => task.IsCompleted);
                int free = _options.Concurrency - sending.Count;
                int claimed = free > 0 ? await ClaimAsync(free, sending, stopping).ConfigureAwait(false) : 0;
                if (claimed < free || free == 0)
                {
                    await _wake.WaitAsync(_options.PollInterval, stopping).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            _journal.DeliveryDue -= _wake.Set;
            _leaving.CancelAfter(_drainLimit);
            await Task.WhenAll(sending).ConfigureAwait(false);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _http.Dispose();
        _leaving.Dispose();
    }

    private async Task<int> ClaimAsync(int most, HashSet<Task> sending, CancellationToken stopping)
    {
        try
        {
            List<DueDelivery> due = await _journal.ClaimDeliveriesAsync(most, _leaseMs, stopping).ConfigureAwait(false);
            foreach (DueDelivery delivery in due)
            {
                sending.Add(Task.Run(() => DeliverAsync(delivery), CancellationToken.None));
            }

            return due.Count;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return 0;
        }
        catch (Exception exception)
        {
            Log.ClaimFailed(_logger, exception);
            return 0;
        }
    }

    private async Task DeliverAsync(DueDelivery due)
    {
        WebhookDelivery delivery = due.Delivery;
        try
        {
            long startedAt = _time.GetTimestamp();
            long at = _time.GetUtcNow().ToUnixTimeMilliseconds();
            (int? status, string? error, TimeSpan? retryAfter) = await SendAsync(due, at).ConfigureAwait(false);
            var attempt = new DeliveryAttempt(delivery.Attempts, at, (long)_time.GetElapsedTime(startedAt).TotalMilliseconds, status, error);
            bool isGone = status == (int)HttpStatusCode.Gone;
            TimeSpan? wait = error is null || isGone || due.Tries >= _options.MaxAttempts ? null : Wait(delivery, due.Tries, retryAfter);
            if (await _journal.RecordDeliveryAsync(delivery, attempt, wait, isGone, CancellationToken.None).ConfigureAwait(false))
            {
                _metrics?.Tried(error is null ? "delivered" : wait is null ? "dead" : "failed");
            }

            if (error is not null && wait is null)
            {
                Log.GivenUp(_logger, delivery.Id, delivery.Job, new Uri(delivery.Url).Host, error);
            }
        }
        catch (OperationCanceledException)
        {
            // The process ends: another one sends it again under the same id.
        }
        catch (Exception exception)
        {
            Log.RecordFailed(_logger, exception, delivery.Id); // it is sent again under the same id
        }
        finally
        {
            _wake.Set();
        }
    }

    /// <summary>One request. The error says nothing of the address but its host, nor of what was sent.</summary>
    private async Task<(int? Status, string? Error, TimeSpan? RetryAfter)> SendAsync(DueDelivery due, long at)
    {
        if (due.Secrets.Count == 0)
        {
            return (null, "The secret that signs it is gone.", null);
        }

        WebhookDelivery delivery = due.Delivery;
        byte[] body = Encoding.UTF8.GetBytes(delivery.Body);
        using var request = new HttpRequestMessage(HttpMethod.Post, delivery.Url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("webhook-id", delivery.Id);
        request.Headers.Add("webhook-timestamp", (at / 1000).ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", WebhookSecret.Sign(due.Secrets, delivery.Id, at / 1000, body));
        using var timeout = new CancellationTokenSource(_options.Timeout, _time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _leaving.Token);
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            return ((int)response.StatusCode, response.IsSuccessStatusCode ? null : string.Create(CultureInfo.InvariantCulture, $"The receiver answered {(int)response.StatusCode}."), RetryAfter(response));
        }
        catch (OperationCanceledException) when (!_leaving.IsCancellationRequested)
        {
            return (null, string.Create(CultureInfo.InvariantCulture, $"The receiver did not answer within {_options.Timeout.TotalSeconds:0.###} seconds."), null);
        }
        catch (HttpRequestException exception)
        {
            return (null, exception.Message, null);
        }
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - _time.GetUtcNow(),
        _ => null,
    };

    /// <summary>Doubles with each try; up to a half is taken off by a hash, so that deliveries that failed together do not return together.</summary>
    private TimeSpan Wait(WebhookDelivery delivery, int tries, TimeSpan? retryAfter)
    {
        double full = Math.Min(_options.MaxBackoff.TotalMilliseconds, _options.Backoff.TotalMilliseconds * Math.Pow(2, Math.Min(tries - 1, 40)));
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{delivery.Id} {delivery.Attempts}")));
        var own = TimeSpan.FromMilliseconds(full * (1 - (BitConverter.ToUInt16(hash) / 65536.0 / 2)));
        TimeSpan asked = retryAfter > _options.MaxRetryAfter ? _options.MaxRetryAfter : retryAfter ?? TimeSpan.Zero;
        return asked > own ? asked : own;
    }

    private static partial class Log
    {
        [LoggerMessage(7100, LogLevel.Warning, "Deliveries to webhooks cannot be claimed; it is tried again.")]
        public static partial void ClaimFailed(ILogger logger, Exception exception);

        [LoggerMessage(7101, LogLevel.Warning, "The delivery {Delivery} of job {Job} to {Host} was given up: {Error}")]
        public static partial void GivenUp(ILogger logger, string delivery, string job, string host, string error);

        [LoggerMessage(7102, LogLevel.Warning, "What became of the delivery {Delivery} could not be recorded; it is sent again.")]
        public static partial void RecordFailed(ILogger logger, Exception exception, string delivery);
    }
}
