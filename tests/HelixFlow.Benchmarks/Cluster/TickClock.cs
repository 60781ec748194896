namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Ticks at a pace and remembers when each tick was.</summary>
/// <remarks>Thread-safe. One task ticks; waiters resume on the thread pool.</remarks>
internal sealed class TickClock : IAsyncDisposable
{
    private const int Remembered = 4096;

    private readonly long[] _times = new long[Remembered]; // [tick % Remembered]
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _ticking;
    private long _latest;
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TickClock(TimeSpan interval) => _ticking = Task.Run(() => TickAsync(interval));

    /// <summary>The number of the latest tick.</summary>
    public long Latest => Volatile.Read(ref _latest);

    /// <summary>Waits until a tick has been, and says when it was.</summary>
    public async ValueTask<long> AfterAsync(long tick, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next = Volatile.Read(ref _next).Task; // before the look, so that no tick is missed between
            if (Latest >= tick)
            {
                return Volatile.Read(ref _times[tick % Remembered]);
            }

            await next.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _ticking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task TickAsync(TimeSpan interval)
    {
        using var timer = new PeriodicTimer(interval);
        while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
        {
            long tick = _latest + 1;
            Volatile.Write(ref _times[tick % Remembered], TimeProvider.System.GetTimestamp());
            Volatile.Write(ref _latest, tick);
            Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }
}
