using System.Diagnostics.CodeAnalysis;

namespace HelixFlow.Gateway.Routing;

/// <summary>A request that is on a node; hand it back to <see cref="NodeTable.End"/> when it ends, however it ends.</summary>
internal readonly record struct NodeLease(ModelPlacement Placement, long CircuitEpoch);

/// <summary>All nodes, and which node has which model.</summary>
/// <remarks>
/// The router's state: guarded by one lock, which its owner holds around each call here and in <see cref="NodePicker"/>. Every operation takes
/// microseconds; none waits. Times are since any fixed moment and never go back.
/// </remarks>
internal sealed class NodeTable
{
    private readonly RoutingOptions _options;
    private readonly Dictionary<string, NodeView> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelReplicas> _models = new(StringComparer.Ordinal);

    public NodeTable(RoutingOptions options)
    {
        options.Validate();
        _options = options;
    }

    /// <summary>Requests that have begun and not ended.</summary>
    public int InFlight { get; private set; }

    public Dictionary<string, NodeView>.ValueCollection Nodes => _nodes.Values;

    /// <summary>The models that some node has or could load.</summary>
    public Dictionary<string, ModelReplicas>.ValueCollection Models => _models.Values;

    /// <summary>A node was found. It takes requests after its first report.</summary>
    /// <exception cref="ArgumentException">There is one of that id.</exception>
    public NodeView Add(string id, TimeSpan now)
    {
        var node = new NodeView(id, _options, now);
        _nodes.Add(id, node);
        return node;
    }

    public bool TryGet(string id, [MaybeNullWhen(false)] out NodeView node) => _nodes.TryGetValue(id, out node);

    /// <summary>The node is gone. Leases of its requests can still be ended.</summary>
    public void Remove(NodeView node)
    {
        if (_nodes.TryGetValue(node.Id, out NodeView? known) && ReferenceEquals(known, node))
        {
            _nodes.Remove(node.Id);
            node.Lost();
            ReportModels(node, []);
        }
    }

    /// <summary>Takes over what a node says about all its models; it has none but these. A name that comes twice counts as it came last.</summary>
    public void ReportModels(NodeView node, ReadOnlySpan<ModelReport> models)
    {
        node.ModelReports++;
        foreach (ref readonly ModelReport model in models)
        {
            ReportModel(node, model);
        }

        foreach (ModelPlacement placement in node.Placements.Values)
        {
            if (placement.NamedIn != node.ModelReports)
            {
                Drop(placement);
            }
        }
    }

    /// <summary>Takes over what a node says about one model.</summary>
    public void ReportModel(NodeView node, in ModelReport report)
    {
        if (!node.Placements.TryGetValue(report.Model, out ModelPlacement? placement))
        {
            if (report.State == ModelReadiness.Absent)
            {
                return;
            }

            if (!_models.TryGetValue(report.Model, out ModelReplicas? replicas))
            {
                replicas = new ModelReplicas(report.Model);
                _models.Add(report.Model, replicas);
            }

            placement = new ModelPlacement(node, replicas);
            node.Placements.Add(report.Model, placement);
        }

        if (report.State == ModelReadiness.Absent)
        {
            Drop(placement);
            return;
        }

        placement.NamedIn = node.ModelReports;
        placement.Reported = report.State;
        placement.LoadBytes = report.LoadBytes;
        placement.EvictableBytes = report.EvictableBytes;
        if (report.Load is { } load)
        {
            placement.OwnLoad ??= new SequenceLoad(placement.InFlight);
            placement.OwnLoad.Report(load);
        }
        else
        {
            placement.OwnLoad = null;
        }

        Settle(placement);
    }

    /// <summary>The nodes that have the model or could load it; null when there are none.</summary>
    public ModelReplicas? Find(string model) => _models.GetValueOrDefault(model);

    /// <summary>A request goes to where <see cref="NodePicker.Pick"/> said, under the same lock.</summary>
    /// <param name="placement">Where it goes.</param>
    /// <param name="chain">Its prompt: the node will hold it.</param>
    /// <param name="now">The time.</param>
    public NodeLease Begin(ModelPlacement placement, ReadOnlySpan<ulong> chain, TimeSpan now)
    {
        long epoch = placement.Node.Circuit.Started(now);
        InFlight++;
        placement.InFlight++;
        placement.Uses.Add(now, _options.UseHalfLife);
        placement.Node.Load.Started();
        placement.OwnLoad?.Started();
        Settle(placement);
        if (_options.Policy == RoutingPolicy.Prefix)
        {
            placement.Node.Prefixes.Add(chain);
        }

        return new NodeLease(placement, epoch);
    }

    /// <summary>A request has ended. Exactly once for each lease.</summary>
    public void End(in NodeLease lease, NodeResult result, TimeSpan now)
    {
        ModelPlacement placement = lease.Placement;
        placement.Node.Circuit.Record(lease.CircuitEpoch, result, now);
        InFlight--;
        placement.InFlight--;
        placement.Node.Load.Ended();
        placement.OwnLoad?.Ended();
        Settle(placement);
    }

    /// <summary>Brings lists and promised memory in line with the placement's state.</summary>
    private static void Settle(ModelPlacement placement)
    {
        placement.Replicas.File(placement);
        long promised = placement.Reported == ModelReadiness.Loadable && placement.InFlight > 0 ? placement.LoadBytes : 0;
        placement.Node.PromisedBytes += promised - placement.PromisedBytes;
        placement.PromisedBytes = promised;
    }

    private void Drop(ModelPlacement placement)
    {
        placement.Reported = ModelReadiness.Absent;
        placement.Node.Placements.Remove(placement.Model); // allowed while enumerating
        Settle(placement);
        if (placement.Replicas.Count == 0)
        {
            _models.Remove(placement.Model);
        }
    }
}
