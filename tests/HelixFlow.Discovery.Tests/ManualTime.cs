namespace HelixFlow.Discovery.Tests;

/// <summary>A clock that stands still until it is told to advance, and that says what it is waited for.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private TaskCompletionSource _armed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            return _now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Completes when somebody waits for a time within these bounds, counted from when the wait began.</summary>
    /// <returns>How long it still has to wait.</returns>
    public async Task<TimeSpan> WaitedForAsync(TimeSpan least, TimeSpan most)
    {
        while (true)
        {
            Task armed;
            lock (_lock)
            {
                if (_timers.Find(timer => timer.Span >= least && timer.Span <= most) is { } found)
                {
                    return found.Due - _now;
                }

                armed = _armed.Task;
            }

            await armed.WaitAsync(TimeSpan.FromMinutes(5));
        }
    }

    public Task<TimeSpan> WaitedForAsync(TimeSpan span) => WaitedForAsync(span, span);

    public void Advance(TimeSpan span)
    {
        List<ManualTimer> due;
        lock (_lock)
        {
            _now += span;
            due = _timers.FindAll(timer => timer.Due <= _now);
            _timers.RemoveAll(due.Contains);
        }

        due.ForEach(timer => timer.Fire());
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan Span { get; private set; }

        public DateTimeOffset Due { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Assert.Equal(Timeout.InfiniteTimeSpan, period);
            lock (time._lock)
            {
                time._timers.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    Span = dueTime;
                    Due = time._now + dueTime;
                    time._timers.Add(this);
                    time._armed.TrySetResult();
                    time._armed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }

            return true;
        }

        public void Dispose()
        {
            lock (time._lock)
            {
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
