using System.Collections.Concurrent;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Hints;

public sealed class PostgresHintsTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_happens_in_one_process_is_heard_in_the_others_and_not_told_again()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using Process first = Open(server);
        await using Process second = Open(server);
        await second.HearsAsync(JournalHintKind.Ready, ""); // it listens

        string id = (await first.Journal.RequestAsync(new RunRequest { Project = "p", Type = "greet", Input = "1"u8.ToArray() }, Token)).Run!.Id;
        await second.HearsAsync(JournalHintKind.Ready, "greet");
        await second.HearsAsync(JournalHintKind.Changed, id);

        await second.Journal.ClaimAsync("worker", ["greet"], 1, Token);
        await first.Journal.CancelAsync("p", id, "somebody", Token);
        await second.HearsAsync(JournalHintKind.Cancelling, id);
        Assert.DoesNotContain(second.Told, hint => hint.Kind == JournalHintKind.Ready); // what it has heard, it has not told
    }

    [Fact]
    public async Task Many_hints_at_once_are_all_heard()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using Process first = Open(server);
        await using Process second = Open(server);
        await second.HearsAsync(JournalHintKind.Ready, "");

        string[] ids = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
            (await first.Journal.RequestAsync(new RunRequest { Project = "p", Type = $"type-{i}", Input = "1"u8.ToArray() }, Token)).Run!.Id));
        for (int i = 0; i < ids.Length; i++)
        {
            await second.HearsAsync(JournalHintKind.Changed, ids[i]);
            await second.HearsAsync(JournalHintKind.Ready, $"type-{i}");
        }
    }

    [Fact]
    public async Task When_the_server_is_back_it_is_listened_to_again()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using Process first = Open(server);
        await using Process second = Open(server);
        await first.HearsAsync(JournalHintKind.Ready, "");
        await second.HearsAsync(JournalHintKind.Ready, "");
        await server.KillAsync();
        second.Heard.Clear();
        await server.StartAgainAsync();

        await second.HearsAsync(JournalHintKind.Ready, ""); // connected again: something may have been missed
        for (int attempt = 0; !second.Heard.ContainsKey(new JournalHint(JournalHintKind.Ready, "greet")) && attempt < 2_000; attempt++)
        {
            // The first hint may be the one that finds out that the sender's connection is gone.
            await RequestAsync(first, attempt);
            await Task.Delay(25, Token);
        }

        await second.HearsAsync(JournalHintKind.Ready, "greet");
    }

    private static async Task RequestAsync(Process process, int attempt)
    {
        try
        {
            await process.Journal.RequestAsync(new RunRequest { Project = "p", Type = "greet", Input = "1"u8.ToArray(), Key = $"{attempt}" }, Token);
        }
        catch (StorageException exception) when (exception.Failure == StorageFailure.Unavailable)
        {
            // The server is starting.
        }
    }

    private static Process Open(PostgresServer server) => new(server.ConnectionString());

    private sealed class Process : IAsyncDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-hints-").FullName;
        private readonly PostgresDatabase _database;
        private readonly PostgresHints _hints;
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _carrying;
        private volatile TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Process(string connection)
        {
            _database = PostgresDatabase.Open(connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));
            Journal = new Agents.Journal.Journal(_database, new BlobFolder(_folder), TimeProvider.System, new JournalOptions());
            Journal.Ready += type => Note(JournalHintKind.Ready, type);
            Journal.Changed += id => Note(JournalHintKind.Changed, id);
            Journal.Cancelling += id => Note(JournalHintKind.Cancelling, id);
            Journal.Told += Told.Enqueue;
            _hints = new PostgresHints(connection, Journal, TimeProvider.System, NullLogger<PostgresHints>.Instance);
            _carrying = _hints.RunAsync(_stopping.Token);
        }

        public Agents.Journal.Journal Journal { get; }

        public ConcurrentDictionary<JournalHint, bool> Heard { get; } = new();

        public ConcurrentQueue<JournalHint> Told { get; } = new();

        public async Task HearsAsync(JournalHintKind kind, string text)
        {
            while (true)
            {
                Task news = _news.Task;
                if (Heard.ContainsKey(new JournalHint(kind, text)))
                {
                    return;
                }

                await news.WaitAsync(Guard, Token);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await _carrying;
            await _hints.DisposeAsync();
            await _database.DisposeAsync();
            _stopping.Dispose();
            Directory.Delete(_folder, recursive: true);
        }

        private void Note(JournalHintKind kind, string text)
        {
            Heard[new JournalHint(kind, text)] = true;
            Interlocked.Exchange(ref _news, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }
}
