using System.Diagnostics;
using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>Decides which model lives on which device: loads on demand, evicts the least used, keeps within every device's budget.</summary>
/// <remarks>
/// Not thread-safe: its owner locks. Knows no clock: every <c>now</c> is the time since any fixed start and never goes back. Does nothing itself:
/// the owner carries out plans and reports back, and asks again for those who wait whenever <see cref="Changes"/> has gone up, the longest
/// waiting first; then every request for a model that can be placed is served in the end. A request for a resident model allocates nothing.
/// <para>
/// A model that does not fit among busy ones waits until enough of them are idle. So that a large model is not kept out for ever by small ones
/// that are never idle together, it reserves a device after <see cref="PlacementOptions.ReserveAfter"/>: the cheapest set of replicas in its way
/// is claimed, and a claimed replica takes no new requests once it has served for <see cref="PlacementOptions.ServePerLoad"/> times its loading
/// time. Those requests go to another replica, load one on another device, or wait in their turn. A device has one reservation at a time.
/// </para>
/// </remarks>
public sealed partial class ModelPlacement
{
    private readonly PlacementOptions _options;
    private readonly DeviceRoom[] _rooms;
    private readonly Dictionary<string, ModelEntry> _models = new(StringComparer.Ordinal);
    private readonly List<ModelEntry> _replicated = []; // those of which more than one replica is wanted
    private readonly List<ModelEntry> _waiting = []; // the longest waiting first
    private readonly VictimSearch _search;
    private readonly int _usableRooms;
    private List<Replica> _victims = [];
    private List<Replica> _bestVictims = [];
    private int _reservations;
    private long _lastNumber;

    /// <param name="devices">The devices, also those that cannot run models; their ids are unique.</param>
    /// <param name="options">The rules of competition.</param>
    /// <exception cref="ArgumentException">An option is out of range, or an id comes twice.</exception>
    public ModelPlacement(IReadOnlyList<Device> devices, PlacementOptions options)
    {
        options.Validate();
        if (devices.DistinctBy(device => device.Id).Count() != devices.Count)
        {
            throw new ArgumentException("Two devices have the same id.", nameof(devices));
        }

        _options = options;
        Devices = devices;
        _rooms = [.. devices.Select(device => new DeviceRoom(device))];
        _usableRooms = devices.Count(device => device.CanRun);
        _search = new VictimSearch(options);
    }

    public IReadOnlyList<Device> Devices { get; }

    /// <summary>Goes up whenever something happened that may let a waiting model go on.</summary>
    public long Changes { get; private set; }

