namespace HelixFlow.Gateway.Routing;

/// <summary>What happens to a stream whose node is lost after its first token.</summary>
public enum NodeLossPolicy
{
    /// <summary>It goes on on another node, which computes the tokens so far anew.</summary>
    Migrate,

    /// <summary>It ends with an error.</summary>
    Fail,
}

/// <summary>How the router follows its nodes and how long it tries. Read once at start.</summary>
public sealed class RouterOptions
{
    /// <summary>How nodes are chosen and how requests wait.</summary>
    public RoutingOptions Routing { get; set; } = new();

    /// <summary>Nodes that a request is tried on, migrations included; at least 1. Default 3.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>Default <see cref="NodeLossPolicy.Migrate"/>.</summary>
    public NodeLossPolicy OnNodeLoss { get; set; } = NodeLossPolicy.Migrate;

    /// <summary>
    /// Whether requests without a seed get the same one, so that equal requests get equal answers from nodes that compute alike. Default: each gets
    /// one of its own, so that it can go on elsewhere.
    /// </summary>
    public bool Deterministic { get; set; }

    /// <summary>How long a request waits for a place on a node before it is refused. Default 60 s.</summary>
    public TimeSpan HoldLimit { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>After this long in the queue a request may have its model loaded on a further node. Default 2 s.</summary>
    public TimeSpan ScaleOutAfter { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How often nodes report when nothing changes. Default 500 ms.</summary>
    public TimeSpan ReportInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// A node that is silent for this long is lost: it leaves the rotation and its streams are ended or migrated. At least twice the report
    /// interval. Default 4 s, so that with the interval it is noticed within 5 s.
    /// </summary>
    public TimeSpan SilenceLimit { get; set; } = TimeSpan.FromSeconds(4);

    /// <summary>How long to wait before a lost node is asked again; doubles up to 16 times as long. Default 250 ms.</summary>
    public TimeSpan ReconnectDelay { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <exception cref="ArgumentOutOfRangeException">A value is outside of its range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxAttempts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(HoldLimit, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(ScaleOutAfter, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(ReportInterval, TimeSpan.FromMilliseconds(50));
        ArgumentOutOfRangeException.ThrowIfLessThan(SilenceLimit, 2 * ReportInterval);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ReconnectDelay, TimeSpan.Zero);
        Routing.Validate();
    }
}
