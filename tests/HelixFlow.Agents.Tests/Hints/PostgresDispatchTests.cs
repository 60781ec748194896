using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Storage;
using HelixFlow.TestServers;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>Several processes on one PostgreSQL database, which carries their hints.</summary>
public sealed class PostgresDispatchTests(PostgresFixture fixture) : DispatchTests, IClassFixture<PostgresFixture>, IAsyncDisposable
{
    private readonly SharedJournals _journals = new(fixture.Server);

    internal override DispatchProcess Open() => new(_journals.Open(), NewChannel());

    internal override async Task UntilListeningAsync(string type, params DispatchProcess[] processes)
    {
        foreach (DispatchProcess process in processes)
        {
            await process.HearsAsync(JournalHintKind.Ready, "");
        }
    }

    internal override async Task TellAsync(params JournalHint[] hints)
    {
        await using PostgresHints stranger = NewChannel();
        await stranger.SendAsync(hints, Token);
    }

    [Fact]
    public async Task What_happens_in_one_process_is_heard_in_the_others_and_not_told_again()
    {
        await using DispatchProcess first = Open();
        await using DispatchProcess second = Open();
        await UntilListeningAsync("", second);

        string id = await first.RequestAsync("greet");
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
        await using DispatchProcess first = Open();
        await using DispatchProcess second = Open();
        await UntilListeningAsync("", second);

        string[] ids = await Task.WhenAll(Enumerable.Range(0, 600).Select(i => first.RequestAsync($"type-{i}")));
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
        await using var journals = new SharedJournals(server);
        await using var first = new DispatchProcess(journals.Open(), new PostgresHints(journals.Connection, TimeProvider.System));
        await using var second = new DispatchProcess(journals.Open(), new PostgresHints(journals.Connection, TimeProvider.System));
        await UntilListeningAsync("", first, second);
        await server.KillAsync();
        second.Heard.Clear();
        await server.StartAgainAsync();

        await UntilListeningAsync("", second); // connected again: something may have been missed
        for (int attempt = 0; !second.Heard.ContainsKey(new JournalHint(JournalHintKind.Ready, "greet")) && attempt < 2_000; attempt++)
        {
            // The first hint may be the one that finds out that the sender's connection is gone.
            await RequestAsync(first, attempt);
            await Task.Delay(25, Token);
        }

        await second.HearsAsync(JournalHintKind.Ready, "greet");
    }

    public ValueTask DisposeAsync() => _journals.DisposeAsync();

    private static async Task RequestAsync(DispatchProcess process, int attempt)
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

    private PostgresHints NewChannel() => new(_journals.Connection, TimeProvider.System);
}
