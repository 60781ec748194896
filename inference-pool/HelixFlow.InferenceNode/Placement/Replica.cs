using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>Where a replica is in its life.</summary>
public enum ReplicaState
{
    /// <summary>Its memory is set aside; it is being loaded, perhaps after others have been unloaded for it.</summary>
    Loading,

    /// <summary>It answers requests.</summary>
    Resident,

    /// <summary>It is being unloaded and holds its memory until that has ended.</summary>
    Unloading,
}

/// <summary>One copy of a model on one device. Changed by its <see cref="ModelPlacement"/> only.</summary>
public sealed class Replica
{
    internal Replica(ModelEntry entry, DeviceRoom room, long number, TimeSpan now)
    {
        Entry = entry;
        Room = room;
        Number = number;
        Since = now;
    }

    public string Model => Entry.Name;

    public Device Device => Room.Device;

    public long Bytes => Entry.Need.TotalBytes;

    public ReplicaState State { get; internal set; }

    /// <summary>Requests that run on it.</summary>
    public int Active { get; internal set; }

    /// <summary>Whether it takes no new requests because it is to be unloaded once its requests have ended, as was asked for.</summary>
    public bool Leaving { get; internal set; }

    internal ModelEntry Entry { get; }

    internal DeviceRoom Room { get; }

    /// <summary>Replicas are numbered in the order in which they came: the last tie-breaker.</summary>
    internal long Number { get; }

    /// <summary>Whether a waiting model has reserved its memory.</summary>
    internal bool Claimed { get; set; }

    /// <summary>When its loading began; once it is resident, when that was.</summary>
    internal TimeSpan Since { get; set; }

    internal TimeSpan LoadTook { get; set; }

    /// <summary>Whether it has taken a request.</summary>
    internal bool Served { get; set; }

    /// <summary>The replica for which it is being unloaded.</summary>
    internal Replica? Successor { get; set; }

    /// <summary>While it is loading: the bytes of those that are still being unloaded for it.</summary>
    internal long AwaitedBytes { get; set; }

    /// <summary>What it adds to its device's used bytes now; less than <see cref="Bytes"/> while its memory is still held by others.</summary>
    internal long ChargedBytes => Math.Max(0, Bytes - AwaitedBytes);

    public override string ToString() => $"{Model} on {Device.Id}: {State}, {Active} active";
}
