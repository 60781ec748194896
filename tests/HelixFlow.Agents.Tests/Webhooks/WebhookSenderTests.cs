using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Webhooks;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.Webhooks;

public sealed class WebhookSenderTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_ended_job_is_told_once_and_signed()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        await using Sending sending = new(host);
        string id = await RequestAsync(host, receiver.Url);
        await SucceedAsync(host);

        Receiver.Message message = await receiver.NextAsync();
        JsonElement body = JsonElement.Parse(message.Body);
        Assert.Equal(("/hook?tenant=7", "job.succeeded", id), (message.Path, body.GetProperty("type").GetString(), body.GetProperty("data").GetProperty("job").GetString()));
        Assert.Equal("application/json", message.Headers["Content-Type"]);
        long timestamp = long.Parse(message.Headers["webhook-timestamp"], CultureInfo.InvariantCulture);
        Assert.Equal(WebhookSecret.Sign([Secret], message.Id, timestamp, Encoding.UTF8.GetBytes(message.Body)), message.Headers["webhook-signature"]);
        WebhookDelivery delivery = await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Delivered);
        Assert.Equal((message.Id, 1), (delivery.Id, delivery.Attempts));
        Assert.Empty(receiver.Messages);
    }

    [Fact]
    public async Task What_a_receiver_refuses_is_sent_again_and_given_up_and_sent_again_when_somebody_wants_it()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        receiver.AnswerWith(500, 404, 302);
        await using Sending sending = new(host, new WebhookOptions { MaxAttempts = 3 });
        string id = await RequestAsync(host, receiver.Url);
        await SucceedAsync(host);

        WebhookDelivery dead = await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Dead);
        string[] ids = [(await receiver.NextAsync()).Id, (await receiver.NextAsync()).Id, (await receiver.NextAsync()).Id];
        Assert.Equal([dead.Id], ids.Distinct());
        Assert.Equal([500, 404, 302], (await AttemptsAsync(host, dead)).Select(static attempt => attempt.Status!.Value));
        Assert.True(await host.Journal.RedeliverAsync("p", dead.Id, Token));
        Assert.Equal(dead.Id, (await receiver.NextAsync()).Id);
        WebhookDelivery delivered = await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Delivered);
        Assert.Equal(4, delivered.Attempts);
        Assert.True(await host.Journal.RedeliverAsync("p", dead.Id, Token));
        Assert.Equal(dead.Id, (await receiver.NextAsync()).Id);
        Assert.Contains(sending.Messages, message => message.Contains(dead.Id, StringComparison.Ordinal));
        Assert.DoesNotContain(sending.Messages, static message => message.Contains("tenant", StringComparison.Ordinal) || message.Contains("whsec", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync(), other = await Receiver.StartAsync();
        receiver.Answers.Enqueue(context =>
        {
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = other.Url;
            return Task.CompletedTask;
        });
        await using Sending sending = new(host, new WebhookOptions { MaxAttempts = 1 });
        string id = await RequestAsync(host, receiver.Url);
        await SucceedAsync(host);

        WebhookDelivery dead = await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Dead);
        Assert.Equal(307, Assert.Single(await AttemptsAsync(host, dead)).Status);
        Assert.Empty(other.Messages);
    }

    [Fact]
    public async Task A_receiver_that_asks_for_time_gets_it()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        receiver.Answers.Enqueue(static context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "7200";
            return Task.CompletedTask;
        });
        await using Sending sending = new(host);
        string id = await RequestAsync(host, receiver.Url);
        await SucceedAsync(host);

        long now = await host.Journal.NowAsync(Token);
        WebhookDelivery waiting = await UntilAsync(host, id, delivery => delivery.Attempts == 1 && delivery.NotBefore > now + 3_600_000);
        Assert.InRange(waiting.NotBefore - now, 7_190_000, 7_320_000);
        host.Journal.ClockSkewMs += 7_400_000;
        await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Delivered);
    }

    [Fact]
    public async Task A_receiver_that_is_gone_is_told_nothing_more()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        receiver.AnswerWith(410);
        string id = await RequestAsync(host, receiver.Url, WebhookEvents.Ended | WebhookEvents.Progressed);
        Claim claim = await host.ClaimAsync("t");
        Assert.True(await host.Journal.ProgressAsync(claim.Lease, 10, "a", null, Token));
        await using Sending sending = new(host);
        await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Dead);
        Assert.True(await host.Journal.ProgressAsync(claim.Lease, 20, "b", null, Token));
        Assert.True(await host.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));

        (List<WebhookDelivery> deliveries, _) = await host.Journal.DeliveriesAsync("p", new DeliveryFilter(id, null, null, 10), Token);
        Assert.Equal(DeliveryState.Dead, Assert.Single(deliveries).State);
        Assert.Equal(410, Assert.Single(await AttemptsAsync(host, deliveries[0])).Status);
    }

    [Fact]
    public async Task A_receiver_that_is_silent_or_not_there_or_within_the_network_is_an_error_without_secrets()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        using var silence = new CancellationTokenSource();
        receiver.Answers.Enqueue(_ => Task.Delay(Timeout.InfiniteTimeSpan, silence.Token).ContinueWith(static _ => { }, TaskScheduler.Default));
        await using (Sending sending = new(host, new WebhookOptions { MaxAttempts = 1, Timeout = TimeSpan.FromMilliseconds(300) }))
        {
            string silent = await RequestAsync(host, receiver.Url);
            await SucceedAsync(host);
            string absent = await RequestAsync(host, "http://127.0.0.1:1/hook?token=1");
            await SucceedAsync(host);
            WebhookDelivery first = await UntilAsync(host, silent, static delivery => delivery.State == DeliveryState.Dead);
            Assert.Contains("did not answer within 0.3 seconds", Assert.Single(await AttemptsAsync(host, first)).Error, StringComparison.Ordinal);
            WebhookDelivery second = await UntilAsync(host, absent, static delivery => delivery.State == DeliveryState.Dead);
            Assert.DoesNotContain("token", Assert.Single(await AttemptsAsync(host, second)).Error, StringComparison.Ordinal);
        }

        await silence.CancelAsync();
        await using (Sending sending = new(host, new WebhookOptions { MaxAttempts = 1, AllowPrivateAddresses = false }, allowPrivate: false))
        {
            foreach (string host_ in (string[])["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
            {
                string id = await RequestAsync(host, new UriBuilder(receiver.Url) { Host = host_ }.Uri.AbsoluteUri);
                await SucceedAsync(host);
                WebhookDelivery refused = await UntilAsync(host, id, static delivery => delivery.State == DeliveryState.Dead);
                Assert.Contains("no address that may be told", Assert.Single(await AttemptsAsync(host, refused)).Error, StringComparison.Ordinal);
            }
        }

        Assert.Single(receiver.Messages);
    }

    [Fact]
    public async Task A_named_secret_can_be_changed_and_both_sign_for_a_day()
    {
        await using var host = new AgentHost();
        await using Receiver receiver = await Receiver.StartAsync();
        await using Sending sending = new(host);
        string second = WebhookSecret.New();
        await host.Journal.SetSecretAsync("p", "orders", Secret, Token);
        await host.Journal.SetSecretAsync("p", "orders", second, Token);
        foreach (string[] expected in (string[][])[[second, Secret], [second]])
        {
            string id = await RequestAsync(host, receiver.Url, secret: null);
            await SucceedAsync(host);
            Receiver.Message message = await receiver.NextAsync();
            long timestamp = long.Parse(message.Headers["webhook-timestamp"], CultureInfo.InvariantCulture);
            Assert.Equal(WebhookSecret.Sign(expected, message.Id, timestamp, Encoding.UTF8.GetBytes(message.Body)), message.Headers["webhook-signature"]);
            host.Journal.ClockSkewMs += 25 * 3_600_000;
        }

        Assert.True(await host.Journal.DeleteSecretAsync("p", "orders", Token));
        string last = await RequestAsync(host, receiver.Url, secret: null);
        await SucceedAsync(host);
        WebhookDelivery waiting = await UntilAsync(host, last, static delivery => delivery.Attempts > 0);
        await UntilAsync(host, async () => (await AttemptsAsync(host, waiting)).Exists(static attempt => attempt.Error!.Contains("gone", StringComparison.Ordinal)));
    }

    private static async Task<string> RequestAsync(AgentHost host, string url, WebhookEvents events = WebhookEvents.Ended, string? secret = Secret) => (await host.Journal.RequestAsync(
        new RunRequest { Project = "p", Type = "t", Input = "1"u8.ToArray(), Webhook = new WebhookTarget(url, events, secret, secret is null ? "orders" : null) }, Token)).Run!.Id;

    private static async Task SucceedAsync(AgentHost host) => Assert.True(await host.Journal.SucceedAsync((await host.ClaimAsync("t")).Lease, "1"u8.ToArray(), Token));

    private static async Task<List<DeliveryAttempt>> AttemptsAsync(AgentHost host, WebhookDelivery delivery) => (await host.Journal.DeliveryAsync("p", delivery.Id, Token))!.Value.Attempts;

    private static async Task<WebhookDelivery> UntilAsync(AgentHost host, string job, Func<WebhookDelivery, bool> isThere)
    {
        WebhookDelivery? found = null;
        await UntilAsync(host, async () => (found = (await host.Journal.DeliveriesAsync("p", new DeliveryFilter(job, null, null, 10), Token)).Deliveries.Find(delivery => isThere(delivery))) is not null);
        return found!;
    }

    private static async Task UntilAsync(AgentHost host, Func<Task<bool>> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(TimeSpan.FromMinutes(2));
        while (!await isThere())
        {
            await Task.Delay(5, guard.Token);
        }
    }

    /// <summary>A sender at work, with short waits, and what it has logged.</summary>
    private sealed class Sending : ILogger<WebhookSender>, IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly WebhookSender _sender;
        private readonly Task _work;

        public Sending(AgentHost host, WebhookOptions? options = null, bool allowPrivate = true)
        {
            options ??= new WebhookOptions();
            options.AllowPrivateAddresses = allowPrivate;
            options.Backoff = TimeSpan.FromMilliseconds(10);
            options.PollInterval = TimeSpan.FromMilliseconds(50);
            _sender = new WebhookSender(host.Journal, options, TimeProvider.System, this);
            _work = _sender.RunAsync(_stop.Token);
        }

        public System.Collections.Concurrent.ConcurrentQueue<string> Messages { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Enqueue($"{formatter(state, exception)} {exception}");

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _work;
            _sender.Dispose();
            _stop.Dispose();
        }
    }
}
