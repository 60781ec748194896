namespace HelixFlow.InferenceNode.Placement;

/// <summary>Chooses the replicas that give way to another model: the least used, and no more than needed.</summary>
/// <remarks>
/// Takes the least used replica again and again until enough is free, then gives back, the most used first, whatever turned out not to be needed.
/// So no chosen replica could be left out. A model's uses are shared out evenly among its replicas. Keeps its buffers between searches.
/// </remarks>
internal sealed class VictimSearch(PlacementOptions options)
{
    private readonly List<Candidate> _candidates = [];

    /// <summary>The outcome of the last successful search: the aged uses of what is evicted.</summary>
    public double Cost { get; private set; }

    /// <summary>The outcome of the last successful search: the bytes that become free.</summary>
    public long FreedBytes { get; private set; }

    /// <summary>Finds replicas that can be evicted at once to free this much.</summary>
    /// <returns>False when all of them together do not free enough.</returns>
    public bool TryFindIdle(DeviceRoom room, ModelEntry model, long missing, TimeSpan now, List<Replica> victims)
    {
        bool othersClaim = room.ReservedFor is { } reserver && reserver != model;
        _candidates.Clear();
        foreach (Replica replica in room.Replicas)
        {
            if (replica is { State: ReplicaState.Resident, Active: 0, Leaving: false, Entry.Pinned: false } && !(othersClaim && replica.Claimed))
            {
                AddCandidate(replica, now);
            }
        }

        return TryChoose(missing, victims);
    }

    /// <summary>Finds replicas that can be evicted at some time, when their requests or their loading have ended.</summary>
    /// <returns>False when all of them together do not free enough.</returns>
    public bool TryFindClaimable(DeviceRoom room, long missing, TimeSpan now, List<Replica> victims)
    {
        _candidates.Clear();
        foreach (Replica replica in room.Replicas)
        {
            if (replica is { State: not ReplicaState.Unloading, Leaving: false, Entry.Pinned: false })
            {
                AddCandidate(replica, now);
            }
        }

        return TryChoose(missing, victims);
    }

    private void AddCandidate(Replica replica, TimeSpan now) =>
        _candidates.Add(new Candidate(replica, options.EvictionCost?.Invoke(replica, now) ?? SharedUses(replica, now)));

    private double SharedUses(Replica replica, TimeSpan now) => replica.Entry.Uses.At(now, options.HalfLife) / replica.Entry.Replicas.Count;

    private bool TryChoose(long missing, List<Replica> victims)
    {
        victims.Clear();
        Cost = 0;
        FreedBytes = 0;
        _candidates.Sort();
        int count = 0;
        while (FreedBytes < missing)
        {
            if (count == _candidates.Count)
            {
                return false;
            }

            FreedBytes += _candidates[count++].Replica.Bytes;
        }

        for (int i = count - 1; i >= 0; i--)
        {
            (Replica replica, double cost) = _candidates[i];
            if (FreedBytes - replica.Bytes >= missing)
            {
                FreedBytes -= replica.Bytes;
            }
            else
            {
                victims.Add(replica);
                Cost += cost;
            }
        }

        victims.Reverse(); // The least used first again.
        return true;
    }

    private readonly record struct Candidate(Replica Replica, double Cost) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other)
        {
            int order = Cost.CompareTo(other.Cost);
            order = order != 0 ? order : Replica.Entry.LastUse.CompareTo(other.Replica.Entry.LastUse);
            return order != 0 ? order : Replica.Number.CompareTo(other.Replica.Number);
        }
    }
}
