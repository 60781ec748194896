using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Tests.Speculation;

/// <summary>A clock that a device moves on by what its steps are said to take. With no costs it stands still.</summary>
/// <param name="step">Ticks of a step.</param>
/// <param name="row">Ticks of each of its rows.</param>
/// <param name="main">The clock to move on instead of this one; null for none.</param>
internal sealed class StepClock(long step, long row, StepClock? main = null) : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public long Ticks => Volatile.Read(ref _ticks);

    public override long GetTimestamp() => Ticks;

    public override DateTimeOffset GetUtcNow() => new(Ticks, TimeSpan.Zero);

    /// <summary>To be called with each step's batch.</summary>
    public void Run(Batch batch) => Add(step + (row * batch.Rows));

    private void Add(long ticks)
    {
        Interlocked.Add(ref _ticks, ticks);
        main?.Add(ticks);
    }
}
