using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Tests.Speculation;

/// <summary>A clock that a device moves on by what its steps are said to take. With no costs it stands still.</summary>
internal sealed class StepClock(long step, long row) : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public long Ticks => Volatile.Read(ref _ticks);

    public override long GetTimestamp() => Ticks;

    public override DateTimeOffset GetUtcNow() => new(Ticks, TimeSpan.Zero);

    /// <summary>To be called with each step's batch.</summary>
    public void Run(Batch batch) => Interlocked.Add(ref _ticks, step + (row * batch.Rows));
}
