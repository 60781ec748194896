namespace HelixFlow.Agents.Handlers;

/// <summary>Keeps a handler that crashes whenever it is started from using up the jobs that wait for it. Any thread may use it.</summary>
/// <remarks>
/// After a few crashes in a row before the program has said anything, its jobs wait; then one is tried, and if that crashes too they wait twice as long.
/// A program that says something is healthy, whatever becomes of its job.
/// </remarks>
internal sealed class HandlerQuarantine(TimeProvider time)
{
    /// <summary>Crashes in a row that are borne.</summary>
    public const int Patience = 3;

    private static readonly TimeSpan _firstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private int _crashes;
    private long _crashedAt;

    /// <summary>Most jobs that may run now of those that could otherwise.</summary>
    public int Limit(int concurrency)
    {
        lock (_lock)
        {
            return _crashes < Patience ? concurrency : time.GetElapsedTime(_crashedAt) < Pause_NeedsLock() ? 0 : 1;
        }
    }

    /// <summary>The program was started and has said something.</summary>
    public void Spoke()
    {
        lock (_lock)
        {
            _crashes = 0;
        }
    }

    /// <summary>The program has ended before it said anything; the result is how long its jobs wait now, zero for not at all.</summary>
    public TimeSpan Crashed()
    {
        lock (_lock)
        {
            _crashes++;
            _crashedAt = time.GetTimestamp();
            return _crashes < Patience ? TimeSpan.Zero : Pause_NeedsLock();
        }
    }

    private TimeSpan Pause_NeedsLock() => TimeSpan.FromTicks((long)Math.Min(_longestPause.Ticks, _firstPause.Ticks * Math.Pow(2, Math.Min(_crashes - Patience, 20))));
}
