using Microsoft.Data.Sqlite;

namespace HelixFlow.Storage.Tests;

/// <summary>The embedded database.</summary>
public sealed class SqliteDatabaseTests : DatabaseTests, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-storage-").FullName;

    private string File => System.IO.Path.Combine(_folder, "test.db");

    protected override string BytesType => "blob";

    protected override IDatabase Open(params SchemaScript[] scripts) => SqliteDatabase.Open(File, scripts);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Settings_are_those_of_a_durable_database()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);

        (string Mode, long Synchronous, long ForeignKeys) settings = await database.WriteAsync(
            session => (session.First("pragma journal_mode", static row => row.GetString(0))!, session.Number("pragma synchronous"), session.Number("pragma foreign_keys")), Token);

        Assert.Equal(("wal", 2, 1), settings);
    }

    [Fact]
    public async Task Writes_that_wait_together_share_a_commit_and_keep_their_order()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        using var hold = new ManualResetEventSlim();
        Task first = database.WriteAsync(_ => hold.Wait(), Token);
        Task[] writes = [.. Enumerable.Range(0, 500).Select(i => database.WriteAsync(session => Insert(session, $"{i:000}"), Token))];
        hold.Set();
        await Task.WhenAll([first, .. writes]);

        Assert.InRange(database.Commits, 1, 2); // the writer took the first one alone, or all of them when it woke
        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"{i:000}"), await TextsAsync(database));
    }

    [Fact]
    public async Task A_write_that_fails_harms_nobody_who_shares_its_commit()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        using var hold = new ManualResetEventSlim();
        Task first = database.WriteAsync(_ => hold.Wait(), Token);
        Task before = database.WriteAsync(session => Insert(session, "before"), Token);
        Task thrown = database.WriteAsync(
            session =>
            {
                Insert(session, "undone");
                throw new InvalidOperationException("on purpose");
            },
            Token);
        Task twice = database.WriteAsync(
            session =>
            {
                Insert(session, "undone too");
                Insert(session, "before");
            },
            Token);
        Task wrong = database.WriteAsync(session => session.Execute("insert into nowhere values (1)"), Token);
        Task after = database.WriteAsync(session => Insert(session, "after"), Token);
        hold.Set();

        await Task.WhenAll(first, before, after);
        Assert.Equal("on purpose", (await Assert.ThrowsAsync<InvalidOperationException>(() => thrown)).Message);
        Assert.Equal(19, (await Assert.ThrowsAsync<SqliteException>(() => twice)).SqliteErrorCode); // SQLITE_CONSTRAINT
        await Assert.ThrowsAsync<SqliteException>(() => wrong);
        Assert.Equal(["before", "after"], await TextsAsync(database));
    }

    [Fact]
    public async Task A_full_database_refuses_and_goes_on_when_there_is_room()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes], maxBytes: 256 * 1024);
        int stored = 0;
        StorageException full = await Assert.ThrowsAsync<StorageException>(async () =>
        {
            while (stored < 1000)
            {
                await database.WriteAsync(session => Insert(session, new string((char)('a' + (stored % 26)), 10_000) + stored), Token);
                stored++;
            }
        });

        Assert.Equal(StorageFailure.Full, full.Failure);
        Assert.Equal(stored, (await TextsAsync(database)).Count);
        await database.WriteAsync(session => session.Execute("delete from notes"), Token);
        await database.WriteAsync(session => Insert(session, "again"), Token);
        Assert.Equal(["again"], await TextsAsync(database));
    }

    [Fact]
    public async Task A_write_that_is_cancelled_while_it_waits_does_not_run()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        using var hold = new ManualResetEventSlim();
        using var cancel = new CancellationTokenSource();
        var entered = new TaskCompletionSource();
        Task first = database.WriteAsync(
            _ =>
            {
                entered.SetResult();
                hold.Wait();
            },
            Token);
        await entered.Task;
        Task cancelled = database.WriteAsync(session => Insert(session, "never"), cancel.Token);
        Task kept = database.WriteAsync(session => Insert(session, "kept"), Token);
        await cancel.CancelAsync();
        hold.Set();

        await Task.WhenAll(first, kept);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(["kept"], await TextsAsync(database));
    }

    [Fact]
    public async Task A_second_opening_is_refused_until_the_first_is_closed()
    {
        SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        StorageException refusal = Assert.Throws<StorageException>(() => SqliteDatabase.Open(File, [Notes]));
        Assert.Equal(StorageFailure.InUse, refusal.Failure);
        await database.DisposeAsync();

        await SqliteDatabase.Open(File, [Notes]).DisposeAsync();
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused()
    {
        System.IO.File.WriteAllText(File, new string('x', 5000));

        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => SqliteDatabase.Open(File, [Notes])).Failure);
    }

    [Fact]
    public async Task Closing_finishes_what_waits()
    {
        SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        Task[] writes = [.. Enumerable.Range(0, 50).Select(i => database.WriteAsync(session => Insert(session, $"{i}"), Token))];
        await database.DisposeAsync();
        await Task.WhenAll(writes);

        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => database.WriteAsync(session => Insert(session, "late"), Token))).Failure);
        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => TextsAsync(database))).Failure);
    }

    private static void Insert(SqlSession session, string text) => session.Execute("insert into notes (id, text) select coalesce(max(id), 0) + 1, $1 from notes", text);
}
