namespace HelixFlow.Storage;

/// <summary>The writes of one database that wait for their turn, first come first served.</summary>
/// <remarks>Callers wait for room when too many wait already. All members may be called from any thread; several writers may take.</remarks>
/// <param name="database">The database's name, for people.</param>
internal sealed class PendingWrites(string database) : IDisposable
{
    private const int MostWaiting = 8192;

    private readonly SemaphoreSlim _room = new(MostWaiting); // not disposed: who waits for room at the end is let in, and told that it is closed
    private readonly Queue<PendingWrite> _waiting = new(); // also the lock of what follows
    private bool _isClosed;

    /// <summary>Waits for room, then for the write.</summary>
    public async Task<T> AddAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        var write = new PendingWrite<T>(work, cancellationToken);
        lock (_waiting)
        {
            if (_isClosed)
            {
                _room.Release();
                throw new StorageException(StorageFailure.Closed, $"{database} has been closed.");
            }

            _waiting.Enqueue(write);
            Monitor.Pulse(_waiting);
        }

        return await write.Task.ConfigureAwait(false);
    }

    /// <summary>Waits for writes and takes as many as there are, but those that were cancelled meanwhile. False when it is closed and empty.</summary>
    public bool Take(List<PendingWrite> group, int most)
    {
        group.Clear();
        lock (_waiting)
        {
            while (_waiting.Count == 0)
            {
                if (_isClosed)
                {
                    return false;
                }

                Monitor.Wait(_waiting);
            }

            while (group.Count < most && _waiting.TryDequeue(out PendingWrite? write))
            {
                group.Add(write);
            }
        }

        _room.Release(group.Count);
        group.RemoveAll(static write => write.IsCancelled());
        return true;
    }

    /// <summary>Takes no more. What waits is still taken.</summary>
    public void Dispose()
    {
        lock (_waiting)
        {
            _isClosed = true;
            Monitor.PulseAll(_waiting);
        }
    }
}

/// <summary>A write that somebody waits for.</summary>
internal abstract class PendingWrite
{
    /// <summary>Whether nobody wants it any more; the one who waited has been told.</summary>
    public abstract bool IsCancelled();

    /// <summary>Does the work, in a transaction that is not committed yet; may be called again when that was undone.</summary>
    public abstract void Run(SqlSession session);

    /// <summary>Tells the result of the latest run, which is durable now; nothing if it has failed by itself.</summary>
    public abstract void Complete();

    /// <summary>Tells that nothing was written.</summary>
    public abstract void Fail(Exception exception);
}

/// <inheritdoc />
internal sealed class PendingWrite<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) : PendingWrite
{
    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T _result = default!;

    public Task<T> Task => _done.Task;

    public override bool IsCancelled() => cancellationToken.IsCancellationRequested && _done.TrySetCanceled(cancellationToken);

    public override void Run(SqlSession session) => _result = work(session);

    public override void Complete() => _done.TrySetResult(_result);

    public override void Fail(Exception exception) => _done.TrySetException(exception);
}
