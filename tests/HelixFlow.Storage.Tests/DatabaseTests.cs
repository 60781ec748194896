using System.Data.Common;

namespace HelixFlow.Storage.Tests;

/// <summary>What every database promises; the classes that derive from it say which one.</summary>
public abstract class DatabaseTests
{
    protected static readonly SchemaScript Notes = new(1, "notes", "create table notes (id bigint primary key, text text not null unique)");

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Opens the test's own database; again and again the same.</summary>
    protected abstract IDatabase Open(params SchemaScript[] scripts);

    [Fact]
    public async Task What_was_written_is_there_after_reopening()
    {
        await using (IDatabase database = Open(Notes))
        {
            Assert.Equal(1, await database.WriteAsync(session => session.Execute("insert into notes (id, text) values ($1, $2)", 7, "seven"), Token));
            Assert.Equal(["seven"], await TextsAsync(database));
        }

        await using IDatabase again = Open(Notes);
        Assert.Equal(["seven"], await TextsAsync(again));
    }

    [Fact]
    public async Task A_write_that_fails_undoes_itself_and_harms_no_neighbour()
    {
        await using IDatabase database = Open(Notes);
        Task before = database.WriteAsync(session => Insert(session, 1, "before"), Token);
        await before;
        Task thrown = database.WriteAsync(
            session =>
            {
                Insert(session, 2, "undone");
                throw new InvalidOperationException("on purpose");
            },
            Token);
        Task twice = database.WriteAsync(
            session =>
            {
                Insert(session, 3, "undone too");
                Insert(session, 4, "before");
            },
            Token);
        Task wrong = database.WriteAsync(session => session.Execute("insert into nowhere values (1)"), Token);
        Task after = database.WriteAsync(session => Insert(session, 5, "after"), Token);

        await after;
        Assert.Equal("on purpose", (await Assert.ThrowsAsync<InvalidOperationException>(() => thrown)).Message);
        await Assert.ThrowsAnyAsync<DbException>(() => twice);
        await Assert.ThrowsAnyAsync<DbException>(() => wrong);
        Assert.Equal(["before", "after"], await TextsAsync(database));
    }

    [Fact]
    public async Task What_is_posted_is_seen_by_the_statements_behind_it_and_committed()
    {
        await using IDatabase database = Open(Notes);
        (long count, List<string> texts, int changed) = await database.WriteAsync(
            session =>
            {
                session.Post("insert into notes (id, text) values ($1, $2)", 1, "one");
                session.Post("insert into notes (id, text) values ($1, $2)", 2, "two");
                long count = session.Number("select count(*) from notes");
                session.Post("insert into notes (id, text) values ($1, $2)", 3, "three");
                List<string> texts = session.Query("select text from notes order by id", static row => row.GetString(0));
                session.Post("insert into notes (id, text) values ($1, $2)", 4, "four");
                int changed = session.Execute("update notes set text = text || '!' where id > $1", 1);
                session.Post("update notes set text = text || '?' where id = $1", 2);
                return (count, texts, changed);
            },
            Token);

        Assert.Equal(2, count);
        Assert.Equal(["one", "two", "three"], texts);
        Assert.Equal(3, changed);
        Assert.Equal(["one", "two!?", "three!", "four!"], await TextsAsync(database));
    }

