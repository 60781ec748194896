using System.Data.Common;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Storage.Tests;

/// <summary>One server for all tests of the class; each test has a database of its own.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public PostgresServer? Server { get; private set; }

    public async ValueTask InitializeAsync() => Server = PostgresServer.Missing is null ? await PostgresServer.StartAsync() : null;

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }
    }
}

/// <summary>The database of a cluster, on a real server.</summary>
public sealed class PostgresDatabaseTests(PostgresFixture fixture) : DatabaseTests, IClassFixture<PostgresFixture>
{
    private readonly string _name = "t" + Guid.NewGuid().ToString("N");
    private bool _isCreated;

    protected override string BytesType => "bytea";

    protected override IDatabase Open(params SchemaScript[] scripts)
    {
        Assert.SkipWhen(fixture.Server is null, PostgresServer.Missing ?? "");
        if (!_isCreated)
        {
            using var source = NpgsqlDataSource.Create(fixture.Server.ConnectionString());
            using NpgsqlCommand create = source.CreateCommand($"create database {_name}");
            create.ExecuteNonQuery();
            _isCreated = true;
        }

        return PostgresDatabase.Open(fixture.Server.ConnectionString(_name), scripts);
    }

    [Fact]
    public async Task All_sessions_may_wait_for_the_server_at_once_and_the_pool_has_a_thread_left()
    {
        await using IDatabase database = Open();
        ThreadPool.GetMinThreads(out int workers, out _);

        Assert.True(workers > 16, $"The pool gives {workers} threads before it hesitates.");
    }

    [Fact]
    public async Task Several_processes_may_open_it_at_once_and_one_of_them_makes_the_schema()
    {
        await Open().DisposeAsync();
        IDatabase[] databases = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => Open(Notes), Token)));
        await Task.WhenAll(databases.Select((database, i) => database.WriteAsync(session => Insert(session, i, $"{i}"), Token)));

        Assert.Equal(6, (await TextsAsync(databases[0])).Count);
        foreach (IDatabase database in databases)
        {
            await database.DisposeAsync();
        }
    }

    [Fact]
    public async Task Writes_that_lock_each_other_out_run_again()
    {
        var two = new SchemaScript(1, "two", "create table two (id bigint primary key, n bigint not null); insert into two values (1, 0), (2, 0)");
        await using IDatabase database = Open(two);
        await using IDatabase other = Open(two); // as another process does
        using var both = new Barrier(2);
        int runs = 0;
        Task[] writes = [.. new[] { (database, 1, 2), (other, 2, 1) }.Select(pair => pair.Item1.WriteAsync(
            session =>
            {
                session.Execute("update two set n = n + 1 where id = $1", pair.Item2);
                if (Interlocked.Increment(ref runs) <= 2)
                {
                    both.SignalAndWait(TimeSpan.FromSeconds(60));
                }

                session.Execute("update two set n = n + 1 where id = $1", pair.Item3);
            },
            Token))];
        await Task.WhenAll(writes);

        Assert.True(runs >= 3, $"{runs} runs");
        Assert.Equal(4, await database.ReadAsync(session => session.Number("select sum(n) from two"), Token));
    }

    [Fact]
    public async Task Groups_of_several_processes_that_want_the_same_rows_all_get_done()
    {
        var rows = new SchemaScript(1, "rows", "create table counts (id bigint primary key, n bigint not null); insert into counts select i, 0 from generate_series(0, 9) i");
        IDatabase[] databases = [Open(rows), Open(rows), Open(rows)];
        await Parallel.ForEachAsync(Enumerable.Range(0, 900), Token, async (i, token) =>
        {
            var random = new Random(i);
            (int first, int second) = (random.Next(10), random.Next(10));
            Task write = databases[i % 3].WriteAsync(
                session =>
                {
                    session.Post("update counts set n = n + 1 where id = $1", first);
                    session.Post("update counts set n = n + 1 where id = $1", second);
                    if (i % 90 == 0)
                    {
                        throw new InvalidOperationException("on purpose");
                    }
                },
                token);
            if (i % 90 == 0)
            {
                await Assert.ThrowsAsync<InvalidOperationException>(() => write);
            }
            else
            {
                await write;
            }
        });

        Assert.Equal(2 * 890, await databases[0].ReadAsync(session => session.Number("select sum(n) from counts"), Token));
        foreach (IDatabase database in databases)
        {
            await database.DisposeAsync();
        }
    }

    [Fact]
    public async Task An_error_of_what_was_posted_shows_with_the_next_statement_or_the_commit()
    {
        await using IDatabase database = Open(Notes);
        await database.WriteAsync(session => Insert(session, 1, "one"), Token);
        await Assert.ThrowsAnyAsync<DbException>(() => database.WriteAsync(session => session.Post("insert into notes values (1, 'again')"), Token));
        await Assert.ThrowsAnyAsync<DbException>(() => database.WriteAsync(
            session =>
            {
                session.Post("insert into notes values (1, 'again')");
                return session.Number("select count(*) from notes");
            },
            Token));
        await Assert.ThrowsAsync<ArgumentException>(() => database.WriteAsync(session => session.Post("select 1"), Token));
        Assert.Equal(["one"], await TextsAsync(database));
    }

    [Fact]
    public async Task A_crash_of_the_server_loses_nothing_that_was_acknowledged()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using var database = PostgresDatabase.Open(server.ConnectionString(), [Notes]);
        for (int i = 0; i < 100; i++)
        {
            await database.WriteAsync(session => Insert(session, i, $"{i}"), Token);
        }

        await server.KillAsync();
        StorageException unavailable = await Assert.ThrowsAsync<StorageException>(() => database.WriteAsync(session => Insert(session, 1000, "lost"), Token));
        Assert.Equal(StorageFailure.Unavailable, unavailable.Failure);
        await server.StartAgainAsync();

        await database.WriteAsync(session => Insert(session, 100, "100"), Token);
        Assert.Equal(Enumerable.Range(0, 101).Select(i => $"{i}"), await TextsAsync(database));
    }

    [Fact]
    public void A_server_that_does_not_answer_is_named()
    {
        StorageException refusal = Assert.Throws<StorageException>(() => PostgresDatabase.Open("Host=127.0.0.1;Port=1;Username=nobody;Timeout=5", [Notes]));

        Assert.Equal(StorageFailure.Unavailable, refusal.Failure);
    }

    [Fact]
    public async Task A_server_that_acknowledges_before_it_has_written_is_refused()
    {
        await Open().DisposeAsync();
        await using var source = NpgsqlDataSource.Create(fixture.Server!.ConnectionString());
        await using NpgsqlCommand command = source.CreateCommand($"alter database {_name} set synchronous_commit = off");
        await command.ExecuteNonQueryAsync(Token);

        Assert.Equal(StorageFailure.Incompatible, Assert.Throws<StorageException>(() => Open(Notes)).Failure);
    }
}
