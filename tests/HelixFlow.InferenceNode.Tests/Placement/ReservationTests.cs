using HelixFlow.InferenceNode.Placement;
using static HelixFlow.InferenceNode.Tests.Placement.PlacementKit;

namespace HelixFlow.InferenceNode.Tests.Placement;

public sealed class ReservationTests
{
    [Fact]
    public void After_its_patience_a_waiting_model_turns_requests_away_from_what_is_in_its_way()
    {
        ModelPlacement placement = Place([10], ("a", 5), ("b", 5), ("big", 10));
        Replica a = placement.Use("a");
        Replica b = placement.Use("b");
        Assert.Equal(AcquireStatus.Busy, placement.Ask("big", 0));

        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 1.9));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a", 2));
        placement.Release(a);
        placement.Release(a);
        Assert.Equal(AcquireStatus.Busy, placement.Ask("big", 2.1));
        placement.Release(b);
        AcquireOutcome big = placement.Acquire("big", At(2.2));

        Assert.Equal(AcquireStatus.StartLoad, big.Status);
        Assert.Equal(["a", "b"], big.Plan!.Evict.Select(replica => replica.Model).Order(StringComparer.Ordinal));
        placement.CheckInvariants();
    }

    [Fact]
    public void Only_what_is_in_the_way_is_closed()
    {
        ModelPlacement placement = Place([10], ("a", 5), ("b", 5), ("c", 5));
        placement.Use("a");
        placement.Use("b");
        placement.Use("b");
        Assert.Equal(AcquireStatus.Busy, placement.Ask("c", 0));

        Assert.Equal(AcquireStatus.Busy, placement.Ask("a", 3));
        Assert.Equal(AcquireStatus.Resident, placement.Ask("b", 3));
    }

    [Fact]
    public void Others_go_to_another_device_meanwhile()
    {
        ModelPlacement placement = Place([10, 4], ("a", 4), ("b", 10), ("c", 4));
        placement.Touch("c"); // on cpu:1
        Replica a = placement.Use("a"); // on cpu:0
        Assert.Equal("cpu:0", a.Device.Id);
        placement.Ask("b", 0);

        AcquireOutcome outcome = placement.Acquire("a", At(3));

        Assert.Equal((AcquireStatus.StartLoad, "cpu:1"), (outcome.Status, outcome.Replica!.Device.Id));
        Assert.Equal(["c"], outcome.Plan!.Evict.Select(replica => replica.Model));
    }

    [Fact]
    public void Room_that_the_waiting_model_does_not_need_stays_open()
    {
        ModelPlacement placement = Place([10], ("a", 5), ("b", 7), ("two", 2), ("three", 3), ("four", 4));
        placement.Use("a");
        Assert.Equal(AcquireStatus.Busy, placement.Ask("b", 0));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("b", 3)); // b reserves: it takes a's five bytes and two of the five free ones.

        Assert.Equal(AcquireStatus.Busy, placement.Ask("four", 3));
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("three", 3));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("two", 3));
    }

    [Fact]
    public void A_model_may_serve_for_as_long_as_its_loading_took()
    {
        ModelPlacement placement = Place([10], ("a", 10), ("b", 10));
        LoadPlan plan = placement.Acquire("a", At(0)).Plan!;
        Assert.Equal(AcquireStatus.Busy, placement.Ask("b", 0));
        placement.Finish(plan, seconds: 10);

        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 10));
        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 19.9));
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a", 20));
    }

    [Fact]
    public void When_nobody_waits_any_more_the_device_is_open_again()
    {
        ModelPlacement placement = Place([10], ("a", 10), ("b", 10));
        placement.Use("a");
        placement.Ask("b", 0);
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a", 3));
        long before = placement.Changes;

        placement.StopWaiting("b");

        Assert.True(placement.Changes > before);
        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 3));
    }

    [Fact]
    public void Pinning_what_is_in_the_way_ends_the_reservation()
    {
        ModelPlacement placement = Place([10], ("a", 10), ("b", 10));
        placement.Use("a");
        placement.Ask("b", 0);
        placement.Ask("b", 3);

        placement.Pin("a");

        placement.CheckInvariants();
        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 3));
        Assert.Equal(AcquireStatus.Impossible, placement.Ask("b", 3));
    }

    [Fact]
    public void Each_device_is_reserved_once_and_the_longest_waiting_comes_first()
    {
        ModelPlacement placement = Place([10], ("a", 10), ("b", 10), ("c", 10));
        Replica a = placement.Use("a");
        placement.Ask("b", 0);
        placement.Ask("c", 0.1);
        placement.Ask("a", 5); // reserves for b
        placement.Release(a);

        Assert.Equal(AcquireStatus.Busy, placement.Ask("c", 5));
        Assert.Equal(AcquireStatus.StartLoad, placement.Ask("b", 5));
        placement.CheckInvariants();
    }

    [Fact]
    public void A_model_does_not_reserve_the_device_on_which_it_is()
    {
        ModelPlacement placement = Place([10], ("a", 6), ("b", 6), ("c", 4));
        Replica a = placement.Use("a");
        placement.Ask("b", 0);
        Assert.Equal(AcquireStatus.Busy, placement.Ask("a", 3)); // b has reserved, so a waits.
        placement.StopWaiting("b");
        placement.Release(a);

        placement.Ask("c", 6); // By now a has waited for long, but its replica is open again.

        placement.CheckInvariants();
        Assert.Equal(AcquireStatus.Resident, placement.Ask("a", 6));
    }
}
