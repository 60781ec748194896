using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Tests.Placement;

/// <summary>
/// Books of its own about what is where, kept from the outcomes and reports alone. It knows the rules only as conditions on an answer, not how an
/// answer is found, and the memory as it is taken on a real device: a load takes its memory once what it replaces is gone.
/// </summary>
internal sealed class PlacementOracle(long[] budgets, Dictionary<string, long> sizes, bool reservations)
{
    private readonly Dictionary<Replica, Copy> _copies = [];

    public HashSet<string> Pinned { get; } = [];

    public IEnumerable<Replica> Busy => Where(copy => copy.Active > 0);

    public IEnumerable<Replica> ReadyToFinish => Where(copy => copy.State == ReplicaState.Loading && copy.Waits.Count == 0);

    public IEnumerable<Replica> Loading => Where(copy => copy.State == ReplicaState.Loading);

    public IEnumerable<Replica> Unloading => Where(copy => copy.State == ReplicaState.Unloading);

    public void Check(string model, AcquireOutcome outcome)
    {
        switch (outcome.Status)
        {
            case AcquireStatus.Resident:
                Used(model, outcome.Replica!);
                break;
            case AcquireStatus.Loading:
                Assert.Equal(ReplicaState.Loading, _copies[outcome.Replica!].State);
                Assert.Equal(model, outcome.Replica!.Model);
                break;
            case AcquireStatus.StartLoad:
                Assert.DoesNotContain(Open(model), _ => !reservations);
                Planned(outcome.Plan!, mayEvict: true);
                break;
            case AcquireStatus.Busy:
                Assert.DoesNotContain(Open(model), _ => !reservations);
                Assert.Contains(Enumerable.Range(0, budgets.Length), device => CouldEver(device, model) || Has(device, model));
                Assert.DoesNotContain(Enumerable.Range(0, budgets.Length), device => !reservations && !Has(device, model) && Free(device) + Idle(device) >= sizes[model]);
                break;
            case AcquireStatus.Impossible:
                Assert.DoesNotContain(Enumerable.Range(0, budgets.Length), device => CouldEver(device, model));
                break;
        }
    }

    public void Used(string model, Replica replica)
    {
        Copy copy = _copies[replica];
        Assert.True(copy is { State: ReplicaState.Resident, Leaves: false });
        Assert.Equal(model, replica.Model);
        if (!reservations)
        {
            Assert.Equal(Open(model).Min(open => open.Active), copy.Active);
        }

        copy.Active++;
        Assert.Equal(copy.Active, replica.Active);
    }

    public void Planned(LoadPlan plan, bool mayEvict)
    {
        int device = DeviceOf(plan.Replica);
        long need = sizes[plan.Replica.Model];
        long room = Free(device) + plan.Evict.Sum(replica => _copies[replica].Bytes);
        Assert.False(Has(device, plan.Replica.Model));
        Assert.True(room >= need);
        Assert.True(mayEvict || plan.Evict.Count == 0);
        foreach (Replica replica in plan.Evict)
        {
            Copy evicted = _copies[replica];
            Assert.True(evicted is { State: ReplicaState.Resident, Active: 0, Leaves: false });
            Assert.Equal(device, evicted.Device);
            Assert.DoesNotContain(evicted.Model, Pinned);
            if (!reservations)
            {
                Assert.True(room - evicted.Bytes < need, "one was evicted without need");
                Assert.DoesNotContain(Enumerable.Range(0, budgets.Length), other => !Has(other, plan.Replica.Model) && Free(other) >= need);
            }
        }

        foreach (Replica replica in plan.Evict)
        {
            _copies[replica].State = ReplicaState.Unloading;
        }

        _copies.Add(plan.Replica, new Copy(plan.Replica.Model, device, need) { Waits = [.. plan.Evict.Select(replica => _copies[replica])] });
        CheckMemory();
    }

    public void Released(Replica replica, bool unload)
    {
        Copy copy = _copies[replica];
        copy.Active--;
        Assert.Equal(copy.Leaves && copy.Active == 0, unload);
        copy.State = unload ? ReplicaState.Unloading : copy.State;
    }

