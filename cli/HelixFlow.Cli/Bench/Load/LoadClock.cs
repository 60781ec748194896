namespace HelixFlow.Cli.Bench.Load;

/// <summary>The time since the start of a run. Thread-safe.</summary>
internal sealed class LoadClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    public TimeSpan Now => time.GetElapsedTime(_start);

    /// <summary>Waits until a moment of the run, at once when it has passed.</summary>
    public async Task UntilAsync(TimeSpan moment, CancellationToken cancellationToken)
    {
        while (moment - Now is { } left && left > TimeSpan.Zero)
        {
            // Delays are whole milliseconds; a shorter one would end at once, and this loop would spin.
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), time, cancellationToken);
        }
    }
}
