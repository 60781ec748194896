using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.TestKit.Measures;
using static HelixFlow.InferenceNode.Tests.Placement.PlacementKit;

namespace HelixFlow.InferenceNode.Tests.Placement;

public sealed class ModelPlacementTests
{
    [Fact]
    public void The_first_request_starts_a_load_and_others_wait_for_it()
    {
        ModelPlacement placement = Place([10], ("a", 4));

        AcquireOutcome first = placement.Acquire("a", At(0));
        AcquireOutcome second = placement.Acquire("a", At(0));
        placement.Finish(first.Plan!);
        AcquireOutcome third = placement.Acquire("a", At(1));

        Assert.Equal(AcquireStatus.StartLoad, first.Status);
        Assert.Empty(first.Plan!.Evict);
        Assert.Equal((AcquireStatus.Loading, first.Plan.Replica), (second.Status, second.Replica));
        Assert.Equal((AcquireStatus.Resident, first.Plan.Replica), (third.Status, third.Replica));
        Assert.Equal(1, third.Replica!.Active);
        Assert.Equal(4, placement.UsedBytes(0));
    }

    [Fact]
    public void Another_order_of_eviction_can_be_measured_against_the_own_one()
    {
        var options = new PlacementOptions { EvictionCost = static (replica, _) => replica.Model == "a" ? 0 : 1 };
        ModelPlacement placement = Place(options, [10], ("a", 5), ("b", 5), ("c", 5));
        placement.Touch("a");
        placement.Touch("a");
        placement.Touch("b");

        placement.Touch("c", 1);

        Assert.Equal(["b", "c"], placement.Residents());
    }

    [Fact]
    public void The_least_used_idle_model_makes_way()
    {
        ModelPlacement placement = Place([10], ("a", 5), ("b", 5), ("c", 5));
        placement.Touch("a");
        placement.Touch("a");
        placement.Touch("b");

        placement.Touch("c", 1);

        Assert.Equal(["a", "c"], placement.Residents());
    }

    [Fact]
    public void Old_uses_count_less()
    {
        ModelPlacement placement = Place([10], ("a", 5), ("b", 5), ("c", 5));
        for (int i = 0; i < 3; i++)
        {
            placement.Touch("a");
        }

        placement.Touch("b", 1200); // By then a's three uses have aged through two half-lives.
        placement.Touch("c", 1201);

        Assert.Equal(["b", "c"], placement.Residents());
        Assert.Equal(0.75, placement.AgedUses("a", At(1200)), 9);
    }

    [Fact]
    public void Between_equally_used_models_the_one_unused_for_longest_makes_way()
    {
        var options = new PlacementOptions { HalfLife = TimeSpan.FromDays(1e6) }; // So slow that the counts stay equal.
        ModelPlacement placement = Place(options, [10], ("a", 5), ("b", 5), ("c", 5));
        placement.Touch("b", 0);
        placement.Touch("a", 1e-6);

        placement.Touch("c", 2);

        Assert.Equal(["a", "c"], placement.Residents());
    }

    [Fact]
    public void No_more_is_evicted_than_needed()
    {
        ModelPlacement placement = Place([10], ("small", 2), ("large", 8), ("new", 7));
        placement.Touch("small");
        placement.Touch("large");
        placement.Touch("large");

        AcquireOutcome outcome = placement.Acquire("new", At(1));

        Assert.Equal(["large"], outcome.Plan!.Evict.Select(replica => replica.Model));
    }