    public void Loaded(Replica replica, bool unload)
    {
        Copy copy = _copies[replica];
        Assert.Equal(copy.Leaves, unload);
        copy.State = unload ? ReplicaState.Unloading : ReplicaState.Resident;
    }

    public void Gone(Replica replica)
    {
        foreach (Copy other in _copies.Values)
        {
            other.Waits.Remove(_copies[replica]);
        }

        _copies.Remove(replica);
        CheckMemory();
    }

    public void Unload(string model, bool busyToo, bool accepted, List<Replica> unloadNow)
    {
        Copy[] copies = [.. _copies.Values.Where(copy => copy.Model == model && copy.State != ReplicaState.Unloading)];
        Assert.Equal(busyToo || copies.All(copy => copy.Active == 0), accepted);
        if (accepted)
        {
            Assert.Equal(copies.Count(copy => copy is { State: ReplicaState.Resident, Active: 0 }), unloadNow.Count);
            Array.ForEach(copies, copy => copy.Leaves = true);
            Left(model, unloadNow);
        }
    }

    public void Reduced(string model, int wanted, List<Replica> unloadNow)
    {
        Left(model, unloadNow);
        foreach ((Replica replica, Copy copy) in _copies.Where(entry => entry.Value.Model == model))
        {
            copy.Leaves |= replica.Leaving;
        }

        Assert.True(_copies.Values.Count(copy => copy.Model == model && copy.State != ReplicaState.Unloading && !copy.Leaves) <= wanted);
    }

    private void Left(string model, List<Replica> unloadNow)
    {
        foreach (Replica replica in unloadNow)
        {
            Copy copy = _copies[replica];
            Assert.True(copy is { State: ReplicaState.Resident, Active: 0 } && copy.Model == model);
            copy.State = ReplicaState.Unloading;
        }
    }

    /// <summary>What lies on each device at this moment never exceeds its budget.</summary>
    private void CheckMemory()
    {
        for (int device = 0; device < budgets.Length; device++)
        {
            Assert.True(On(device).Where(copy => copy.State != ReplicaState.Loading || copy.Waits.Count == 0).Sum(copy => copy.Bytes) <= budgets[device]);
        }
    }

    /// <summary>What stays free at every moment until all loads under way have ended.</summary>
    private long Free(int device)
    {
        Copy[] replaced = [.. On(device).SelectMany(copy => copy.Waits)];
        return budgets[device] - On(device).Except(replaced).Sum(copy => Math.Max(copy.Bytes, copy.Waits.Sum(waited => waited.Bytes)));
    }

    private long Idle(int device) => On(device).Where(copy => copy is { State: ReplicaState.Resident, Active: 0, Leaves: false } && !Pinned.Contains(copy.Model)).Sum(copy => copy.Bytes);

    private bool CouldEver(int device, string model) =>
        budgets[device] - On(device).Where(copy => copy.State != ReplicaState.Unloading && !copy.Leaves && Pinned.Contains(copy.Model)).Sum(copy => copy.Bytes) >= sizes[model];

    private bool Has(int device, string model) => On(device).Any(copy => copy.Model == model && copy.State != ReplicaState.Unloading);

    private IEnumerable<Copy> Open(string model) => _copies.Values.Where(copy => copy.Model == model && copy is { State: ReplicaState.Resident, Leaves: false });

    private IEnumerable<Copy> On(int device) => _copies.Values.Where(copy => copy.Device == device);

    private IEnumerable<Replica> Where(Func<Copy, bool> condition) => _copies.Where(entry => condition(entry.Value)).Select(entry => entry.Key);

    private static int DeviceOf(Replica replica) => int.Parse(replica.Device.Id.AsSpan("cpu:".Length), System.Globalization.CultureInfo.InvariantCulture);

    private sealed class Copy(string model, int device, long bytes)
    {
        public string Model => model;

        public int Device => device;

        public long Bytes => bytes;

        public ReplicaState State { get; set; }

        public int Active { get; set; }

        public bool Leaves { get; set; }

        public List<Copy> Waits { get; init; } = [];
    }
}
