namespace HelixFlow.InferenceNode.Placement;

/// <summary>What a placement knows about a model.</summary>
internal sealed class ModelEntry(string name, ModelNeed need, PlacementRefusal? neverFits)
{
    public string Name { get; } = name;

    public ModelNeed Need { get; } = need;

    /// <summary>Set for a model that no device here can ever hold.</summary>
    public PlacementRefusal? NeverFits { get; } = neverFits;

    public List<Replica> Replicas { get; } = [];

    public int Wanted { get; set; } = 1;

    public bool Pinned { get; set; }

    /// <summary>Its uses, old ones counting less. A field, since it is changed in place.</summary>
    public AgedCount Uses;

    public TimeSpan LastUse { get; set; }

    /// <summary>Set while it waits for others to fall idle.</summary>
    public TimeSpan? WaitingSince { get; set; }

    public DeviceRoom? Reserved { get; set; }

    /// <summary>No further replica is loaded before this time, since the last attempt failed.</summary>
    public TimeSpan NoExtraBefore { get; set; } = TimeSpan.MinValue;

    public Replica? Loading
    {
        get
        {
            foreach (Replica replica in Replicas)
            {
                if (replica is { State: ReplicaState.Loading, Leaving: false })
                {
                    return replica;
                }
            }

            return null;
        }
    }
}
