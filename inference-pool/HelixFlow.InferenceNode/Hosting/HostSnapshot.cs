using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>What a host has where, at one moment.</summary>
/// <param name="Version">Goes up with every change that <see cref="ModelHost{TModel}.WaitForChangeAsync"/> reports.</param>
/// <param name="Models">In the order in which they were added.</param>
/// <param name="Devices">The processor first.</param>
/// <param name="Waiting">Requests that wait for models, over all models.</param>
internal sealed record HostSnapshot(long Version, IReadOnlyList<ModelStatus> Models, IReadOnlyList<DeviceStatus> Devices, int Waiting);

/// <summary>Where a model is in its life. With several replicas the furthest counts.</summary>
internal enum ModelState
{
    /// <summary>On no device.</summary>
    Unloaded,

    /// <summary>Being loaded.</summary>
    Loading,

    /// <summary>Answering requests.</summary>
    Resident,

    /// <summary>On no device, and the last attempt to load it failed.</summary>
    Failed,
}

/// <summary>A model on a host.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">Where it is in its life.</param>
/// <param name="Progress">How far its load has come; set while it is <see cref="ModelState.Loading"/>.</param>
/// <param name="Failure">Why its last load failed; set while it is <see cref="ModelState.Failed"/>.</param>
/// <param name="Refusal">Set for a model that no device here can ever hold.</param>
/// <param name="Need">The memory of one replica.</param>
/// <param name="Pinned">Whether it is kept from being evicted.</param>
/// <param name="WantedReplicas">How many replicas there should be.</param>
/// <param name="AgedUses">Its recent uses, old ones counting less: the least used is evicted first.</param>
/// <param name="Waiting">Requests that wait for it.</param>
/// <param name="Replicas">Its replicas, also those that are on their way in or out.</param>
internal sealed record ModelStatus(
    string Name, ModelState State, LoadProgress? Progress, string? Failure, PlacementRefusal? Refusal, ModelNeed Need, bool Pinned, int WantedReplicas,
    double AgedUses, int Waiting, IReadOnlyList<ReplicaStatus> Replicas)
{
    /// <summary>Requests that run on it.</summary>
    public int Active => Replicas.Sum(replica => replica.Active);
}

/// <summary>A replica of a model.</summary>
/// <param name="DeviceId">Where it is.</param>
/// <param name="State">Where it is in its life.</param>
/// <param name="Progress">How far its load has come.</param>
/// <param name="Bytes">What it takes of the device's budget.</param>
/// <param name="Active">Requests that run on it.</param>
/// <param name="Leaving">Whether it takes no new requests, since it was asked to be unloaded.</param>
internal sealed record ReplicaStatus(string DeviceId, ReplicaState State, LoadProgress Progress, long Bytes, int Active, bool Leaving);

/// <summary>A device of a host.</summary>
/// <param name="Device">The device with its total and its budget.</param>
/// <param name="UsedBytes">What models take of its budget, loads under way included.</param>
internal sealed record DeviceStatus(Device Device, long UsedBytes);
