using HelixFlow.Schemas;

namespace HelixFlow.InferenceNode.Requests;

/// <summary>Counts the requests on a node and closes behind them when it drains.</summary>
/// <remarks>Thread-safe. Every <see cref="Enter"/> needs one <see cref="Leave"/>.</remarks>
internal sealed class RequestGate : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _evicted = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _closed;

    /// <summary>Requests inside.</summary>
    public int Count => Volatile.Read(ref _count);

    public bool IsClosed => Volatile.Read(ref _closed);

    /// <summary>Completes once the gate is closed and nobody is inside.</summary>
    public Task Empty => _empty.Task;

    /// <summary>Cancelled when those inside must leave: they can go on elsewhere.</summary>
    public CancellationToken Evicted => _evicted.Token;

    /// <exception cref="InferenceException">The gate is closed.</exception>
    public void Enter()
    {
        lock (_lock)
        {
            if (_closed)
            {
                throw new InferenceException(InferenceError.Unavailable, "The server is shutting down.") { RetryAfter = TimeSpan.FromSeconds(1) };
            }

            _count++;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            if (--_count == 0 && _closed)
            {
                _empty.TrySetResult();
            }
        }
    }

    /// <summary>Lets nobody in any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            if (_count == 0)
            {
                _empty.TrySetResult();
            }
        }
    }

    /// <summary>Makes those inside leave.</summary>
    public void Evict() => _evicted.Cancel();

    public void Dispose() => _evicted.Dispose();
}