    /// <summary>Makes a model known.</summary>
    /// <returns>Null when a device can hold it; otherwise the reason for which every request for it will be refused.</returns>
    /// <exception cref="ArgumentException">The name is taken, or a size is out of range.</exception>
    public PlacementRefusal? AddModel(string model, ModelNeed need)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(need.WeightBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(need.KvBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(need.ScratchBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(need.TotalBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(need.KvHeads);
        PlacementRefusal? refusal = Refusals.NeverFits(model, need, Devices);
        _models.Add(model, new ModelEntry(model, need, refusal));
        return refusal;
    }

    /// <summary>Forgets a model. Nothing of it may be resident, on its way in or out, or waiting.</summary>
    /// <returns>False when the model is not known.</returns>
    public bool RemoveModel(string model)
    {
        if (!_models.TryGetValue(model, out ModelEntry? entry))
        {
            return false;
        }

        if (entry.Replicas.Count > 0 || entry.WaitingSince is not null)
        {
            throw new InvalidOperationException($"The model '{model}' is still in use.");
        }

        _replicated.Remove(entry);
        return _models.Remove(model);
    }

    public bool Knows(string model) => _models.ContainsKey(model);

    /// <summary>Takes a resident replica for a request, if there is one; never plans a load and never starts to wait.</summary>
    /// <returns>The replica with the fewest requests; null where none takes new ones.</returns>
    public Replica? TryAcquire(string model, TimeSpan now)
    {
        ReserveForOverdue(now);
        return TryUse(Find(model), now);
    }

    /// <summary>Asks for a replica for a request.</summary>
    /// <exception cref="ArgumentException">The model is not known.</exception>
    public AcquireOutcome Acquire(string model, TimeSpan now)
    {
        ReserveForOverdue(now);
        ModelEntry entry = Find(model);
        if (TryUse(entry, now) is { } replica)
        {
            EndWait(entry);
            return new AcquireOutcome(AcquireStatus.Resident, replica);
        }

        if (entry.Loading is { } loading)
        {
            EndWait(entry);
            return new AcquireOutcome(AcquireStatus.Loading, loading);
        }

        if (TryPlan(entry, mayEvict: true, now) is { } plan)
        {
            EndWait(entry);
            return new AcquireOutcome(AcquireStatus.StartLoad, plan.Replica, plan);
        }

        if (FindRefusal(entry) is { } refusal)
        {
            EndWait(entry);
            return new AcquireOutcome(AcquireStatus.Impossible, Refusal: refusal);
        }

        BeginWait(entry, now);
        return new AcquireOutcome(AcquireStatus.Busy);
    }

    /// <summary>Notes that nobody waits for a model any more, so that nothing is reserved for it.</summary>
    public void StopWaiting(string model) => EndWait(Find(model));

    /// <summary>Ends a request's use of a replica.</summary>
    /// <returns>True when the replica is now to be unloaded: see <see cref="Unload"/>.</returns>
    public bool Release(Replica replica)
    {
        if (replica is not { State: ReplicaState.Resident, Active: > 0 })
        {
            throw new InvalidOperationException($"Nothing to release: {replica}.");
        }

        if (--replica.Active > 0)
        {
            return false;
        }

        Changes++;
        return replica.Leaving && BeginUnload(replica);
    }

    /// <summary>Notes that a load has ended well.</summary>
    /// <returns>True when the replica is to be unloaded at once, because that was asked for meanwhile.</returns>
    public bool LoadSucceeded(Replica replica, TimeSpan now)
    {
        if (replica is not { State: ReplicaState.Loading, AwaitedBytes: 0 })
        {
            throw new InvalidOperationException($"Not ready to become resident: {replica}.");
        }

        replica.State = ReplicaState.Resident;
        replica.LoadTook = now - replica.Since;
        replica.Since = now;
        Changes++;
        return replica.Leaving && BeginUnload(replica);
    }

    /// <summary>Notes that a load has failed or was given up; its memory is free again.</summary>
    /// <param name="replica">What was being loaded.</param>
    /// <param name="noExtraBefore">Until then <see cref="PlanExtraReplica"/> leaves the model out; requests for it are not held back.</param>
    public void LoadFailed(Replica replica, TimeSpan noExtraBefore)
    {
        if (replica.State != ReplicaState.Loading)
        {
            throw new InvalidOperationException($"Not being loaded: {replica}.");
        }

        foreach (Replica other in replica.Room.Replicas)
        {
            if (other.Successor == replica)
            {
                other.Successor = null;
            }
        }

        replica.Entry.NoExtraBefore = noExtraBefore;
        Remove(replica, replica.ChargedBytes);
    }

    /// <summary>Notes that a replica is gone and its memory is free.</summary>
    public void Unloaded(Replica replica)
    {
        if (replica.State != ReplicaState.Unloading)
        {
            throw new InvalidOperationException($"Not being unloaded: {replica}.");
        }

        if (replica.Successor is { } successor)
        {
            long before = successor.ChargedBytes;
            successor.AwaitedBytes -= replica.Bytes;
            replica.Room.Used += successor.ChargedBytes - before;
        }

        Remove(replica, replica.Bytes);
    }

    /// <summary>Asks that all replicas of a model be unloaded. A later request loads it again.</summary>
    /// <param name="model">The model; it may be pinned.</param>
    /// <param name="busyToo">Replicas with requests take no new ones and leave when those have ended; otherwise a model in use stays.</param>
    /// <param name="unloadNow">Gets the idle replicas, which are to be unloaded at once. Loads are for the owner to give up or await.</param>
    /// <returns>False when the model is in use and <paramref name="busyToo"/> is false.</returns>
    public bool Unload(string model, bool busyToo, ICollection<Replica> unloadNow)
    {
        ModelEntry entry = Find(model);
        foreach (Replica replica in entry.Replicas)
        {
            if (replica.Active > 0 && !busyToo)
            {
                return false;
            }
        }

        foreach (Replica replica in entry.Replicas)
        {
            Leave(replica, unloadNow);
        }

        return true;
    }

    /// <summary>Keeps a model's replicas from being evicted.</summary>
    public void Pin(string model)
    {
        ModelEntry entry = Find(model);
        entry.Pinned = true;
        foreach (Replica replica in entry.Replicas)
        {
            if (replica.Claimed)
            {
                EndReservation(replica.Room);
            }
        }

        Changes++; // What waits for this model's room may have become impossible.
    }

    public void Unpin(string model)
    {
        Find(model).Pinned = false;
        Changes++;
    }

    /// <summary>Sets how many replicas of a model there should be, 1 to 64, each on a device of its own.</summary>
    /// <param name="model">The model; it is not loaded by this.</param>
    /// <param name="wanted">The first comes with the first request, more through <see cref="PlanExtraReplica"/>.</param>
    /// <param name="unloadNow">Gets the idle replicas that are too many; busy ones leave when their requests have ended.</param>
    public void SetReplicas(string model, int wanted, ICollection<Replica> unloadNow)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(wanted);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(wanted, 64);
        ModelEntry entry = Find(model);
        entry.Wanted = wanted;
        _replicated.Remove(entry);
        if (wanted > 1)
        {
            _replicated.Add(entry);
        }

        for (int staying = CountStaying(entry); staying > wanted; staying--)
        {
            Leave(LeastUseful(entry), unloadNow);
        }

        Changes++;
    }

    /// <summary>Plans a load that brings a resident model closer to its wanted number of replicas.</summary>
    /// <remarks>Only into free room, and only while no model waits.</remarks>
    /// <returns>Null when there is nothing to do; otherwise to be asked again.</returns>
    public LoadPlan? PlanExtraReplica(TimeSpan now)
    {
        if (_waiting.Count > 0)
        {
            return null;
        }

        foreach (ModelEntry entry in _replicated)
        {
            if (now >= entry.NoExtraBefore && CountStaying(entry) is var staying && staying > 0 && staying < entry.Wanted
                && TryPlan(entry, mayEvict: false, now) is { } plan)
            {
                return plan;
            }
        }

        return null;
    }

    /// <summary>Bytes of a device's budget that are taken, or promised to loads under way.</summary>
    /// <param name="device">The device's place in <see cref="Devices"/>.</param>
    public long UsedBytes(int device) => _rooms[device].Used;

    /// <summary>The replicas on a device. To be read at once: it changes with the placement.</summary>
    /// <param name="device">The device's place in <see cref="Devices"/>.</param>
    public IReadOnlyList<Replica> ReplicasOn(int device) => _rooms[device].Replicas;

    /// <summary>The replicas of a model. To be read at once: it changes with the placement.</summary>
    public IReadOnlyList<Replica> ReplicasOf(string model) => Find(model).Replicas;

    public ModelNeed NeedOf(string model) => Find(model).Need;

    public bool IsPinned(string model) => Find(model).Pinned;

    public int WantedReplicas(string model) => Find(model).Wanted;

    /// <summary>The model's uses, each counting half as much with every half-life that has passed.</summary>
    public double AgedUses(string model, TimeSpan now) => Find(model).Uses.At(now, _options.HalfLife);

    private ModelEntry Find(string model) =>
        _models.TryGetValue(model, out ModelEntry? entry) ? entry : throw new ArgumentException($"There is no model '{model}' here.", nameof(model));

    private static int CountStaying(ModelEntry entry)
    {
        int count = 0;
        foreach (Replica replica in entry.Replicas)
        {
            count += !replica.Leaving && replica.State != ReplicaState.Unloading ? 1 : 0;
        }

        return count;
    }

    /// <summary>Of the replicas that stay, one that still loads, else the one with the fewest requests.</summary>
    private static Replica LeastUseful(ModelEntry entry)
    {
        Replica? least = null;
        foreach (Replica replica in entry.Replicas)
        {
            if (!replica.Leaving && replica.State != ReplicaState.Unloading
                && (least is null || (replica.State, replica.Active).CompareTo((least.State, least.Active)) < 0))
            {
                least = replica;
            }
        }

        Debug.Assert(least is not null);
        return least!;
    }

    private static void Leave(Replica replica, ICollection<Replica> unloadNow)
    {
        if (replica.State == ReplicaState.Unloading)
        {
            return;
        }

        replica.Leaving = true;
        if (replica is { State: ReplicaState.Resident, Active: 0 })
        {
            BeginUnload(replica);
            unloadNow.Add(replica);
        }
    }

    private static bool BeginUnload(Replica replica)
    {
        Debug.Assert(replica is { State: ReplicaState.Resident, Active: 0 });
        replica.State = ReplicaState.Unloading;
        return true;
    }

    private void Remove(Replica replica, long freedBytes)
    {
        DeviceRoom room = replica.Room;
        room.Used -= freedBytes;
        Debug.Assert(room.Used >= 0);
        room.Replicas.Remove(replica);
        replica.Entry.Replicas.Remove(replica);
        Changes++;
    }
}
