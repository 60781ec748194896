namespace HelixFlow.Simulation.Measures;

/// <summary>What a run has come to. Requests of the warm-up count nowhere but in <see cref="Unfinished"/>.</summary>
public sealed record SimulationResult
{
    public required string Policy { get; init; }

    /// <summary>Requests measured.</summary>
    public required int Requests { get; init; }

    /// <summary>Of those: found their model resident.</summary>
    public required int Hits { get; init; }

    /// <summary>Of those: waited for a load that was under way for others.</summary>
    public required int Joined { get; init; }

    /// <summary>Of those: began a load or waited for room.</summary>
    public required int Misses { get; init; }

    public required int Loads { get; init; }

    public required int Evictions { get; init; }

    public required long LoadedBytes { get; init; }

    /// <summary>From arrival to start, of those that started.</summary>
    public required TimeSpan WaitMean { get; init; }

    public required TimeSpan WaitMedian { get; init; }

    public required TimeSpan Wait99 { get; init; }

    public required TimeSpan WaitMax { get; init; }

    /// <summary>Ended without having run: no node, full queues, refused by nodes, and those held too long.</summary>
    public required int Refused { get; init; }

    /// <summary>Of the refused: waited at the gateway for the whole hold limit.</summary>
    public required int HeldTooLong { get; init; }

    /// <summary>Of all requests, neither completed nor refused when the run ended: lost, or starved. Zero is right.</summary>
    public required int Unfinished { get; init; }

    /// <summary>Mean share of all budgets that holds models or loads.</summary>
    public required double MemoryUse { get; init; }

    /// <summary>Mean number of requests that run on a node.</summary>
    public required double RunningPerNode { get; init; }

    /// <summary>Mean number of loads under way on a node.</summary>
    public required double LoadingPerNode { get; init; }

    /// <summary>Events of virtual time until the end.</summary>
    public required TimeSpan Length { get; init; }

    public double HitRate => Requests == 0 ? 0 : (double)Hits / Requests;

    public double LoadsPerThousand => Requests == 0 ? 0 : 1000.0 * Loads / Requests;

    public double EvictionsPerThousand => Requests == 0 ? 0 : 1000.0 * Evictions / Requests;
}
