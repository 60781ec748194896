namespace HelixFlow.Engine.Execution;

/// <summary>What a <see cref="StepWatch"/> thinks of an engine.</summary>
public enum StepHealth
{
    /// <summary>It idles or makes progress.</summary>
    Healthy,

    /// <summary>It has work but has made no progress for too long. It may recover.</summary>
    Hung,

    /// <summary>It has given up after repeated failures, for good.</summary>
    Faulted,
}

/// <summary>Tells an engine that hangs from one that is slow: looks at snapshots taken at regular times.</summary>
/// <remarks>
/// <para>An engine that stops in the midst of a step is called hung no later than the limit after its last sign of life, and none is that has been
/// silent for less than the limit minus two intervals: one passes before the silence can be noticed, one before the next look.</para>
/// <para>No clock of its own and no threads: one caller polls. A look that comes late counts as two intervals at most, so that a machine that
/// slept, and its watch with it, does not wake up with engines that seem to hang.</para>
/// </remarks>
public sealed class StepWatch
{
    /// <summary>The default limit: a hung step is noticed within this time.</summary>
    public static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _interval;
    private readonly TimeSpan _patience;
    private TimeSpan _lastLook;
    private TimeSpan _silence;
    private long _progress;
    private bool _wasBusy;

    /// <param name="interval">How often <see cref="Look"/> will be called; positive.</param>
    /// <param name="limit">How soon a hang must be noticed; more than two intervals. Null: <see cref="DefaultLimit"/>.</param>
    public StepWatch(TimeSpan interval, TimeSpan? limit = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        _interval = interval;
        _patience = (limit ?? DefaultLimit) - (2 * interval);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(_patience, TimeSpan.Zero, nameof(limit));
    }

    /// <summary>How long the engine had work but made no progress, at the latest look.</summary>
    public TimeSpan Silence => _silence;

    /// <summary>Judges an engine by what it says now.</summary>
    /// <param name="snapshot">What <see cref="InferenceEngine.Snapshot"/> has just returned.</param>
    /// <param name="now">The time since some fixed moment, by a clock that is never set: for example <see cref="TimeProvider.GetElapsedTime(long)"/>.</param>
    public StepHealth Look(in EngineSnapshot snapshot, TimeSpan now)
    {
        bool silent = snapshot.Busy && _wasBusy && snapshot.Progress == _progress;
        TimeSpan passed = TimeSpan.FromTicks(Math.Clamp((now - _lastLook).Ticks, 0, 2 * _interval.Ticks));
        _silence = silent ? _silence + passed : TimeSpan.Zero;
        _wasBusy = snapshot.Busy;
        _progress = snapshot.Progress;
        _lastLook = now;
        return snapshot.Faulted ? StepHealth.Faulted : _silence > _patience ? StepHealth.Hung : StepHealth.Healthy;
    }
}
