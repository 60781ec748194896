namespace HelixFlow.TestKit.Clocks;

/// <summary>A clock that stands still until it is told to advance, and that says what it is waited for. It starts at 2026-01-01 00:00:00 UTC.</summary>
internal sealed class ManualTime : TimeProvider
{
    private static readonly TimeSpan _guard = TimeSpan.FromMinutes(5); // of a machine's own clock, against tests that hang

    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private int _armed;
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously); // the next timer is started

    public const long StartInUnixSeconds = 1767225600;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            return _now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    /// <summary>Completes when this many timers have been started since the clock was made.</summary>
    public async Task ArmedAsync(int count)
    {
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (_armed >= count)
                {
                    return;
                }

                next = _next.Task;
            }

            await next.WaitAsync(_guard);
        }
    }

    /// <summary>Completes when somebody waits for a time within these bounds, counted from when the wait began.</summary>
    /// <returns>How long it still has to wait.</returns>
    public async Task<TimeSpan> WaitedForAsync(TimeSpan least, TimeSpan most)
    {
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (_timers.Find(timer => timer.Span >= least && timer.Span <= most) is { } found)
                {
                    return found.Due - _now;
                }

                next = _next.Task;
            }

            await next.WaitAsync(_guard);
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

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private void Arm(ManualTimer timer, TimeSpan dueTime)
    {
        lock (_lock)
        {
            _timers.Remove(timer);
            if (dueTime == Timeout.InfiniteTimeSpan)
            {
                return;
            }

            timer.Span = dueTime;
            timer.Due = _now + dueTime;
            _timers.Add(timer);
            _armed++;
            _next.TrySetResult();
            _next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private void Disarm(ManualTimer timer)
    {
        lock (_lock)
        {
            _timers.Remove(timer);
        }
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan Span { get; set; }

        public DateTimeOffset Due { get; set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            time.Arm(this, dueTime);
            return true;
        }

        public void Dispose() => time.Disarm(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
