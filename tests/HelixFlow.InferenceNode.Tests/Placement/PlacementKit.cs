using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Tests.Placement;

/// <summary>Short forms for placements of small numbers.</summary>
internal static class PlacementKit
{
    /// <summary>Processors with these budgets.</summary>
    public static Device[] Cpus(params long[] budgets) =>
        [.. budgets.Select((budget, i) => new Device($"cpu:{i}", DeviceKind.Cpu, "test", budget, budget))];

    public static ModelPlacement Place(long[] budgets, params (string Model, long Bytes)[] models) => Place(new PlacementOptions(), budgets, models);

    public static ModelPlacement Place(PlacementOptions options, long[] budgets, params (string Model, long Bytes)[] models)
    {
        var placement = new ModelPlacement(Cpus(budgets), options);
        foreach ((string model, long bytes) in models)
        {
            placement.AddModel(model, Need(bytes));
        }

        return placement;
    }

    public static ModelNeed Need(long bytes) => new(bytes, 0, 0);

    public static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>Acquires and carries out whatever that needs, at once.</summary>
    public static Replica Use(this ModelPlacement placement, string model, double seconds = 0)
    {
        AcquireOutcome outcome = placement.Acquire(model, At(seconds));
        if (outcome.Status == AcquireStatus.StartLoad)
        {
            placement.Finish(outcome.Plan!, seconds);
            outcome = placement.Acquire(model, At(seconds));
        }

        Assert.Equal(AcquireStatus.Resident, outcome.Status);
        return outcome.Replica!;
    }

    /// <summary>Uses and releases.</summary>
    public static Replica Touch(this ModelPlacement placement, string model, double seconds = 0)
    {
        Replica replica = placement.Use(model, seconds);
        placement.Release(replica);
        return replica;
    }

    public static void Finish(this ModelPlacement placement, LoadPlan plan, double seconds = 0)
    {
        foreach (Replica evicted in plan.Evict)
        {
            placement.Unloaded(evicted);
        }

        placement.LoadSucceeded(plan.Replica, At(seconds));
        placement.CheckInvariants();
    }

    public static AcquireStatus Ask(this ModelPlacement placement, string model, double seconds = 0) => placement.Acquire(model, At(seconds)).Status;

    public static string[] Residents(this ModelPlacement placement) =>
        [.. Enumerable.Range(0, placement.Devices.Count).SelectMany(placement.ReplicasOn)
            .Where(replica => replica.State == ReplicaState.Resident)
            .Select(replica => replica.Model)
            .Order(StringComparer.Ordinal)];
}
