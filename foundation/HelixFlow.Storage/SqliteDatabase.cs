using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>A SQLite database file of which this process is the only writer: what was acknowledged survives a crash and a power cut.</summary>
/// <remarks>
/// Write-ahead log with <c>synchronous=FULL</c>, read back at start: SQLite ignores settings that it cannot honour. One thread writes; writes that
/// wait together are committed together, so that they share one fsync (group commit). Reads have connections of their own and see what is
/// committed. All members may be called from any thread.
/// </remarks>
public sealed class SqliteDatabase : IDatabase
{
    private const int MostReaders = 4;
    private const int BusyTimeoutMs = 30_000;

    private readonly FileStream _lock;
    private readonly string _connectionString;
    private readonly SqliteWriter _writes;
    private readonly SemaphoreSlim _readers = new(MostReaders);
    private readonly Stack<SqlSession> _idle = new();
    private bool _isClosed;

    static SqliteDatabase()
    {
        // Each connection is used by one thread at a time, here and wherever ADO.NET is: SQLite need not lock it for each call, and nobody reads its count of bytes.
        Batteries_V2.Init();
        raw.sqlite3_config(raw.SQLITE_CONFIG_MULTITHREAD);
        raw.sqlite3_config(raw.SQLITE_CONFIG_MEMSTATUS, 0);
    }

    private SqliteDatabase(string path, FileStream fileLock, string connectionString, SqlSession writer)
    {
        Path = path;
        _lock = fileLock;
        _connectionString = connectionString;
        _writes = new SqliteWriter(path, writer);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <inheritdoc />
    public SqlDialect Dialect => SqlDialect.Sqlite;

    /// <summary>Commits so far; with <see cref="Writes"/> it tells how many writes share one.</summary>
    public long Commits => _writes.Commits;

    /// <summary>Writes that were committed so far.</summary>
    public long Writes => _writes.Writes;

    /// <summary>Opens the file, or creates it, and brings its schema up to date.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="scripts">All scripts of this database. Those that were not applied yet are applied in their order.</param>
    /// <param name="maxBytes">How large the file may become; 0 for as large as the disk allows.</param>
    /// <exception cref="StorageException">Another process has it open, it is no database, a newer program has written it, or it cannot be made durable.</exception>
    public static SqliteDatabase Open(string path, IReadOnlyList<SchemaScript> scripts, long maxBytes = 0)
    {
        FileStream fileLock = Acquire(path + ".lock");
        SqlSession? writer = null;
        try
        {
            string connectionString = new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, ForeignKeys = true, DefaultTimeout = 30 }.ToString();
            writer = Connect(connectionString);
            Secure(writer, path);
            writer.Execute("begin immediate");
            SchemaHistory.Apply(writer, path, scripts);
            writer.Execute("commit");
            if (maxBytes > 0)
            {
                long pageSize = writer.Number("pragma page_size");
                writer.Number($"pragma max_page_count={Math.Max(1, maxBytes / pageSize)}");
            }

            return new SqliteDatabase(path, fileLock, connectionString, writer);
        }
        catch (Exception exception)
        {
            writer?.Dispose();
            fileLock.Dispose();
            throw exception is SqliteException failure ? SqliteFailures.Of(path, failure) : exception;
        }
    }

    /// <inheritdoc />
    public Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => _writes.AddAsync(work, cancellationToken);

    /// <inheritdoc />
    public async Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        await _readers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Read(work), cancellationToken).ConfigureAwait(false);
        }
        catch (SqliteException exception)
        {
            throw SqliteFailures.Of(Path, exception);
        }
        finally
        {
            _readers.Release();
        }
    }

    /// <summary>Finishes the writes that wait, then closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_idle)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        for (int i = 0; i < MostReaders; i++)
        {
            await _readers.WaitAsync().ConfigureAwait(false);
        }

        while (_idle.TryPop(out SqlSession? session))
        {
            session.Dispose();
        }

        _readers.Release(MostReaders);
        await _writes.DisposeAsync().ConfigureAwait(false);
        await _lock.DisposeAsync().ConfigureAwait(false);
    }

    private T Read<T>(Func<SqlSession, T> work)
    {
        SqlSession? session;
        lock (_idle)
        {
            if (_isClosed)
            {
                throw new StorageException(StorageFailure.Closed, $"{Path} has been closed.");
            }

            _idle.TryPop(out session);
        }

        if (session is null)
        {
            session = Connect(_connectionString);
            session.Execute("pragma query_only=1");
        }

        try
        {
            session.Execute("begin");
            try
            {
                return work(session);
            }
            finally
            {
                session.Execute("rollback");
            }
        }
        finally
        {
            lock (_idle)
            {
                _idle.Push(session);
            }
        }
    }

    private static FileStream Acquire(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (exception is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            throw new StorageException(StorageFailure.InUse, $"{path} is held by another process, which has the database beside it open. One process may write it.", exception);
        }
    }

    private static SqlSession Connect(string connectionString)
    {
        var connection = new SqliteConnection(connectionString);
        try
        {
            connection.Open();
            raw.sqlite3_busy_timeout(connection.Handle, BusyTimeoutMs);
            return new SqlSession(connection, namesParameters: true);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Secure(SqlSession session, string path)
    {
        string? mode = session.First("pragma journal_mode=wal", static row => row.GetString(0));
        session.Execute("pragma synchronous=full");
        session.Execute("pragma fullfsync=1"); // macOS: fsync alone leaves data in the drive's cache
        session.Execute("pragma checkpoint_fullfsync=1");
        if (mode != "wal" || session.Number("pragma synchronous") != 2 || session.Number("pragma foreign_keys") != 1)
        {
            throw new StorageException(StorageFailure.Incompatible,
                $"{path} cannot be made durable here (journal mode {mode}, synchronous {session.Number("pragma synchronous")}): put it on a local disk.");
        }
    }
}
