namespace HelixFlow.Gateway.Routing;

/// <summary>How well a node can make room for a model; ordered from best to worst.</summary>
internal enum RoomKind
{
    /// <summary>There is room.</summary>
    Free,

    /// <summary>Idle models have to go.</summary>
    Evict,

    /// <summary>The model would wait for others to fall idle, or the node has not said enough.</summary>
    Wait,

    /// <summary>No device could hold the model: the node will refuse it, and say why.</summary>
    TooSmall,
}

/// <summary>Reckons what a node would have to give up to load a model: the uses, by this gateway, of the idle models that would be evicted.</summary>
/// <remarks>
/// A node evicts what was used least; which node is to do it only the router can decide, and it matters more than the order on the node, because
/// a node has few models to choose among and the pool has many (docs/simulation.md). Uses age as on nodes. Takes a node's devices
/// as one. Guarded by the router's lock; keeps its buffer between calls.
/// </remarks>
internal sealed class RoomCost(TimeSpan halfLife)
{
    private readonly List<(double Uses, long Bytes)> _idle = [];

    /// <summary>What making room costs: the kind, and for <see cref="RoomKind.Evict"/> the aged uses of what goes, at least 0.</summary>
    public (RoomKind Kind, double Uses) Of(ModelPlacement placement, TimeSpan now)
    {
        NodeView node = placement.Node;
        if (node.LargestModelBytes > 0 && placement.LoadBytes > node.LargestModelBytes)
        {
            return (RoomKind.TooSmall, 0);
        }

        long missing = placement.LoadBytes - node.FreeBytes;
        if (missing <= 0)
        {
            return (RoomKind.Free, 0);
        }

        _idle.Clear();
        foreach (ModelPlacement other in node.Warm)
        {
            if (other is { Reported: ModelReadiness.Resident, InFlight: 0, EvictableBytes: > 0 } && other.Load.Sequences == 0)
            {
                _idle.Add((other.Uses.At(now, halfLife), other.EvictableBytes));
            }
        }

        _idle.Sort();
        double uses = 0;
        foreach ((double used, long bytes) in _idle)
        {
            uses += used;
            missing -= bytes;
            if (missing <= 0)
            {
                return (RoomKind.Evict, uses);
            }
        }

        return (RoomKind.Wait, 0);
    }
}
