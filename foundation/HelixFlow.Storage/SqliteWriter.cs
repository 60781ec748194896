using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>The one thread that writes a database file. It commits what waits together in one transaction.</summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    // While one group is committed the next one gathers.
    private const int LargestGroup = 1024;

    private readonly string _path;
    private readonly SqlSession _session;
    private readonly PendingWrites _pending;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _commits;
    private long _writes;

    public SqliteWriter(string path, SqlSession session)
    {
        _path = path;
        _session = session;
        _pending = new PendingWrites(path);
        new Thread(Run) { IsBackground = true, Name = "Writer of " + System.IO.Path.GetFileName(path) }.Start();
    }

    public long Commits => Interlocked.Read(ref _commits);

    public long Writes => Interlocked.Read(ref _writes);

    public Task<T> AddAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => _pending.AddAsync(work, cancellationToken);

    /// <summary>Ends the thread after what waits has been written.</summary>
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
            if (group.Count > 0)
            {
                Commit(group);
            }
        }

        _session.Dispose();
        _ended.SetResult();
    }

    private void Commit(List<PendingWrite> group)
    {
        try
        {
            _session.Execute("begin immediate");
            if (!TryRunAll(group))
            {
                // One of them has failed, which is rare: all run again, each so that it can be taken back alone.
                Undo("rollback");
                _session.Execute("begin immediate");
                group.ForEach(RunOne);
            }

            _session.Execute("commit");
        }
        catch (Exception exception)
        {
            // Nothing of the group is on the disk. The writes that had failed by themselves have their own exception already.
            Undo("rollback");
            foreach (PendingWrite write in group)
            {
                write.Fail(exception is SqliteException failure ? SqliteFailures.Of(_path, failure) : exception);
            }

            return;
        }

        Interlocked.Increment(ref _commits);
        Interlocked.Add(ref _writes, group.Count);
        foreach (PendingWrite write in group)
        {
            write.Complete();
        }
    }

    private bool TryRunAll(List<PendingWrite> group)
    {
        try
        {
            foreach (PendingWrite write in group)
            {
                write.Run(_session);
            }

            return true;
        }
        catch (Exception exception) when (!IsOver() && !(exception is SqliteException failure && SqliteFailures.IsOfDisk(failure)))
        {
            return false;
        }
    }

    // A write that fails takes back what it did, and nothing of its neighbours.
    private void RunOne(PendingWrite write)
    {
        _session.Execute("savepoint one");
        try
        {
            write.Run(_session);
        }
        catch (Exception exception) when (!IsOver() && !(exception is SqliteException failure && SqliteFailures.IsOfDisk(failure)))
        {
            _session.Execute("rollback to one");
            write.Fail(exception);
        }

        _session.Execute("release one");
    }

    // After some failures, a full disk among them, SQLite has ended the whole transaction by itself.
    private bool IsOver() => raw.sqlite3_get_autocommit(((SqliteConnection)_session.Connection).Handle) != 0;

    private void Undo(string sql)
    {
        if (!IsOver())
        {
            _session.Execute(sql);
        }
    }
}
