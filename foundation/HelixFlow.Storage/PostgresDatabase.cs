using Npgsql;

namespace HelixFlow.Storage;

/// <summary>A PostgreSQL database that several processes share: what was acknowledged survives a crash of any of them and of the server.</summary>
/// <remarks>
/// The server's settings are read back at start: one that acknowledges before it has written (<c>fsync</c> or <c>synchronous_commit</c> off) is refused.
/// Each write is a transaction of its own, at READ COMMITTED; one that the server undid for a deadlock runs again. All members may be called from
/// any thread.
/// </remarks>
public sealed class PostgresDatabase : IDatabase
{
    private const int MostSessions = 16;
    private const int MostAttempts = 6;
    private const int MostPauseMs = 10; // before the second one; longer before later ones
    private const int MostPrepared = 200; // statements that a session's server process keeps planned

    // A process that is paused inside a transaction must not hold its locks, which others wait for.
    private const string PausedLimit = "-c idle_in_transaction_session_timeout=10000";
    private const long SchemaLock = 0x48656C6978; // any number that other users of the server do not use

    private static readonly Lock _threads = new();

    private readonly NpgsqlDataSource _source;
    private readonly SemaphoreSlim _room = new(MostSessions);
    private readonly Stack<SqlSession> _idle = new();
    private readonly PostgresWriter _writer;
    private bool _isClosing;
    private bool _isClosed;

    private PostgresDatabase(string name, NpgsqlDataSource source)
    {
        _source = source;
        Reserve(MostSessions);
        _writer = new PostgresWriter(name, Take, Return, write => _ = WriteAloneAsync(write));
    }

    /// <inheritdoc />
    public SqlDialect Dialect => SqlDialect.Postgres;

    /// <summary>Connects, and brings the schema up to date; of several processes that start at once one does so while the others wait.</summary>
    /// <param name="connectionString">As Npgsql takes it, for example <c>Host=db;Database=helixflow;Username=helixflow;Password=…</c>.</param>
    /// <param name="scripts">All scripts of this database. Those that were not applied yet are applied in their order.</param>
    /// <exception cref="StorageException">It cannot be reached, a newer program has written it, or it does not keep what it acknowledges.</exception>
    /// <exception cref="ArgumentException">The connection string is none.</exception>
    public static PostgresDatabase Open(string connectionString, IReadOnlyList<SchemaScript> scripts)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = MostSessions + 2, MaxAutoPrepare = MostPrepared };
        settings.Options = string.IsNullOrEmpty(settings.Options) ? PausedLimit : $"{PausedLimit} {settings.Options}"; // what an operator sets comes later, and wins
        NpgsqlDataSource source = NpgsqlDataSource.Create(settings);
        try
        {
            using SqlSession session = Connect(source);
            Check(session);
            session.Execute("begin");
            session.Execute("select pg_advisory_xact_lock($1)", SchemaLock);
            SchemaHistory.Apply(session, Describe(connectionString), scripts);
            session.Execute("commit");
            return new PostgresDatabase(Describe(connectionString), source);
        }
        catch (Exception exception)
        {
            source.Dispose();
            throw exception is NpgsqlException failure ? PostgresFailures.Of(failure) : exception;
        }
    }

    /// <inheritdoc />
    public Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => _writer.AddAsync(work, cancellationToken);

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) =>
        RunAsync("begin isolation level repeatable read read only", work, cancellationToken);

    /// <summary>Waits for what runs, then closes the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosing, true))
        {
            return;
        }

        await _writer.DisposeAsync().ConfigureAwait(false);
        for (int i = 0; i < MostSessions; i++)
        {
            await _room.WaitAsync().ConfigureAwait(false);
        }

        lock (_idle)
        {
            _isClosed = true;
        }

        while (_idle.TryPop(out SqlSession? session))
        {
            session.Dispose();
        }

        _room.Release(MostSessions);
        Reserve(-MostSessions);
        await _source.DisposeAsync().ConfigureAwait(false);
    }

    // A session holds a thread of the pool while it waits for the server, and may wait there for a row that another one of this process has. A pool that gives a further thread only each half
    // second would let the one that could go on wait behind those that wait for it.
    private static void Reserve(int threads)
    {
        lock (_threads)
        {
            ThreadPool.GetMinThreads(out int workers, out int ports);
            ThreadPool.SetMinThreads(workers + threads, ports);
        }
    }

    private async Task WriteAloneAsync(PendingWrite write)
    {
        try
        {
            await RunAsync<object?>(
                "begin",
                session =>
                {
                    write.Run(session);
                    return null;
                },
                CancellationToken.None).ConfigureAwait(false);
            write.Complete();
        }
        catch (Exception exception)
        {
            write.Fail(exception);
        }
    }

    private async Task<T> RunAsync<T>(string begin, Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                // The work is synchronous, as in SQLite: one of a bounded number of threads waits for the server's answers.
                return await Task.Run(() => RunOnce(begin, work), cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException exception) when (attempt < MostAttempts && PostgresFailures.MayRunAgain(exception))
            {
                // The server has undone it, so that whoever it met can go on: who comes back at once would be in the way again.
            }
            catch (NpgsqlException exception) when (PostgresFailures.Of(exception) is StorageException failure)
            {
                throw failure;
            }
            finally
            {
                _room.Release();
            }

            await Task.Delay(Random.Shared.Next(MostPauseMs * attempt), cancellationToken).ConfigureAwait(false);
        }
    }

    private T RunOnce<T>(string begin, Func<SqlSession, T> work)
    {
        SqlSession session = Take();
        bool isSound = false;
        try
        {
            session.Post(begin);
            T result = work(session);
            session.Post("commit");
            session.Flush();
            isSound = true;
            return result;
        }
        catch (Exception)
        {
            isSound = session.TryUndo();
            throw;
        }
        finally
        {
            Return(session, isSound);
        }
    }

    private SqlSession Take()
    {
        lock (_idle)
        {
            if (_isClosed)
            {
                throw new StorageException(StorageFailure.Closed, "The database has been closed.");
            }

            if (_idle.TryPop(out SqlSession? session))
            {
                return session;
            }
        }

        return Connect(_source);
    }

    private void Return(SqlSession session, bool isSound)
    {
        if (!isSound)
        {
            session.Dispose();
            return;
        }

        lock (_idle)
        {
            _idle.Push(session);
        }
    }

    private static SqlSession Connect(NpgsqlDataSource source) => new(source.OpenConnection(), namesParameters: false);

    private static void Check(SqlSession session)
    {
        foreach (string name in (string[])["fsync", "full_page_writes", "synchronous_commit"])
        {
            string? value = session.First($"show {name}", static row => row.GetString(0));
            if (value == "off")
            {
                throw new StorageException(StorageFailure.Incompatible, $"The database server has {name}=off, so that it may lose what it acknowledged. Switch it on.");
            }
        }
    }

    private static string Describe(string connectionString)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        return $"The database {parts.Database} on {parts.Host}";
    }
}
