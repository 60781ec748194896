using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class SequenceLoadTests
{
    private readonly SequenceLoad _load = new(inFlight: 0);

    [Fact]
    public void Requests_since_the_report_are_added_to_what_others_sent()
    {
        _load.Report(Report(waiting: 1, running: 5));

        _load.Started();
        _load.Started();

        Assert.Equal(8, _load.Sequences);
        Assert.Equal(2, _load.InFlight);
    }

    [Fact]
    public void Requests_that_end_are_taken_off_the_report()
    {
        _load.Started();
        _load.Started();
        _load.Report(Report(waiting: 0, running: 5));

        _load.Ended();

        Assert.Equal(4, _load.Sequences);
    }

    [Fact]
    public void A_report_that_was_written_before_a_request_came_does_not_hide_it()
    {
        _load.Started();
        _load.Started();
        _load.Report(Report(waiting: 0, running: 0));

        Assert.Equal(2, _load.Sequences);
    }

    [Fact]
    public void What_the_node_does_not_say_counts_as_room()
    {
        Assert.Equal(1, _load.FreeKvShare);
        Assert.Equal(1, _load.MaxSequences);
        _load.Report(new LoadReport(0, 0, 8, FreeBlocks: 30, TotalBlocks: 40));
        Assert.Equal(0.75, _load.FreeKvShare);
    }

    [Fact]
    public void The_count_of_one_that_is_reported_late_begins_with_what_is_there()
    {
        var late = new SequenceLoad(inFlight: 2);

        late.Ended();
        late.Ended();

        Assert.Equal(0, late.InFlight);
    }

    private static LoadReport Report(int waiting, int running) => new(waiting, running, MaxSequences: 16, FreeBlocks: 1, TotalBlocks: 1);
}
