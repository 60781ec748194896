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
    private int _last = write;
    private bool _isBefore = isBefore;

    /// <inheritdoc />
    public SqlDialect Dialect => database.Dialect;

    /// <summary>Writes so far that changed something.</summary>
    public int Writes => Volatile.Read(ref _writes);

    /// <summary>From now on the process dies at this write, counted from the next one.</summary>
    public void Arm(int writes, bool isBefore)
    {
        _isBefore = isBefore;
        Volatile.Write(ref _last, Writes + writes);
    }

    /// <inheritdoc />
    public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        bool isLast = false;
        T result = await database.WriteAsync(
            session =>
            {
                long changes = Changes(session);
                T value = work(session);
                isLast = Changes(session) > changes && Interlocked.Increment(ref _writes) == Volatile.Read(ref _last);
                if (isLast && _isBefore)
                {
                    Death.Now();
                }

                return value;
            },
            cancellationToken).ConfigureAwait(false);
        if (isLast)
        {
            Death.Now();
        }

        return result;
    }

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.ReadAsync(work, cancellationToken);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => database.DisposeAsync();

    // Transactions that change nothing, such as a look for work, are not counted: how many there are is chance. SQLite has one thread that writes; PostgreSQL
    // has several, so that which write is the last one is chance there too, and is asked for only when there is to be one.
    private long Changes(SqlSession session) => database.Dialect == SqlDialect.Sqlite ? session.Number("select total_changes()")
        : Volatile.Read(ref _last) == 0 ? 0
        : session.Number("select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint from pg_stat_xact_user_tables");
}

/// <summary>The end of this process.</summary>
internal static class Death
{
    /// <summary>SIGKILL: nothing of the process runs after it.</summary>
    public static void Now()
    {
        using Process self = Process.GetCurrentProcess();
        self.Kill();
        new ManualResetEventSlim().Wait();
    }
}