    [Fact]
    public void A_busy_model_stays_and_the_newcomer_waits_for_it()
    {
        ModelPlacement placement = Place([10], ("a", 6), ("b", 6));
        Replica a = placement.Use("a");

        Assert.Equal(AcquireStatus.Busy, placement.Ask("b"));
        long before = placement.Changes;
        placement.Release(a);
        Assert.True(placement.Changes > before);
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("b"));
    }

    [Fact]
    public void A_loading_model_is_not_evicted()
    {
        ModelPlacement placement = Place([10], ("a", 6), ("b", 6));
        AcquireOutcome a = placement.Acquire("a", At(0));

        Assert.Equal(AcquireStatus.Busy, placement.Ask("b"));
        placement.LoadFailed(a.Replica!, At(0));
        Assert.Equal(0, placement.UsedBytes(0));
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("b"));
    }

    [Fact]
    public void A_pinned_model_stays_and_what_it_keeps_out_is_refused_with_sizes()
    {
        ModelPlacement placement = Place([10 << 10], ("a", 6 << 10), ("b", 6 << 10));
        placement.Touch("a");
        placement.Pin("a");

        AcquireOutcome refused = placement.Acquire("b", At(0));
        placement.Unpin("a");

        Assert.Equal(AcquireStatus.Impossible, refused.Status);
        Assert.Equal(
            "The model 'b' needs 6 KiB (weights 6 KiB, keys and values 0 B, scratch 0 B), but pinned models leave no more than 4 KiB of a device's budget " +
            "(cpu:0: 6 KiB of 10 KiB are pinned).",
            refused.Refusal!.Reason);
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("b"));
    }

    [Fact]
    public void What_is_larger_than_every_budget_is_refused_with_sizes()
    {
        ModelPlacement placement = Place([10, 20], ("a", 50));

        AcquireOutcome outcome = placement.Acquire("a", At(0));

        Assert.Equal(AcquireStatus.Impossible, outcome.Status);
        Assert.Equal("The model 'a' needs 50 B (weights 50 B, keys and values 0 B, scratch 0 B), but the largest budget is 20 B (cpu:1).", outcome.Refusal!.Reason);
        Assert.Null(outcome.Refusal.Split);
    }

    [Fact]
    public void Free_room_is_preferred_to_eviction_and_a_tight_fit_to_a_loose_one()
    {
        ModelPlacement placement = Place([5, 20, 8], ("a", 5), ("b", 5), ("c", 5), ("d", 5));

        Assert.Equal("cpu:0", placement.Touch("a").Device.Id);
        Assert.Equal("cpu:2", placement.Touch("b").Device.Id);
        Assert.Equal("cpu:1", placement.Touch("c").Device.Id);
        Assert.Equal("cpu:1", placement.Touch("d").Device.Id);
        Assert.Equal(["a", "b", "c", "d"], placement.Residents());
    }

    [Fact]
    public void Devices_without_a_backend_are_refused_by_name()
    {
        var gpu = new Device("cuda:0", DeviceKind.Cuda, "Big GPU", 100, 80);
        var placement = new ModelPlacement([.. Cpus(10), gpu], new PlacementOptions());
        PlacementRefusal? told = placement.AddModel("a", Need(50));

        AcquireOutcome outcome = placement.Acquire("a", At(0));

        Assert.False(gpu.CanRun);
        Assert.Equal(AcquireStatus.Impossible, outcome.Status);
        Assert.Same(told, outcome.Refusal);
        Assert.EndsWith("the largest budget is 10 B (cpu:0). cuda:0 (Big GPU) could hold it, but this build has no backend for that device.", told!.Reason, StringComparison.Ordinal);
        Assert.Equal("cpu:0", Place([10], ("small", 5)).Touch("small").Device.Id);
    }

    [Fact]
    public void A_request_goes_to_the_replica_with_the_fewest_requests()
    {
        ModelPlacement placement = Place([10, 10], ("a", 5));
        placement.SetReplicas("a", 2, []);
        Replica first = placement.Use("a");
        placement.Finish(placement.PlanExtraReplica(At(0))!);

        Replica second = placement.Use("a");
        placement.Use("a");
        placement.Release(first);

        Assert.NotSame(first, second);
        Assert.NotEqual(first.Device, second.Device);
        Assert.True(first.Active <= second.Active);
    }

    [Fact]
    public void Extra_replicas_take_free_room_on_other_devices_only()
    {
        ModelPlacement placement = Place([10, 10, 10], ("a", 4), ("b", 8));
        placement.SetReplicas("a", 3, []);
        Assert.Null(placement.PlanExtraReplica(At(0)));
        placement.Touch("b");
        placement.Touch("a");

        placement.Finish(placement.PlanExtraReplica(At(0))!);

        Assert.Null(placement.PlanExtraReplica(At(0)));
        Assert.Equal(["a", "a", "b"], placement.Residents());
    }

    [Fact]
    public void Extra_replicas_hold_back_while_a_model_waits_and_after_a_failure()
    {
        ModelPlacement placement = Place([10, 6], ("a", 4), ("b", 10));
        placement.SetReplicas("a", 2, []);
        placement.Touch("a");
        Replica b = placement.Use("b");
        Assert.Equal("cpu:0", b.Device.Id);
        placement.Release(b);
        Replica a = placement.Use("a");
        Assert.Equal("cpu:1", a.Device.Id);
        placement.Touch("b");
        Replica again = placement.Use("b");
        Assert.Null(placement.PlanExtraReplica(At(0)));
        placement.Release(again);
        placement.Unload("b", busyToo: false, []);
        placement.Unloaded(again);

        LoadPlan plan = placement.PlanExtraReplica(At(0))!;
        Assert.Equal(AcquireStatus.Busy, placement.Ask("b", 0)); // The extra replica of a is on its way there.
        placement.LoadFailed(plan.Replica, At(5));
        placement.StopWaiting("b");

        Assert.Null(placement.PlanExtraReplica(At(4.9)));
        Assert.NotNull(placement.PlanExtraReplica(At(5)));
    }

    [Fact]
    public void Fewer_replicas_are_wanted_and_the_least_busy_ones_leave()
    {
        ModelPlacement placement = Place([10, 10], ("a", 5));
        placement.SetReplicas("a", 2, []);
        Replica busy = placement.Use("a");
        placement.Finish(placement.PlanExtraReplica(At(0))!);

        var unload = new List<Replica>();
        placement.SetReplicas("a", 1, unload);

        Assert.Equal(ReplicaState.Unloading, Assert.Single(unload).State);
        Assert.NotSame(busy, unload[0]);
        placement.Unloaded(unload[0]);
        placement.CheckInvariants();
    }

    [Fact]
    public void Unloading_a_busy_model_lets_its_requests_end_and_takes_no_new_ones()
    {
        ModelPlacement placement = Place([10], ("a", 6));
        Replica replica = placement.Use("a");
        var unload = new List<Replica>();

        Assert.False(placement.Unload("a", busyToo: false, unload));
        Assert.False(replica.Leaving);
        Assert.True(placement.Unload("a", busyToo: true, unload));
        Assert.Empty(unload);
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a"));
        Assert.True(placement.Release(replica));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a"));
        placement.Unloaded(replica);
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("a"));
        placement.CheckInvariants();
    }

    [Fact]
    public void A_model_unloaded_while_it_loads_leaves_as_soon_as_it_is_there()
    {
        ModelPlacement placement = Place([10], ("a", 6));
        Replica replica = placement.Acquire("a", At(0)).Replica!;
        placement.Unload("a", busyToo: true, []);

        Assert.True(placement.LoadSucceeded(replica, At(1)));
        Assert.Equal(ReplicaState.Unloading, replica.State);
    }

    [Fact]
    public void Memory_of_the_evicted_is_free_for_others_only_when_they_are_gone()
    {
        ModelPlacement placement = Place([10], ("old", 8), ("new", 3), ("other", 7));
        placement.Touch("old");

        LoadPlan plan = placement.Acquire("new", At(0)).Plan!;

        Assert.Equal(8, placement.UsedBytes(0));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("other"));
        Assert.Throws<InvalidOperationException>(() => placement.LoadSucceeded(plan.Replica, At(0)));
        placement.Unloaded(plan.Evict[0]);
        Assert.Equal(3, placement.UsedBytes(0));
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("other"));
        placement.CheckInvariants();
    }

    [Fact]
    public void Wrong_reports_are_bugs_and_say_so()
    {
        ModelPlacement placement = Place([10], ("a", 6));
        Replica replica = placement.Touch("a");

        Assert.Throws<InvalidOperationException>(() => placement.Release(replica));
        Assert.Throws<InvalidOperationException>(() => placement.Unloaded(replica));
        Assert.Throws<InvalidOperationException>(() => placement.LoadFailed(replica, At(0)));
        Assert.Throws<InvalidOperationException>(() => placement.RemoveModel("a"));
        Assert.Throws<ArgumentException>(() => placement.Acquire("b", At(0)));
        Assert.Throws<ArgumentException>(() => placement.AddModel("a", Need(1)));
        Assert.Throws<ArgumentException>(() => new ModelPlacement([.. Cpus(1), .. Cpus(1)], new PlacementOptions()));
        Assert.Throws<ArgumentOutOfRangeException>(() => placement.AddModel("c", Need(0)));
    }

    [Fact]
    public void A_request_for_a_resident_model_allocates_nothing()
    {
        ModelPlacement placement = Place([10], ("a", 6));
        placement.Touch("a");

        Assert.Equal(0, ThreadAllocations.Least(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                placement.Release(placement.Acquire("a", At(1)).Replica!);
            }
        }));
    }
}
