namespace HelixFlow.Gateway.Batches;

/// <summary>Limits of batches and how they share nodes with other traffic. Read once at start.</summary>
public sealed class BatchOptions
{
    /// <summary>Most requests of a batch. Default 50,000, as OpenAI has it.</summary>
    public int MaxRequests { get; set; } = 50_000;

    /// <summary>Largest input file in bytes. Default 200 MiB, as OpenAI has it.</summary>
    public long MaxInputBytes { get; set; } = 200L << 20;

    /// <summary>Most batches that run at the same time; further ones wait, those that expire first run first. Default 16.</summary>
    public int MaxRunning { get; set; } = 16;

    /// <summary>Most requests of batches that are under way, per model. Default 256.</summary>
    public int MaxConcurrency { get; set; } = 256;

    /// <summary>
    /// The share of a model's sequences that batches use when nothing else runs; (0, 1]. The rest stays free, so that an interactive request starts
    /// at once. Default 0.75.
    /// </summary>
    public double Share { get; set; } = 0.75;

    /// <summary>How long a batch may take. Default 24 h: the only window that the API knows.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromHours(24);

    /// <summary>How long requests under way may take to end after a batch is cancelled; then they are stopped. At most 10 min. Default 30 s.</summary>
    public TimeSpan CancelGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The first wait before a request that no node could take is tried again; each further one is twice as long. Default 0.5 s.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest such wait. Default 1 min.</summary>
    public TimeSpan LongestRetryDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How often the nodes' occupancy is looked at, and what expires is looked for. Default 1 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(1);

    /// <exception cref="ArgumentOutOfRangeException">A value is outside of its range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRunning, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrency, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Share, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(CancelGrace, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CancelGrace, TimeSpan.FromMinutes(10));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RetryDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestRetryDelay, RetryDelay);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Interval, TimeSpan.Zero);
    }
}
