using System.Diagnostics;
using HelixFlow.Storage;

namespace HelixFlow.Agents.CrashHost;

/// <summary>Kills its process at a certain write: before it is committed, or after that and before anybody knows.</summary>
/// <param name="database">Where it is written.</param>
/// <param name="write">1 for the first write; 0 for none.</param>
/// <param name="isBefore">Whether it dies before the commit.</param>
public sealed class KillingDatabase(IDatabase database, int write, bool isBefore) : IDatabase
{
    private int _writes;

    /// <inheritdoc />
    public SqlDialect Dialect => database.Dialect;

    /// <summary>Writes so far that changed something.</summary>
    public int Writes => Volatile.Read(ref _writes);

    /// <inheritdoc />
    public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        bool isLast = false;
        T result = await database.WriteAsync(
            session =>
            {
                long changes = Changes(session);
                T value = work(session);
                isLast = Changes(session) > changes && ++_writes == write;
                if (isLast && isBefore)
                {
                    Die();
                }

                return value;
            },
            cancellationToken).ConfigureAwait(false);
        if (isLast)
        {
            Die();
        }

        return result;
    }

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.ReadAsync(work, cancellationToken);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => database.DisposeAsync();

    // Transactions that change nothing, such as a look for work, are not counted: how many there are is chance. One thread writes.
    private long Changes(SqlSession session) => database.Dialect == SqlDialect.Sqlite ? session.Number("select total_changes()") : 0;

    // SIGKILL: nothing of the process runs after it.
    private static void Die()
    {
        using Process self = Process.GetCurrentProcess();
        self.Kill();
        new ManualResetEventSlim().Wait();
    }
}
