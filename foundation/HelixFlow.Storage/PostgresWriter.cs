using Npgsql;

namespace HelixFlow.Storage;

/// <summary>The thread that commits what waits together in one transaction, so that writes share the server's answers and its fsync.</summary>
/// <remarks>
/// A group is a matter of speed only. When one of its writes fails, or meets a row that another process holds for longer than a moment, the whole group is undone and each
/// write is done in a transaction of its own: so no write fails for its neighbours, and two groups that wait for each other let go at once, long before the server
/// looks for deadlocks.
/// </remarks>
internal sealed class PostgresWriter : IAsyncDisposable
{
    private const int LargestGroup = 128;
    private const string Begin = "begin";
    private const string Patience = "set local lock_timeout = '100ms'";

    private readonly PendingWrites _pending;
    private readonly Func<SqlSession> _take;
    private readonly Action<SqlSession, bool> _giveBack;
    private readonly Action<PendingWrite> _runAlone;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="database">The database's name, for people.</param>
    /// <param name="take">Gives a session.</param>
    /// <param name="giveBack">Takes it back, and whether it can be used again.</param>
    /// <param name="runAlone">Does a write in a transaction of its own, with the result told; must not wait.</param>
    public PostgresWriter(string database, Func<SqlSession> take, Action<SqlSession, bool> giveBack, Action<PendingWrite> runAlone)
    {
        _pending = new PendingWrites(database);
        (_take, _giveBack, _runAlone) = (take, giveBack, runAlone);
        new Thread(Run) { IsBackground = true, Name = "Writer of " + database }.Start();
    }

    public Task<T> AddAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => _pending.AddAsync(work, cancellationToken);

    /// <summary>Ends the thread after what waits has been written, or handed to those who write alone.</summary>
    public async ValueTask DisposeAsync()
    {
        _pending.Dispose();
        await _ended.Task.ConfigureAwait(false);
    }

    private void Run()
    {
        var group = new List<PendingWrite>();
        while (_pending.Take(group, LargestGroup))
        {
            if (group.Count == 1 || (group.Count > 1 && !TryCommit(group)))
            {
                group.ForEach(_runAlone);
            }
        }

        _ended.SetResult();
    }

    private bool TryCommit(List<PendingWrite> group)
    {
        SqlSession? session = null;
        bool isSound = false;
        try
        {
            session = _take();
            session.Post(Begin);
            session.Post(Patience);
            foreach (PendingWrite write in group)
            {
                write.Run(session);
            }

            session.Post("commit");
            session.Flush();
            isSound = true;
        }
        catch (NpgsqlException exception) when (exception is not PostgresException { InvariantSeverity: "ERROR" })
        {
            // The server may have committed it before it could not be reached any more: nothing is done twice.
            group.ForEach(write => write.Fail(PostgresFailures.Of(exception)));
            return true;
        }
        catch (Exception) when (session is not null)
        {
            isSound = session.TryUndo();
            return false; // who fails fails again, alone, and is told then
        }
        catch (Exception exception)
        {
            group.ForEach(write => write.Fail(exception));
            return true;
        }
        finally
        {
            if (session is not null)
            {
                _giveBack(session, isSound);
            }
        }

        group.ForEach(static write => write.Complete());
        return true;
    }
}
