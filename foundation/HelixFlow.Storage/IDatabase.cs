namespace HelixFlow.Storage;

/// <summary>Where a service keeps its state: SQLite embedded, PostgreSQL in a cluster. What was acknowledged survives a crash and a power cut.</summary>
/// <remarks>
/// All members may be called from any thread. Work is plain SQL that both databases understand; where they differ, <see cref="Dialect"/> tells
/// which one it is.
/// </remarks>
public interface IDatabase : IAsyncDisposable
{
    /// <summary>Which database it is.</summary>
    SqlDialect Dialect { get; }

    /// <summary>Runs <paramref name="work"/> in a transaction. When the task completes, what it wrote is on the disk.</summary>
    /// <param name="work">
    /// Does nothing but SQL: it may run again when the database undid it (a deadlock), and in SQLite all writers wait for it. When it throws, what it
    /// wrote is undone and the task has its exception.
    /// </param>
    /// <param name="cancellationToken">Cancels while the work waits for its turn; not later.</param>
    /// <exception cref="StorageException">The disk is full or fails, the database was closed or cannot be reached: nothing was written.</exception>
    Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken);

    /// <summary>Runs queries that all see one state of the database; waits while too many others read.</summary>
    /// <param name="work">Does nothing but queries, and may run again.</param>
    /// <param name="cancellationToken">Cancels while the work waits for its turn; not later.</param>
    /// <exception cref="StorageException">The disk fails, the database was closed or cannot be reached.</exception>
    Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken);
}

/// <summary>Whose SQL a database understands.</summary>
public enum SqlDialect
{
    /// <summary>SQLite 3.35.</summary>
    Sqlite,

    /// <summary>PostgreSQL 14 and later.</summary>
    Postgres,
}

/// <summary>Shorter forms of what <see cref="IDatabase"/> offers.</summary>
public static class DatabaseExtensions
{
    /// <inheritdoc cref="IDatabase.WriteAsync{T}" />
    public static Task WriteAsync(this IDatabase database, Action<SqlSession> work, CancellationToken cancellationToken) => database.WriteAsync<object?>(session =>
    {
        work(session);
        return null;
    }, cancellationToken);
}
