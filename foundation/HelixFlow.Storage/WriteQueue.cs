using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HelixFlow.Storage;

/// <summary>The one thread that writes a database. It commits what waits together in one transaction.</summary>
internal sealed class WriteQueue : IAsyncDisposable
{
    // While one group is committed the next one gathers; a caller waits for room when it is this far behind.
    private const int MostWaiting = 8192;
    private const int LargestGroup = 1024;

    private readonly string _path;
    private readonly SqlSession _session;
    private readonly SemaphoreSlim _room = new(MostWaiting);
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<Item> _waiting = new(); // also the lock of what follows
    private bool _isClosing;
    private long _commits;
    private long _writes;

    public WriteQueue(string path, SqlSession session)
    {
        _path = path;
        _session = session;
        _thread = new Thread(Run) { IsBackground = true, Name = "Writer of " + System.IO.Path.GetFileName(path) };
        _thread.Start();
    }

    public long Commits => Interlocked.Read(ref _commits);

    public long Writes => Interlocked.Read(ref _writes);

    public async Task<T> AddAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        var item = new Item<T>(work, cancellationToken);
        lock (_waiting)
        {
            if (_isClosing)
            {
                _room.Release();
                throw new StorageException(StorageFailure.Closed, $"{_path} has been closed.");
            }

            _waiting.Enqueue(item);
            Monitor.Pulse(_waiting);
        }

        return await item.Task.ConfigureAwait(false);
    }

    /// <summary>Ends the thread after what waits has been written.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_waiting)
        {
            _isClosing = true;
            Monitor.Pulse(_waiting);
        }

        await _ended.Task.ConfigureAwait(false);
        // The semaphore is not disposed: callers who wait for room are let in, and told that it is closed.
    }

    private void Run()
    {
        var group = new List<Item>();
        while (Take(group))
        {
            Commit(group);
            group.Clear();
        }

        _session.Dispose();
        _ended.SetResult();
    }

    private bool Take(List<Item> group)
    {
        lock (_waiting)
        {
            while (_waiting.Count == 0)
            {
                if (_isClosing)
                {
                    return false;
                }

                Monitor.Wait(_waiting);
            }

            while (group.Count < LargestGroup && _waiting.TryDequeue(out Item? item))
            {
                group.Add(item);
            }
        }

        _room.Release(group.Count);
        return true;
    }

    private void Commit(List<Item> group)
    {
        group.RemoveAll(static item => item.IsCancelled());
        if (group.Count == 0)
        {
            return;
        }

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
            foreach (Item item in group)
            {
                item.Fail(exception is SqliteException failure ? SqliteFailures.Of(_path, failure) : exception);
            }

            return;
        }

        Interlocked.Increment(ref _commits);
        Interlocked.Add(ref _writes, group.Count);
        foreach (Item item in group)
        {
            item.Complete();
        }
    }

    private bool TryRunAll(List<Item> group)
    {
        try
        {
            foreach (Item item in group)
            {
                item.Run(_session);
            }

            return true;
        }
        catch (Exception exception) when (!IsOver() && !(exception is SqliteException failure && SqliteFailures.IsOfDisk(failure)))
        {
            return false;
        }
    }

    // A write that fails takes back what it did, and nothing of its neighbours.
    private void RunOne(Item item)
    {
        _session.Execute("savepoint one");
        try
        {
            item.Run(_session);
        }
        catch (Exception exception) when (!IsOver() && !(exception is SqliteException failure && SqliteFailures.IsOfDisk(failure)))
        {
            _session.Execute("rollback to one");
            item.Fail(exception);
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

    private abstract class Item
    {
        public abstract bool IsCancelled();

        public abstract void Run(SqlSession session);

        public abstract void Complete();

        public abstract void Fail(Exception exception);
    }

    private sealed class Item<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) : Item
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;

        public Task<T> Task => _done.Task;

        public override bool IsCancelled() => cancellationToken.IsCancellationRequested && _done.TrySetCanceled(cancellationToken);

        public override void Run(SqlSession session) => _result = work(session);

        // A write that failed by itself has its exception already.
        public override void Complete() => _done.TrySetResult(_result);

        public override void Fail(Exception exception) => _done.TrySetException(exception);
    }
}
