using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>A device with the replicas on it.</summary>
/// <remarks>
/// <see cref="Used"/> is an upper bound of the memory that is taken now and until all announced loads have ended: a replica that is loaded in the
/// place of others counts only with what it takes beyond them until they are gone.
/// </remarks>
internal sealed class DeviceRoom(Device device)
{
    public Device Device { get; } = device;

    public List<Replica> Replicas { get; } = [];

    public long Used { get; set; }

    /// <summary>The waiting model for which the device is being cleared.</summary>
    public ModelEntry? ReservedFor { get; set; }

    public long Budget => Device.BudgetBytes;

    public bool CanEverHold(ModelEntry model) => Device.CanRun && model.Need.TotalBytes <= Budget;

    /// <summary>Whether a replica of the model is there or on its way.</summary>
    public bool Has(ModelEntry model)
    {
        foreach (Replica replica in Replicas)
        {
            if (replica.Entry == model && replica.State != ReplicaState.Unloading)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Bytes that a model may take now: what is free, less what the model that reserved the device needs beyond those it waits for.</summary>
    public long FreeFor(ModelEntry model)
    {
        long free = Budget - Used;
        if (ReservedFor is not { } reserver || reserver == model)
        {
            return free;
        }

        long claimed = 0;
        foreach (Replica replica in Replicas)
        {
            claimed += replica.Claimed ? replica.Bytes : 0;
        }

        return free - Math.Max(0, reserver.Need.TotalBytes - claimed);
    }

    /// <summary>Bytes that no other model can get.</summary>
    public long PinnedBytes()
    {
        long bytes = 0;
        foreach (Replica replica in Replicas)
        {
            bytes += replica is { Entry.Pinned: true, Leaving: false } && replica.State != ReplicaState.Unloading ? replica.Bytes : 0;
        }

        return bytes;
    }

    /// <summary>Bytes that stay taken once everything that is leaving has left.</summary>
    public long StayingBytes()
    {
        long bytes = 0;
        foreach (Replica replica in Replicas)
        {
            bytes += !replica.Leaving && replica.State != ReplicaState.Unloading ? replica.Bytes : 0;
        }

        return bytes;
    }
}
