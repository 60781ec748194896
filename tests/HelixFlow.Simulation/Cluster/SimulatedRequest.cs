using HelixFlow.Gateway.Routing;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Cluster;

/// <summary>How a request ended.</summary>
public enum RequestOutcome
{
    /// <summary>It has not.</summary>
    None,

    Completed,

    /// <summary>Too many waited already at the gateway.</summary>
    QueueFull,

    /// <summary>It waited at the gateway for longer than the hold limit.</summary>
    HeldTooLong,

    /// <summary>No node could take it when it came.</summary>
    NoNode,

    /// <summary>The nodes that it was tried on refused it or failed, and it had no attempt left.</summary>
    Failed,
}

/// <summary>What a request found when it came to its first node.</summary>
public enum Residency
{
    /// <summary>It has not come to one.</summary>
    Unknown,

    /// <summary>The model was resident in the cluster when it arrived, and resident and open to it on the node it was sent to.</summary>
    Hit,

    /// <summary>The model was being loaded, or waited for by others, or became resident while the request was held.</summary>
    Joined,

    /// <summary>The node had to begin a load for it, or make it wait for room.</summary>
    Miss,
}

internal sealed class SimulatedRequest(int index, TraceRequest trace, TimeSpan service)
{
    public int Index { get; } = index;

    public TraceRequest Trace { get; } = trace;

    public TimeSpan Service { get; } = service;

    /// <summary>As the gateway reckons: tokens to compute and to generate.</summary>
    public double Cost => Math.Max(1, Trace.PromptTokens + Trace.OutputTokens);

    public bool WasResidentAtArrival { get; set; }

    public Residency Residency { get; set; }

    public RequestOutcome Outcome { get; set; }

    /// <summary>When it ran first, since the trace's start.</summary>
    public TimeSpan? StartedAt { get; set; }

    /// <summary>Attempts begun; also the number of the present one.</summary>
    public int Attempts { get; set; }

    public List<NodeView> Excluded { get; } = [];

    public TimeSpan HeldSince { get; set; }

    public QueueEntry<SimulatedRequest>? Entry { get; set; }

    public NodeLease Lease { get; set; }

    public SimulatedNode? Node { get; set; }
}
