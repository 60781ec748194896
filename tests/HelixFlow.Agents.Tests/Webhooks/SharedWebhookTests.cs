using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace HelixFlow.Agents.Tests.Webhooks;

/// <summary>The senders of several gateways on one PostgreSQL.</summary>
public sealed class SharedWebhookTests(PostgresFixture fixture) : IClassFixture<PostgresFixture>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_message_is_sent_by_one_of_them()
    {
        const int Jobs = 30;
        await using Gateway first = await Gateway.StartAsync(fixture), second = first.Another();
        await using Receiver receiver = await Receiver.StartAsync();
        first.Send();
        second.Send();
        for (int i = 0; i < Jobs; i++)
        {
            await (i % 2 == 0 ? first : second).EndJobAsync(receiver.Url);
        }

        var ids = new List<string>();
        for (int i = 0; i < Jobs; i++)
        {
            ids.Add((await receiver.NextAsync()).Id);
        }

        await UntilAsync(async () => (await first.DeliveriesAsync()).TrueForAll(static delivery => delivery.State == DeliveryState.Delivered));
        Assert.Equal(Jobs, ids.Distinct().Count());
        Assert.Empty(receiver.Messages);
        Assert.All(await first.DeliveriesAsync(), static delivery => Assert.Equal(1, delivery.Attempts));
    }

    [Fact]
    public async Task When_the_sender_of_a_message_dies_another_one_sends_it_and_nothing_of_the_dead_one_counts()
    {
        await using Gateway dies = await Gateway.StartAsync(fixture), lives = dies.Another();
        await using Receiver receiver = await Receiver.StartAsync();
        await dies.EndJobAsync(receiver.Url);
        DueDelivery taken = Assert.Single(await dies.Journal.ClaimDeliveriesAsync(10, 30_000, Token)); // and is killed before it is sent
        lives.Send();
        Assert.Empty(await lives.Journal.ClaimDeliveriesAsync(10, 30_000, Token)); // it is the other one's as long as its lease lasts
        lives.Journal.ClockSkewMs = 31_000;

        Assert.Equal(taken.Delivery.Id, (await receiver.NextAsync()).Id);
        await UntilAsync(async () => (await lives.DeliveriesAsync())[0].State == DeliveryState.Delivered);
        Assert.Equal(2, (await lives.DeliveriesAsync())[0].Attempts);
        Assert.False(await dies.Journal.RecordDeliveryAsync(taken.Delivery, new DeliveryAttempt(1, 0, 1, 500, "late"), TimeSpan.FromSeconds(1), false, Token)); // it was only paused
        Assert.Equal(DeliveryState.Delivered, (await lives.DeliveriesAsync())[0].State);
        Assert.Empty(receiver.Messages);
    }

    private static async Task UntilAsync(Func<Task<bool>> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(TimeSpan.FromMinutes(2));
        while (!await isThere())
        {
            await Task.Delay(10, guard.Token);
        }
    }

    /// <summary>What a gateway has of the agent queue: a connection of its own to the database, and a sender.</summary>
    private sealed class Gateway : IAsyncDisposable
    {
        private readonly PostgresDatabase _database;
        private readonly string _connection;
        private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-shared-").FullName;
        private readonly CancellationTokenSource _stop = new();
        private readonly WebhookSender _sender;
        private Task _sending = Task.CompletedTask;

        private Gateway(string connection)
        {
            _connection = connection;
            _database = PostgresDatabase.Open(connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));
            Journal = new Agents.Journal.Journal(_database, new BlobFolder(_folder), TimeProvider.System, new JournalOptions());
            _sender = new WebhookSender(
                Journal, new WebhookOptions { AllowPrivateAddresses = true, PollInterval = TimeSpan.FromMilliseconds(20), Concurrency = 4 }, TimeProvider.System, NullLogger<WebhookSender>.Instance);
        }

        public Agents.Journal.Journal Journal { get; }

        public static async Task<Gateway> StartAsync(PostgresFixture fixture)
        {
            Assert.SkipWhen(fixture.Server is null, PostgresServer.Missing ?? "");
            string name = "w" + Guid.NewGuid().ToString("N");
            await using var source = NpgsqlDataSource.Create(fixture.Server.ConnectionString());
            await using NpgsqlCommand create = source.CreateCommand($"create database {name}");
            await create.ExecuteNonQueryAsync(Token);
            return new Gateway(fixture.Server.ConnectionString(name));
        }

        public Gateway Another() => new(_connection);

        public void Send() => _sending = _sender.RunAsync(_stop.Token);

        /// <summary>A job that ends, of which a receiver is told.</summary>
        public async Task EndJobAsync(string url)
        {
            await Journal.RequestAsync(
                new RunRequest { Project = "p", Type = "t", Input = "1"u8.ToArray(), Webhook = new WebhookTarget(url, WebhookEvents.Ended, WebhookSecret.New(), null) }, Token);
            Claim claim = Assert.Single(await Journal.ClaimAsync("w", ["t"], 1, Token));
            Assert.True(await Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        }

        public async Task<List<WebhookDelivery>> DeliveriesAsync() => (await Journal.DeliveriesAsync("p", new DeliveryFilter(null, null, null, 100), Token)).Deliveries;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _sending;
            _sender.Dispose();
            _stop.Dispose();
            await _database.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }
    }
}
