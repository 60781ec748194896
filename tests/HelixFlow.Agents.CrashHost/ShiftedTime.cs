namespace HelixFlow.Agents.CrashHost;

/// <summary>The machine's time, with a wall clock that can be put forwards and back. As on a real machine, what measures spans goes on evenly.</summary>
public sealed class ShiftedTime : TimeProvider
{
    private long _offsetMs;

    /// <summary>How far the wall clock is ahead. Milliseconds.</summary>
    public long OffsetMs
    {
        get => Volatile.Read(ref _offsetMs);
        set => Volatile.Write(ref _offsetMs, value);
    }

    /// <inheritdoc />
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddMilliseconds(OffsetMs);
}
