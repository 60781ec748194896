namespace HelixFlow.Gateway.Routing;

/// <summary>How good a node is for a request: 1 when it holds the whole prompt and is idle; below 0 when it is overrun.</summary>
/// <remarks>Immutable; the weights add up to 1.</remarks>
internal sealed class NodeScore
{
    private readonly double _prefix;
    private readonly double _queue;
    private readonly double _kv;
    private readonly int _prefixFloor;
    private readonly int _queuePerNode;
    private readonly TimeSpan _slowStart;

    public NodeScore(RoutingOptions options)
    {
        options.Validate();
        double sum = options.PrefixWeight + options.QueueWeight + options.KvWeight;
        _prefix = options.PrefixWeight / sum;
        _queue = options.QueueWeight / sum;
        _kv = options.KvWeight / sum;
        _prefixFloor = options.PrefixFloorBlocks;
        _queuePerNode = options.QueuePerNode;
        _slowStart = options.SlowStart;
    }

    /// <summary>Whether <see cref="Of"/> looks at the matched blocks at all.</summary>
    public bool UsesPrefix => _prefix > 0;

    /// <summary>Whether the engine takes no further request: what it runs at once and what may wait there are taken.</summary>
    public bool IsFull(SequenceLoad load) => load.Sequences >= load.MaxSequences + _queuePerNode;

    /// <summary>Free share of the sequences: 1 when idle, 0 when full, less when overrun. A node that became ready counts as smaller than it is.</summary>
    public double Free(ModelPlacement placement, TimeSpan now)
    {
        SequenceLoad load = placement.Load;
        double size = (load.MaxSequences + _queuePerNode) * placement.Node.Share(now, _slowStart);
        return 1 - (load.Sequences / size);
    }

    /// <summary>The weighted score.</summary>
    /// <param name="placement">The candidate.</param>
    /// <param name="matchedBlocks">Of the request's chain, how many the node holds.</param>
    /// <param name="chainLength">The chain's length; 0 when there is none.</param>
    /// <param name="now">The time.</param>
    public double Of(ModelPlacement placement, int matchedBlocks, int chainLength, TimeSpan now)
    {
        double matched = (double)matchedBlocks / Math.Max(chainLength, _prefixFloor);
        return (_prefix * matched) + (_queue * Free(placement, now)) + (_kv * placement.Load.FreeKvShare);
    }
}
