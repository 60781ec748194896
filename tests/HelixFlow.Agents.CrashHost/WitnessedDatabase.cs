using HelixFlow.Storage;

namespace HelixFlow.Agents.CrashHost;

/// <summary>Notes at the beginning of each transaction which others it could see.</summary>
/// <remarks>A trigger of the test's keeps that with whatever the transaction changes. Only PostgreSQL needs it, where transactions overlap.</remarks>
public sealed class WitnessedDatabase(IDatabase database) : IDatabase
{
    // Several writes may share a transaction: the first one counts.
    private const string Note = """
        select set_config('crash.seen', coalesce(nullif(current_setting('crash.seen', true), ''), pg_current_snapshot()::text), true)
        """;

    /// <inheritdoc />
    public SqlDialect Dialect => database.Dialect;

    /// <inheritdoc />
    public Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.Dialect != SqlDialect.Postgres
        ? database.WriteAsync(work, cancellationToken)
        : database.WriteAsync(
            session =>
            {
                session.First(Note, static row => row.GetString(0));
                return work(session);
            },
            cancellationToken);

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.ReadAsync(work, cancellationToken);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => database.DisposeAsync();
}
