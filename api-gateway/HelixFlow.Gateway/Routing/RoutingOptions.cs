namespace HelixFlow.Gateway.Routing;

/// <summary>How requests find nodes, how failing nodes are avoided and how requests wait. Read once at start.</summary>
public sealed class RoutingOptions
{
    /// <summary>How to choose among the nodes that have the model loaded. Default <see cref="RoutingPolicy.Prefix"/>.</summary>
    public RoutingPolicy Policy { get; set; } = RoutingPolicy.Prefix;

    /// <summary>
    /// Weight of the prompt's share that a node has seen before; at least 0. Default 2. The defaults of the three weights, 2:2:1, are llm-d's;
    /// only their proportion matters.
    /// </summary>
    public double PrefixWeight { get; set; } = 2;

    /// <summary>Weight of a node's free sequences; at least 0. Default 2.</summary>
    public double QueueWeight { get; set; } = 2;

    /// <summary>Weight of a node's free KV blocks; at least 0. Default 1.</summary>
    public double KvWeight { get; set; } = 1;

    /// <summary>
    /// A prompt shorter than this many blocks of 256 bytes counts as that long when its matched share is taken, because little is saved by
    /// matching it; at least 1. Default 8, about 512 tokens.
    /// </summary>
    public int PrefixFloorBlocks { get; set; } = 8;

    /// <summary>
    /// Nodes whose score is at most this much below the best one are as good; of two random ones of them the less loaded is taken. A share of
    /// the highest score: [0, 1]. Default 0.02.
    /// </summary>
    public double TieMargin { get; set; } = 0.02;

    /// <summary>
    /// Requests that may wait on a node beyond the sequences it runs at once; at least 0. Default 4: enough that a sequence that ends is
    /// replaced at the next step, while the others wait at the gateway, where they can be ordered fairly and sent elsewhere.
    /// </summary>
    public int QueuePerNode { get; set; } = 4;

    /// <summary>
    /// The time after which a use of a model counts half as much when the node is chosen that evicts for another one; above zero. Default 10
    /// minutes, as nodes have it.
    /// </summary>
    public TimeSpan UseHalfLife { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a node that became ready counts as smaller than it is, growing evenly. Zero turns it off. Default 10 s.</summary>
    public TimeSpan SlowStart { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Hashes of prompt blocks remembered per node; at least 1. Default 65536: 16 MiB of prompts in about 2 MiB of memory.</summary>
    public int PrefixCapacity { get; set; } = 65_536;

    /// <summary>When a node is left out because it fails.</summary>
    public CircuitOptions Circuit { get; set; } = new();

    /// <summary>How requests wait that no node can take now.</summary>
    public FairQueueOptions Queue { get; set; } = new();

    /// <exception cref="ArgumentOutOfRangeException">A value is outside of its range; the message names it.</exception>
    internal void Validate()
    {
        Weight(PrefixWeight, nameof(PrefixWeight));
        Weight(QueueWeight, nameof(QueueWeight));
        Weight(KvWeight, nameof(KvWeight));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PrefixWeight + QueueWeight + KvWeight, "PrefixWeight + QueueWeight + KvWeight");
        ArgumentOutOfRangeException.ThrowIfLessThan(PrefixFloorBlocks, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(TieMargin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(TieMargin, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(QueuePerNode);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(UseHalfLife, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(SlowStart, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(PrefixCapacity, 1);
        Circuit.Validate();
        Queue.Validate();
    }

    private static void Weight(double value, string name)
    {
        if (!(value >= 0 && double.IsFinite(value)))
        {
            throw new ArgumentOutOfRangeException(name, value, "A weight is a finite number of at least 0.");
        }
    }
}
