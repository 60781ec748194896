namespace HelixFlow.Gateway.Routing;

/// <summary>What a node can do with a model.</summary>
internal enum ModelReadiness
{
    /// <summary>Nothing.</summary>
    Absent,

    /// <summary>It would load the model for a request.</summary>
    Loadable,

    /// <summary>It is loading the model; requests wait there.</summary>
    Loading,

    /// <summary>It has the model loaded.</summary>
    Resident,
}

/// <summary>What a node reports about one model.</summary>
/// <param name="Model">The name that requests use.</param>
/// <param name="State">What the node can do with it; <see cref="ModelReadiness.Absent"/> removes it.</param>
/// <param name="LoadBytes">Bytes to bring into the device's memory before it runs; 0 when it is there.</param>
/// <param name="Load">The load of the model's own engine; null where the node reports its sum only.</param>
/// <param name="EvictableBytes">Bytes that would become free if it were evicted; 0 when it is not there or must stay.</param>
internal readonly record struct ModelReport(string Model, ModelReadiness State, long LoadBytes = 0, LoadReport? Load = null, long EvictableBytes = 0);

/// <summary>One model on one node, as the router sees it.</summary>
/// <remarks>Guarded by the router's lock; changed by <see cref="NodeTable"/> only.</remarks>
internal sealed class ModelPlacement(NodeView node, ModelReplicas replicas)
{
    public NodeView Node { get; } = node;

    public string Model => Replicas.Model;

    /// <summary>
    /// What the node said last, except that a model that it said it could load counts as loading while a request of ours is there: so that the
    /// requests behind it follow it instead of having the model loaded on other nodes too.
    /// </summary>
    public ModelReadiness State => Reported == ModelReadiness.Loadable && InFlight > 0 ? ModelReadiness.Loading : Reported;

    public long LoadBytes { get; internal set; }

    /// <summary>Bytes that would become free if it were evicted; 0 when it is not there or must stay.</summary>
    public long EvictableBytes { get; internal set; }

    /// <summary>The requests that this gateway has sent there. A field, since it is changed in place.</summary>
    internal UseCount Uses;

    /// <summary>Requests for this model that this gateway has sent there and that have not ended.</summary>
    public int InFlight { get; internal set; }

    /// <summary>The load of the model's own engine where the node reports it, else of the whole node.</summary>
    public SequenceLoad Load => OwnLoad ?? Node.Load;

    internal ModelReplicas Replicas { get; } = replicas;

    internal ModelReadiness Reported { get; set; }

    internal SequenceLoad? OwnLoad { get; set; }

    /// <summary>Its place in <see cref="List"/>.</summary>
    internal int Index { get; set; }

    /// <summary>The list of <see cref="Replicas"/> that it stands in; null when in none.</summary>
    internal List<ModelPlacement>? List { get; set; }

    /// <summary>The number of the node's report that named it last.</summary>
    internal long NamedIn { get; set; }

    /// <summary>What of the node's free memory is spoken for by a load that the node has not reported yet.</summary>
    internal long PromisedBytes { get; set; }
}

/// <summary>The nodes that have a model or could load it.</summary>
/// <remarks>Guarded by the router's lock; changed by <see cref="NodeTable"/> only.</remarks>
internal sealed class ModelReplicas(string model)
{
    public string Model { get; } = model;

    /// <summary>Where it is resident or loading, in no order.</summary>
    public List<ModelPlacement> Warm { get; } = new(2);

    /// <summary>Where it could be loaded, in no order.</summary>
    public List<ModelPlacement> Cold { get; } = [];

    public int Count => Warm.Count + Cold.Count;

    /// <summary>Where round robin goes on.</summary>
    internal int Turn { get; set; }

    /// <summary>Puts the placement into the list that its state belongs to, or takes it out of both.</summary>
    internal void File(ModelPlacement placement)
    {
        List<ModelPlacement>? list = placement.State switch
        {
            ModelReadiness.Resident or ModelReadiness.Loading => Warm,
            ModelReadiness.Loadable => Cold,
            _ => null,
        };
        if (ReferenceEquals(list, placement.List))
        {
            return;
        }

        if (placement.List is { } old)
        {
            ModelPlacement last = old[^1];
            old[placement.Index] = last;
            last.Index = placement.Index;
            old.RemoveAt(old.Count - 1);
        }

        if (ReferenceEquals(list, Warm))
        {
            placement.Node.Warm.Add(placement);
        }
        else if (ReferenceEquals(placement.List, Warm))
        {
            placement.Node.Warm.Remove(placement);
        }

        placement.List = list;
        if (list is not null)
        {
            placement.Index = list.Count;
            list.Add(placement);
        }
    }
}