    [Fact]
    public async Task Many_readers_and_writers_see_whole_transactions_only()
    {
        await using IDatabase database = Open(new SchemaScript(1, "pairs", "create table pairs (a bigint not null, b bigint not null); insert into pairs values (0, 0)"));
        Task[] writers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 25; i++)
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
            for (int i = 0; i < 25; i++)
            {
                (long a, long b) = await database.ReadAsync(session => (session.Number("select a from pairs"), session.Number("select b from pairs")), Token);
                Assert.Equal(a, b);
            }
        }, Token))];
        await Task.WhenAll([.. writers, .. readers]);

        Assert.Equal(200, await database.ReadAsync(session => session.Number("select a from pairs"), Token));
    }

    [Fact]
    public async Task A_reader_cannot_write()
    {
        await using IDatabase database = Open(Notes);

        await Assert.ThrowsAnyAsync<Exception>(() => database.ReadAsync(session => session.Execute("insert into notes (id, text) values (1, 'x')"), Token));

        Assert.Empty(await TextsAsync(database));
    }

    [Fact]
    public async Task Values_come_back_as_they_went_in()
    {
        byte[] bytes = [0, 1, 255];
        await using IDatabase database = Open(new SchemaScript(1, "values", "create table vals (a bigint, b text, c BYTES)".Replace("BYTES", BytesType, StringComparison.Ordinal)));
        await database.WriteAsync(session => session.Execute("insert into vals values ($1, $2, $3)", long.MaxValue, "ä\u0001𝄞'", bytes), Token);
        await database.WriteAsync(session => session.Execute("insert into vals values ($1, $2, $3)", null, null, null), Token);

        List<(long?, string?, byte[]?)> rows = await database.ReadAsync(session => session.Query("select a, b, c from vals order by a is null", static row => (
            row.IsDBNull(0) ? (long?)null : row.GetInt64(0), row.IsDBNull(1) ? null : row.GetString(1), row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2))), Token);

        Assert.Equal((long.MaxValue, "ä\u0001𝄞'"), (rows[0].Item1, rows[0].Item2));
        Assert.Equal(bytes, rows[0].Item3);
        Assert.Equal((null, null, null), rows[1]);
    }

    [Fact]
    public async Task Later_scripts_are_applied_to_what_is_there()
    {
        await using (IDatabase database = Open(Notes))
        {
            await database.WriteAsync(session => Insert(session, 1, "old"), Token);
        }

        await using IDatabase newer = Open(Notes, new SchemaScript(2, "stars", "alter table notes add column stars bigint not null default 3"));
        Assert.Equal(3, await newer.ReadAsync(session => session.Number("select stars from notes where text = $1", "old"), Token));
    }

    [Fact]
    public async Task A_script_that_fails_leaves_the_database_as_it_was()
    {
        Assert.ThrowsAny<DbException>(() => Open(Notes, new SchemaScript(2, "wrong", "create table a (x bigint); create nonsense")));

        await using IDatabase database = Open(Notes);
        Assert.Empty(await TextsAsync(database));
        await Assert.ThrowsAnyAsync<DbException>(() => database.ReadAsync(session => session.Number("select count(*) from a"), Token));
    }

    [Fact]
    public async Task A_database_of_a_newer_program_or_of_another_script_is_refused()
    {
        await Open(Notes, new SchemaScript(2, "more", "create table more (x bigint)")).DisposeAsync();

        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => Open(Notes)).Failure);
        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => Open(Notes, new SchemaScript(2, "more", "create table more (y bigint)"))).Failure);
    }

    [Fact]
    public async Task Closing_finishes_what_waits_and_refuses_what_comes_later()
    {
        IDatabase database = Open(Notes);
        Task[] writes = [.. Enumerable.Range(0, 10).Select(i => database.WriteAsync(session => Insert(session, i, $"{i}"), Token))];
        await Task.WhenAll(writes);
        await database.DisposeAsync();

        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => database.WriteAsync(session => Insert(session, 100, "late"), Token))).Failure);
        Assert.Equal(StorageFailure.Closed, (await Assert.ThrowsAsync<StorageException>(() => TextsAsync(database))).Failure);
    }

    protected abstract string BytesType { get; }

    protected static void Insert(SqlSession session, long id, string text) => session.Execute("insert into notes (id, text) values ($1, $2)", id, text);

    protected static Task<List<string>> TextsAsync(IDatabase database) =>
        database.ReadAsync(session => session.Query("select text from notes order by id", static row => row.GetString(0)), Token);
}
