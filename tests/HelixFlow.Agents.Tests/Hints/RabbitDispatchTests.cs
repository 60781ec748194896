using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.TestServers;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>One broker for all tests of the class.</summary>
public sealed class RabbitFixture : IAsyncLifetime
{
    public RabbitServer? Server { get; private set; }

    public async ValueTask InitializeAsync() => Server = RabbitServer.Missing is null ? await RabbitServer.StartAsync() : null;

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }
    }
}

/// <summary>Several processes on one PostgreSQL database, and a RabbitMQ broker that carries their hints.</summary>
public sealed class RabbitDispatchTests(PostgresFixture postgres, RabbitFixture rabbit) : DispatchTests, IClassFixture<PostgresFixture>, IClassFixture<RabbitFixture>, IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);
    private static readonly JsonElement Done = JsonElement.Parse("\"done\"");

    private readonly SharedJournals _journals = new(postgres.Server);

    internal override DispatchProcess Open()
    {
        Agents.Journal.Journal journal = _journals.Open();
        return new DispatchProcess(journal, new RabbitHints(Server.Address(), journal, TimeProvider.System, NullLogger<RabbitHints>.Instance));
    }

    internal override async Task UntilListeningAsync(string type, params DispatchProcess[] processes)
    {
        foreach (DispatchProcess process in processes)
        {
            await process.HearsAsync(JournalHintKind.Ready, "");
        }

        if (type.Length > 0)
        {
            await UntilAsync(ReadyTaker.QueueOf(type), queue => queue.ConsumerCount == processes.Length);
        }
    }

    internal override async Task TellAsync(params JournalHint[] hints)
    {
        Agents.Journal.Journal journal = _journals.Open();
        var stranger = new RabbitHints(Server.Address(), journal, TimeProvider.System, NullLogger<RabbitHints>.Instance);
        var connected = new TaskCompletionSource();
        using var stop = new CancellationTokenSource();
        Task listening = stranger.ListenAsync(connected.SetResult, static _ => { }, connected.SetException, stop.Token);
        await connected.Task.WaitAsync(Guard, Token);
        for (bool isSent = false; !isSent;)
        {
            try
            {
                await stranger.SendAsync(hints, Token);
                isSent = true;
            }
            catch (Exception exception) when (exception is TimeoutException)
            {
                // A busy machine; some of them may come twice.
            }
        }

        await stop.CancelAsync();
        await listening;
    }

    [Fact]
    public async Task Ready_is_told_to_one_process_and_the_rest_to_all()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess idle = Open(); // no worker: nothing is ready for it
        await using DispatchProcess working = Open();
        working.StartWorker(1, new TestJob("one", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("one", working);
        await UntilListeningAsync("", asked, idle);

        string id = await asked.RequestAsync("one");

        Assert.Equal(RunState.Succeeded, await idle.UntilEndedAsync(id));
        Assert.DoesNotContain(new JournalHint(JournalHintKind.Ready, "one"), idle.Heard.Keys);
        await UntilAsync(ReadyTaker.QueueOf("one"), static queue => queue.MessageCount == 0); // what was taken is done with
    }

    [Fact]
    public async Task Without_a_broker_jobs_are_done_all_the_same_and_when_it_is_back_hints_come_again()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess looking = Open();
        await using DispatchProcess waiting = Open();
        looking.StartWorker(2, TimeSpan.FromMilliseconds(50), new TestJob("looked-for", (_, _) => Task.FromResult(Done)));
        waiting.StartWorker(2, new TestJob("told-of", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("", asked, looking, waiting);

        await Server.KillAsync();
        asked.Heard.Clear();
        waiting.Heard.Clear();
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => asked.RequestAsync("looked-for")));
        foreach (string id in ids)
        {
            while ((await asked.Journal.GetAsync("p", id, Token))!.State != RunState.Succeeded)
            {
                await Task.Delay(20, Token); // nobody tells
            }
        }

        string early = await asked.RequestAsync("told-of"); // its hint is lost
        await Server.StartAgainAsync();
        await UntilListeningAsync("", asked, waiting);
        Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(early)); // who is connected again looks
        Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(await asked.RequestAsync("told-of")));
    }

    [Fact]
    public async Task What_is_no_hint_is_dropped()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess working = Open();
        working.StartWorker(2, new TestJob("garbage", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("garbage", working);
        await UntilListeningAsync("", asked);
        var random = new Random(1);
        await using IConnection connection = await ConnectAsync();
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Token);
        for (int i = 0; i < 100; i++)
        {
            byte[] garbage = new byte[random.Next(200)];
            random.NextBytes(garbage);
            await channel.BasicPublishAsync("helixflow.agents", "", garbage, Token);
            await channel.BasicPublishAsync("", ReadyTaker.QueueOf("garbage"), garbage, Token);
        }

        foreach (string text in (string[])["", "\n", "\n\n\nr", "x\nq\nr", "x\nzwhat is this", new string('r', 100_000)])
        {
            await channel.BasicPublishAsync("helixflow.agents", "", Encoding.UTF8.GetBytes(text), Token);
        }

        Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(await asked.RequestAsync("garbage")));
        await UntilAsync(ReadyTaker.QueueOf("garbage"), static queue => queue.MessageCount == 0);
    }

    [Fact]
    public async Task A_queue_whose_hints_nobody_takes_does_not_grow()
    {
        await using DispatchProcess full = Open();
        var begun = new TaskCompletionSource();
        full.StartWorker(1, new TestJob("untaken", async (_, token) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return Done;
        }));
        await UntilListeningAsync("untaken", full);
        await full.RequestAsync("untaken");
        await begun.Task.WaitAsync(Guard, Token);

        await using IConnection connection = await ConnectAsync();
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Token);
        await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => channel.BasicPublishAsync("", ReadyTaker.QueueOf("untaken"), ReadOnlyMemory<byte>.Empty, Token).AsTask()));

        await UntilAsync(ReadyTaker.QueueOf("untaken"), static queue => queue.MessageCount <= 100);
    }

    [Fact]
    public async Task A_queue_that_takes_no_hints_and_gives_none_is_gone_around()
    {
        await using IConnection connection = await ConnectAsync();
        await using IChannel channel = await connection.CreateChannelAsync(null, Token);
        var refusing = new Dictionary<string, object?> { ["x-max-length"] = 1, ["x-overflow"] = "reject-publish" };
        await channel.QueueDeclareAsync(ReadyTaker.QueueOf("around"), durable: true, exclusive: false, autoDelete: false, refusing, cancellationToken: Token);
        await channel.BasicPublishAsync("", ReadyTaker.QueueOf("around"), ReadOnlyMemory<byte>.Empty, Token); // it is full now
        var log = new HintLog();
        Agents.Journal.Journal journal = _journals.Open();
        await using var asked = new DispatchProcess(journal, new RabbitHints(Server.Address(), journal, TimeProvider.System, log));
        Agents.Journal.Journal other = _journals.Open();
        await using var working = new DispatchProcess(other, new RabbitHints(Server.Address(), other, TimeProvider.System, log));
        working.StartWorker(1, new TestJob("around", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("", asked, working);
        await log.UntilAsync(7194); // it has other arguments than a queue of ours

        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(await asked.RequestAsync("around")));
        }

        await log.UntilAsync(7193);
    }

    [Fact]
    public async Task A_broker_that_answers_nothing_holds_up_no_job_and_no_process_that_stops()
    {
        RabbitServer server = Server;
        DispatchProcess process = Open();
        process.StartWorker(1, new TestJob("silent", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("silent", process);
        await server.PauseAsync();
        try
        {
            Assert.Equal(RunState.Succeeded, await process.UntilEndedAsync(await process.RequestAsync("silent")));
            await process.DisposeAsync();
        }
        finally
        {
            await server.ResumeAsync();
        }
    }

    [Fact]
    public async Task A_type_may_have_a_name_longer_than_a_queues()
    {
        string type = new('ü', 200);
        await using DispatchProcess asked = Open();
        await using DispatchProcess working = Open();
        working.StartWorker(1, new TestJob(type, (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync(type, working);
        await UntilListeningAsync("", asked);

        Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(await asked.RequestAsync(type)));
    }

    [Fact]
    public async Task Refused_credentials_are_told_once_without_them_and_harm_no_job()
    {
        var log = new HintLog();
        await using var process = new DispatchProcess(_journals.Open(), new RabbitHints(Server.Address("guest", "not-the-word"), _journals.Open(), TimeProvider.System, NullLogger<RabbitHints>.Instance), log);
        process.StartWorker(1, new TestJob("refused", (_, _) => Task.FromResult(Done)));
        await log.UntilAsync(7190);

        Assert.Equal(RunState.Succeeded, await process.UntilEndedAsync(await process.RequestAsync("refused")));

        await log.UntilAsync(7191);
        Assert.Contains(log.Lines, static line => line.Contains("ACCESS_REFUSED", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, static line => line.Contains("not-the-word", StringComparison.Ordinal));
    }

    public ValueTask DisposeAsync() => _journals.DisposeAsync();

    private RabbitServer Server
    {
        get
        {
            Assert.SkipWhen(rabbit.Server is null, RabbitServer.Missing ?? "");
            return rabbit.Server;
        }
    }

    private async Task UntilAsync(string queue, Func<QueueDeclareOk, bool> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        string seen = "nothing";
        try
        {
            await using IConnection connection = await ConnectAsync();
            while (true)
            {
                await using IChannel channel = await connection.CreateChannelAsync(null, guard.Token); // one that asks for what is not there is closed
                try
                {
                    QueueDeclareOk now = await channel.QueueDeclarePassiveAsync(queue, guard.Token);
                    if (isThere(now))
                    {
                        return;
                    }

                    seen = $"{now.ConsumerCount} consumers, {now.MessageCount} messages";
                }
                catch (OperationInterruptedException exception)
                {
                    seen = exception.Message; // perhaps there is no such queue yet
                }

                await Task.Delay(20, guard.Token);
            }
        }
        catch (OperationCanceledException) when (!Token.IsCancellationRequested)
        {
            throw new TimeoutException($"{queue} has {seen}. The broker says: {Server.Log}");
        }
    }

    private Task<IConnection> ConnectAsync() => new ConnectionFactory { Uri = Server.Address() }.CreateConnectionAsync(Token);
}
