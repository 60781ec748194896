using Microsoft.Data.Sqlite;

namespace HelixFlow.Storage.Tests;

public sealed class SqliteDatabaseTests : IDisposable
{
    private static readonly SchemaScript Notes = new(1, "notes", "create table notes (id integer primary key, text text not null unique)");

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-storage-").FullName;

    private string File => System.IO.Path.Combine(_folder, "test.db");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_was_written_is_there_after_reopening()
    {
        await using (SqliteDatabase database = SqliteDatabase.Open(File, [Notes]))
        {
            Assert.Equal(1, await database.WriteAsync(session => session.Execute("insert into notes (id, text) values ($1, $2)", 7, "seven"), Token));
            Assert.Equal(["seven"], await TextsAsync(database));
        }

        await using SqliteDatabase again = SqliteDatabase.Open(File, [Notes]);
        Assert.Equal(["seven"], await TextsAsync(again));
    }

    [Fact]
    public async Task Settings_are_those_of_a_durable_database()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);

        (string Mode, long Synchronous, long ForeignKeys) settings = await database.WriteAsync(
            session => (session.First("pragma journal_mode", row => row.GetString(0))!, session.Number("pragma synchronous"), session.Number("pragma foreign_keys")), Token);

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
    public async Task A_write_that_fails_undoes_itself_and_harms_no_neighbour()
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
    public async Task Many_readers_and_writers_see_whole_transactions_only()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [new(1, "pairs", "create table pairs (a integer not null, b integer not null); insert into pairs values (0, 0)")]);
        Task[] writers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 50; i++)
            {
                await database.WriteAsync(
                    session =>
                    {
                        session.Execute("update pairs set a = a + 1");
                        session.Execute("update pairs set b = b + 1");
                    },
                    Token);
            }
        }, Token))];
        Task[] readers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 50; i++)
            {
                (long a, long b) = await database.ReadAsync(session => (session.Number("select a from pairs"), session.Number("select b from pairs")), Token);
                Assert.Equal(a, b);
            }
        }, Token))];
        await Task.WhenAll([.. writers, .. readers]);

        Assert.Equal(400, await database.ReadAsync(session => session.Number("select a from pairs"), Token));
    }

    [Fact]
    public async Task A_reader_cannot_write()
    {
        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);

        await Assert.ThrowsAnyAsync<Exception>(() => database.ReadAsync(session => session.Execute("insert into notes (text) values ('x')"), Token));

        Assert.Empty(await TextsAsync(database));
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
    public async Task Later_scripts_are_applied_to_what_is_there()
    {
        await using (SqliteDatabase database = SqliteDatabase.Open(File, [Notes]))
        {
            await database.WriteAsync(session => Insert(session, "old"), Token);
        }

        await using SqliteDatabase newer = SqliteDatabase.Open(File, [Notes, new(2, "stars", "alter table notes add column stars integer not null default 3")]);
        Assert.Equal(3, await newer.ReadAsync(session => session.Number("select stars from notes where text = $1", "old"), Token));
    }

    [Fact]
    public async Task A_script_that_fails_leaves_the_database_as_it_was()
    {
        Assert.Throws<SqliteException>(() => SqliteDatabase.Open(File, [Notes, new(2, "wrong", "create table a (x); create nonsense")]));

        await using SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        Assert.Equal(["notes", "schema_scripts"], await database.ReadAsync(session => session.Query("select name from sqlite_master where type = 'table' order by name", row => row.GetString(0)), Token));
    }

    [Fact]
    public async Task A_database_of_a_newer_program_or_of_another_script_is_refused()
    {
        await SqliteDatabase.Open(File, [Notes, new(2, "more", "create table more (x)")]).DisposeAsync();

        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => SqliteDatabase.Open(File, [Notes])).Failure);
        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => SqliteDatabase.Open(File, [Notes, new(2, "more", "create table more (y)")])).Failure);
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused()
    {
        System.IO.File.WriteAllText(File, new string('x', 5000));

        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => SqliteDatabase.Open(File, [Notes])).Failure);
    }

    [Fact]
    public async Task Closing_finishes_what_waits_and_refuses_what_comes_later()
    {
        SqliteDatabase database = SqliteDatabase.Open(File, [Notes]);
        Task[] writes = [.. Enumerable.Range(0, 50).Select(i => database.WriteAsync(session => Insert(session, $"{i}"), Token))];
        await database.DisposeAsync();
        await Task.WhenAll(writes);

        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => database.WriteAsync(session => Insert(session, "late"), Token))).Failure);
        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => TextsAsync(database))).Failure);
    }

    private static void Insert(SqliteSession session, string text) => session.Execute("insert into notes (text) values ($1)", text);

    private static Task<List<string>> TextsAsync(SqliteDatabase database) => database.ReadAsync(session => session.Query("select text from notes order by id", row => row.GetString(0)), Token);
}
