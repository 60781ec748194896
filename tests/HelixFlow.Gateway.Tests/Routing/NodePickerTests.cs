using HelixFlow.Gateway.Routing;
using HelixFlow.TestKit.Measures;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class NodePickerTests
{
    private readonly Fleet _fleet = new();

    [Fact]
    public void A_model_that_no_node_knows_has_no_node()
    {
        _fleet.Add("a");

        Assert.Equal(PickKind.NoNodeForModel, _fleet.Pick("other").Kind);
    }

    [Fact]
    public void Resident_comes_before_loading_and_loading_before_loadable()
    {
        NodeView loadable = _fleet.Add("a", state: ModelReadiness.Loadable);
        Assert.Same(loadable, Picked());
        NodeView loading = _fleet.Add("b", state: ModelReadiness.Loading);
        Assert.Same(loading, Picked());
        NodeView resident = _fleet.Add("c");
        _fleet.Report(resident, waiting: 2, running: 16, freeBlocks: 1);
        Assert.Same(resident, Picked());
    }

    [Fact]
    public void Of_nodes_that_would_load_it_the_one_with_least_to_load_is_taken_then_the_one_with_most_free_memory()
    {
        _fleet.Add("a", state: ModelReadiness.Loadable, loadBytes: 100, freeBytes: 1000);
        _fleet.Add("b", state: ModelReadiness.Loadable, loadBytes: 50, freeBytes: 500);
        NodeView best = _fleet.Add("c", state: ModelReadiness.Loadable, loadBytes: 50, freeBytes: 600);

        for (int round = 0; round < 20; round++)
        {
            Assert.Same(best, Picked());
        }
    }

    [Fact]
    public void Where_no_node_has_room_the_one_whose_idle_models_were_used_least_makes_room()
    {
        NodeView popular = Full("a", "x");
        NodeView seldom = Full("b", "y");
        NodeView busy = Full("c", "z");
        Use("x", 5);
        Use("y", 2);
        _fleet.Send("z");

        Assert.Same(seldom, Picked());
        _fleet.Now += 20 * _fleet.Options.UseHalfLife;
        Use("y", 1);
        Assert.Same(popular, Picked());
        Assert.Equal(1, busy.Load.InFlight);

        void Use(string model, int times)
        {
            for (int at = 0; at < times; at++)
            {
                _fleet.Table.End(_fleet.Send(model), NodeResult.Succeeded, _fleet.Now);
            }
        }
    }

    [Fact]
    public void A_model_that_must_stay_makes_no_room()
    {
        Full("a", "x", evictable: false);
        NodeView other = Full("b", "y");
        _fleet.Table.End(_fleet.Send("y"), NodeResult.Succeeded, _fleet.Now);

        Assert.Same(other, Picked());
    }

    [Fact]
    public void A_node_that_could_never_hold_the_model_comes_last_however_much_is_free()
    {
        NodeView small = _fleet.Add("a", state: ModelReadiness.Loadable, loadBytes: 50);
        small.Report(new NodeReport(true, false, default, FreeBytes: 40, LargestModelBytes: 40), _fleet.Now);
        NodeView large = Full("b", "x");
        large.Report(new NodeReport(true, false, default, FreeBytes: 0, LargestModelBytes: 80), _fleet.Now);

        Assert.Same(large, Picked());
        Assert.Same(small, _fleet.Pick(excluded: large).Placement!.Node);
    }

    /// <summary>A node without room that has another model.</summary>
    private NodeView Full(string id, string resident, bool evictable = true)
    {
        NodeView node = _fleet.Add(id, state: ModelReadiness.Loadable, loadBytes: 50);
        _fleet.Table.ReportModel(node, new ModelReport(
            resident, ModelReadiness.Resident, 0, new LoadReport(0, 0, MaxSequences: 16, FreeBlocks: 0, TotalBlocks: 0), evictable ? 60 : 0));
        return node;
    }

    [Fact]
    public void The_longest_matching_prefix_wins_while_loads_are_alike()
    {
        ulong[] chain = [.. Enumerable.Range(1, 20).Select(at => (ulong)at)];
        _fleet.Add("a");
        NodeView most = _fleet.Add("b");
        NodeView some = _fleet.Add("c");
        most.Prefixes.Add(chain.AsSpan(0, 15));
        some.Prefixes.Add(chain.AsSpan(0, 10));

        PickOutcome outcome = _fleet.Pick(chain: chain);

        Assert.Same(most, outcome.Placement!.Node);
        Assert.Equal(15, outcome.MatchedBlocks);
    }

    [Fact]
    public void A_matching_prefix_does_not_outweigh_a_long_queue()
    {
        ulong[] chain = [.. Enumerable.Range(1, 20).Select(at => (ulong)at)];
        NodeView hot = _fleet.Add("a");
        NodeView idle = _fleet.Add("b");
        hot.Prefixes.Add(chain);

        _fleet.Report(hot, running: 8, freeBlocks: 70);
        Assert.Same(hot, Picked(chain));
        _fleet.Report(hot, waiting: 2, running: 16, freeBlocks: 40);
        Assert.Same(idle, Picked(chain));
    }

    [Fact]
    public void A_match_of_a_short_prompt_weighs_little()
    {
        NodeView holds = _fleet.Add("a");
        NodeView idle = _fleet.Add("b");
        holds.Prefixes.Add([1]);
        _fleet.Report(holds, running: 8);

        Assert.Same(idle, Picked([1]));
    }

    [Fact]
    public void Free_kv_blocks_decide_between_equal_queues()
    {
        NodeView tight = _fleet.Add("a");
        NodeView roomy = _fleet.Add("b");
        _fleet.Report(tight, freeBlocks: 20);
        _fleet.Report(roomy, freeBlocks: 90);

        Assert.Same(roomy, Picked());
    }

    [Fact]
    public void A_burst_between_two_reports_spreads_evenly()
    {
        var nodes = Enumerable.Range(0, 8).Select(at => _fleet.Add($"n{at}")).ToList();

        for (int request = 0; request < 80; request++)
        {
            _fleet.Send();
        }

        Assert.All(nodes, node => Assert.InRange(node.Load.InFlight, 8, 12));
    }

    [Fact]
    public void Prompts_that_share_a_beginning_follow_each_other_and_overflow_when_the_node_fills()
    {
        ulong[] chain = [.. Enumerable.Range(1, 32).Select(at => (ulong)at)];
        _fleet.Add("a");
        _fleet.Add("b");

        NodeView first = _fleet.Send(chain: chain).Placement.Node;
        for (int request = 0; request < 8; request++)
        {
            Assert.Same(first, _fleet.Send(chain: chain).Placement.Node);
        }

        for (int request = 0; request < 20; request++)
        {
            _fleet.Send(chain: chain);
        }

        Assert.All(_fleet.Table.Nodes, node => Assert.InRange(node.Load.InFlight, 9, 20));
    }

    [Fact]
    public void Nodes_that_are_not_ready_drain_fail_or_were_tried_are_left_out_and_named()
    {
        NodeView starting = _fleet.Add("a");
        _fleet.Report(starting, ready: false);
        NodeView draining = _fleet.Add("b");
        _fleet.Report(draining, draining: true);
        NodeView failing = _fleet.Add("c");
        for (int at = 0; at < _fleet.Options.Circuit.ConsecutiveFailures; at++)
        {
            failing.Circuit.Record(failing.Circuit.Started(_fleet.Now), NodeResult.Failed, _fleet.Now);
        }

        NodeView tried = _fleet.Add("d");

        PickOutcome outcome = _fleet.Pick(excluded: tried);
        Assert.Equal(PickKind.NoneReady, outcome.Kind);
        Assert.Equal("4 nodes: 1 not ready, 1 draining, 1 failing, 1 tried already", outcome.Facts.ToString());
        Assert.Same(tried, Picked());
    }

    [Fact]
    public void When_all_that_could_are_full_they_are_busy()
    {
        NodeView node = _fleet.Add("a");
        _fleet.Report(node, waiting: _fleet.Options.QueuePerNode, running: 16);
        NodeView draining = _fleet.Add("b");
        _fleet.Report(draining, draining: true);

        PickOutcome outcome = _fleet.Pick();

        Assert.Equal(PickKind.AllBusy, outcome.Kind);
        Assert.Equal("2 nodes: 1 draining, 1 full", outcome.Facts.ToString());
    }

    [Fact]
    public void A_full_model_is_loaded_elsewhere_only_when_the_request_may()
    {
        NodeView full = _fleet.Add("a");
        _fleet.Report(full, waiting: _fleet.Options.QueuePerNode, running: 16);
        NodeView spare = _fleet.Add("b", state: ModelReadiness.Loadable, loadBytes: 1);

        Assert.Equal(PickKind.AllBusy, _fleet.Pick().Kind);
        Assert.Same(spare, _fleet.Pick(mayLoadElsewhere: true).Placement!.Node);
    }

    [Fact]
    public void A_model_whose_only_node_fails_is_loaded_elsewhere()
    {
        NodeView lost = _fleet.Add("a");
        NodeView spare = _fleet.Add("b", state: ModelReadiness.Loadable, loadBytes: 1);
        lost.Lost();

        Assert.Same(spare, Picked());
    }

    [Fact]
    public void Requests_for_a_sleeping_model_follow_the_first_one_and_do_not_wake_it_everywhere()
    {
        NodeView first = _fleet.Add("a", state: ModelReadiness.Loadable, loadBytes: 10, freeBytes: 100);
        _fleet.Add("b", state: ModelReadiness.Loadable, loadBytes: 10, freeBytes: 90);

        NodeLease lease = _fleet.Send();
        Assert.Same(first, lease.Placement.Node);
        Assert.Equal(90, first.FreeBytes);

        // A report that was written before the request came does not undo it.
        _fleet.Table.ReportModel(first, new ModelReport("m", ModelReadiness.Loadable, 10));
        Assert.Same(first, _fleet.Send().Placement.Node);
    }

    [Fact]
    public void Models_that_wake_together_spread_over_the_memory()
    {
        for (int at = 0; at < 4; at++)
        {
            NodeView node = _fleet.Table.Add($"n{at}", _fleet.Now);
            _fleet.Report(node, freeBytes: 100);
            _fleet.Table.ReportModels(node, [.. Enumerable.Range(0, 8).Select(model => new ModelReport($"m{model}", ModelReadiness.Loadable, 40))]);
        }

        for (int model = 0; model < 8; model++)
        {
            _fleet.Send($"m{model}");
        }

        Assert.All(_fleet.Table.Nodes, node => Assert.Equal(20, node.FreeBytes));
    }

    [Fact]
    public void A_half_open_node_gets_one_probe()
    {
        NodeView only = _fleet.Add("a");
        for (int at = 0; at < _fleet.Options.Circuit.ConsecutiveFailures; at++)
        {
            _fleet.Table.End(_fleet.Send(), NodeResult.Failed, _fleet.Now);
        }

        Assert.Equal(PickKind.NoneReady, _fleet.Pick().Kind);
        _fleet.Now += _fleet.Options.Circuit.OpenFor;
        NodeLease probe = _fleet.Send();
        Assert.Equal(PickKind.NoneReady, _fleet.Pick().Kind);
        _fleet.Table.End(probe, NodeResult.Succeeded, _fleet.Now);

        Assert.Same(only, Picked());
    }

    [Fact]
    public void A_newcomer_takes_more_as_it_ages()
    {
        var fleet = new Fleet(new RoutingOptions { SlowStart = TimeSpan.FromSeconds(10) });
        NodeView[] old = [fleet.Add("a"), fleet.Add("b")];
        fleet.Now += TimeSpan.FromMinutes(1);
        Array.ForEach(old, node => fleet.Report(node, running: 8));
        NodeView newcomer = fleet.Add("new");

        int previous = 0;
        foreach (double age in new[] { 0, 2.5, 5, 10 })
        {
            fleet.Now = newcomer.ReadySince + TimeSpan.FromSeconds(age);
            while (fleet.Pick().Placement!.Node == newcomer)
            {
                fleet.Send();
            }

            Assert.InRange(newcomer.Load.InFlight, previous + 1, age < 10 ? (int)(age) + 2 : 12);
            previous = newcomer.Load.InFlight;
        }
    }

    [Fact]
    public void A_node_that_was_away_counts_as_a_newcomer_again()
    {
        var fleet = new Fleet(new RoutingOptions { SlowStart = TimeSpan.FromSeconds(10) });
        NodeView node = fleet.Add("a");
        fleet.Now += TimeSpan.FromMinutes(1);
        Assert.Equal(1, node.Share(fleet.Now, fleet.Options.SlowStart));
        node.Lost();
        fleet.Report(node);

        Assert.Equal(0.1, node.Share(fleet.Now, fleet.Options.SlowStart));
        Assert.Equal(0.5, node.Share(fleet.Now + TimeSpan.FromSeconds(5), fleet.Options.SlowStart));
    }

    [Fact]
    public void Ties_are_broken_evenly()
    {
        for (int at = 0; at < 5; at++)
        {
            _fleet.Add($"n{at}");
        }

        IEnumerable<int> counts = Enumerable.Range(0, 5000).Select(_ => Picked().Id).CountBy(id => id).Select(pair => pair.Value);

        Assert.Equal(5, counts.Count());
        Assert.All(counts, count => Assert.InRange(count, 800, 1200)); // 1000 ± seven standard deviations
    }

    [Fact]
    public void Of_two_that_are_about_as_good_the_less_loaded_is_taken()
    {
        var fleet = new Fleet(new RoutingOptions { SlowStart = TimeSpan.Zero, TieMargin = 1 });
        NodeView[] nodes = [.. Enumerable.Range(0, 3).Select(at => fleet.Add($"n{at}"))];
        for (int at = 0; at < 3; at++)
        {
            fleet.Report(nodes[at], running: 5 * at);
        }

        List<NodeView> picked = [.. Enumerable.Range(0, 3000).Select(_ => fleet.Pick().Placement!.Node)];

        // Of the three pairs the most loaded wins none, the least loaded two.
        Assert.DoesNotContain(nodes[2], picked);
        Assert.InRange(picked.Count(node => node == nodes[0]), 1850, 2150); // 2000 ± six standard deviations
    }

    [Fact]
    public void Round_robin_takes_each_in_turn()
    {
        var fleet = new Fleet(new RoutingOptions { Policy = RoutingPolicy.RoundRobin });
        for (int at = 0; at < 4; at++)
        {
            fleet.Add($"n{at}");
        }

        List<string> turns = [.. Enumerable.Range(0, 12).Select(_ => fleet.Pick().Placement!.Node.Id)];

        Assert.Equal(4, turns.Take(4).Distinct().Count());
        Assert.Equal(turns.Take(8), turns.Skip(4));
    }

    [Fact]
    public void Least_loaded_ignores_prefixes_and_random_ignores_loads()
    {
        foreach (RoutingPolicy policy in new[] { RoutingPolicy.LeastLoaded, RoutingPolicy.Random })
        {
            var fleet = new Fleet(new RoutingOptions { Policy = policy });
            NodeView busy = fleet.Add("a");
            NodeView idle = fleet.Add("b");
            fleet.Now += TimeSpan.FromMinutes(1);
            fleet.Report(busy, running: 1);
            busy.Prefixes.Add([1, 2, 3, 4, 5, 6, 7, 8]);

            List<NodeView> picked = [.. Enumerable.Range(0, 200).Select(_ => fleet.Pick(chain: [1, 2, 3, 4, 5, 6, 7, 8]).Placement!.Node)];

            Assert.Contains(idle, picked);
            Assert.Equal(policy == RoutingPolicy.Random, picked.Contains(busy));
        }
    }

    [Fact]
    public void The_load_of_the_models_own_engine_counts_where_it_is_reported()
    {
        NodeView quiet = _fleet.Add("a");
        NodeView loud = _fleet.Add("b");
        _fleet.Report(quiet, running: 12);
        _fleet.Table.ReportModel(quiet, new ModelReport("m", ModelReadiness.Resident, Load: new LoadReport(0, 1, 8, 50, 50)));
        _fleet.Table.ReportModel(loud, new ModelReport("m", ModelReadiness.Resident, Load: new LoadReport(3, 7, 8, 10, 50)));

        Assert.Same(quiet, Picked());
    }

    [Fact]
    public void A_pick_among_hundreds_of_nodes_and_thousands_of_models_allocates_nothing()
    {
        var models = Enumerable.Range(0, 2000).Select(model => new ModelReport($"m{model}", ModelReadiness.Loadable, 1)).ToArray();
        ulong[] chain = [.. Enumerable.Range(1, 512).Select(at => (ulong)at)];
        for (int at = 0; at < 300; at++)
        {
            NodeView node = _fleet.Table.Add($"n{at}", _fleet.Now);
            _fleet.Report(node, running: at % 7);
            _fleet.Table.ReportModels(node, models);
            _fleet.Table.ReportModel(node, new ModelReport("m1000", ModelReadiness.Resident));
            node.Prefixes.Add(chain.AsSpan(0, at));
        }

        Picked(chain, "m1000");
        Picked(chain, "m1");
        PickOutcome outcome = default;

        Assert.Equal(0, ThreadAllocations.Least(() =>
        {
            var query = new PickQuery { Model = "m1000", Chain = chain, Now = _fleet.Now };
            for (int round = 0; round < 20; round++)
            {
                outcome = _fleet.Picker.Pick(query);
            }
        }));
        Assert.InRange(outcome.MatchedBlocks, 250, 299);
    }

    [Theory]
    [InlineData(RoutingPolicy.Prefix)]
    [InlineData(RoutingPolicy.LeastLoaded)]
    [InlineData(RoutingPolicy.RoundRobin)]
    [InlineData(RoutingPolicy.Random)]
    public void Whatever_is_reported_only_nodes_that_can_are_picked(RoutingPolicy policy)
    {
        var random = new Random(79);
        var fleet = new Fleet(new RoutingOptions { Policy = policy }, seed: 3);
        var leases = new List<NodeLease>();
        for (int step = 0; step < 20_000; step++)
        {
            fleet.Now += TimeSpan.FromMilliseconds(random.Next(200));
            string id = $"n{random.Next(12)}";
            string model = $"m{random.Next(4)}";
            if (!fleet.Table.TryGet(id, out NodeView? node))
            {
                node = fleet.Table.Add(id, fleet.Now);
            }

            switch (random.Next(10))
            {
                case 0 when random.Next(10) == 0:
                    fleet.Table.Remove(node);
                    break;
                case 1:
                    fleet.Report(node, random.Next(5) > 0, random.Next(8) == 0, random.Next(8), random.Next(17), random.Next(101), random.Next(100));
                    break;
                case 2:
                    LoadReport? own = random.Next(2) == 0 ? new LoadReport(random.Next(4), random.Next(9), 8, 10, 20) : null;
                    fleet.Table.ReportModel(node, new ModelReport(model, (ModelReadiness)random.Next(4), random.Next(3), own));
                    break;
                case 3 when random.Next(4) == 0:
                    fleet.Table.ReportModels(node, [new ModelReport(model, (ModelReadiness)random.Next(4), random.Next(3))]);
                    break;
                case 4 or 5 when leases.Count > 0:
                    int at = random.Next(leases.Count);
                    fleet.Table.End(leases[at], (NodeResult)random.Next(3), fleet.Now);
                    leases.RemoveAt(at);
                    break;
                default:
                    NodeView[] excluded = [.. fleet.Table.Nodes.Where(_ => random.Next(4) == 0)];
                    PickOutcome outcome = fleet.Pick(model, [1, 2, 3], random.Next(2) == 0, excluded);
                    Check(fleet, outcome, model, excluded);
                    if (outcome.Placement is { } placement)
                    {
                        leases.Add(fleet.Table.Begin(placement, [1, 2, 3], fleet.Now));
                    }

                    break;
            }

            Assert.Equal(leases.Count, fleet.Table.InFlight);
        }

        leases.ForEach(lease => fleet.Table.End(lease, NodeResult.Neutral, fleet.Now));
        Assert.All(fleet.Table.Nodes, node => Assert.Equal(0, node.Load.InFlight));
        Assert.All(fleet.Table.Nodes, node => Assert.All(node.Models.Values, placement => Assert.Equal(0, placement.InFlight + placement.Load.InFlight)));
        Assert.All(fleet.Table.Nodes, node => Assert.Equal(node.ReportedFreeBytes, node.FreeBytes));
    }

    private static void Check(Fleet fleet, PickOutcome outcome, string model, NodeView[] excluded)
    {
        List<ModelPlacement> known = [.. fleet.Table.Nodes.SelectMany(node => node.Models.Values).Where(placement => placement.Model == model)];
        List<ModelPlacement> able = [.. known.Where(each => each.Node.Ready && !each.Node.Draining && each.Node.Circuit.Admits(fleet.Now) && !excluded.Contains(each.Node))];
        bool HasRoom(ModelPlacement each) => each.Load.Sequences < each.Load.MaxSequences + fleet.Options.QueuePerNode;
        switch (outcome.Kind)
        {
            case PickKind.Picked:
                Assert.Contains(outcome.Placement, able);
                ModelReadiness best = able.Where(each => each.State == ModelReadiness.Loadable || HasRoom(each)).Max(each => each.State);
                Assert.Equal(best, outcome.Placement!.State);
                Assert.True(outcome.Placement.State == ModelReadiness.Loadable || HasRoom(outcome.Placement));
                break;
            case PickKind.AllBusy:
                Assert.DoesNotContain(able, each => each.State != ModelReadiness.Loadable && HasRoom(each));
                Assert.Contains(able, each => !HasRoom(each));
                break;
            case PickKind.NoneReady:
                Assert.NotEmpty(known);
                Assert.Empty(able);
                break;
            case PickKind.NoNodeForModel:
                Assert.Empty(known);
                break;
        }
    }

    private NodeView Picked(ulong[]? chain = null, string model = "m")
    {
        PickOutcome outcome = _fleet.Pick(model, chain);
        Assert.Equal(PickKind.Picked, outcome.Kind);
        return outcome.Placement!.Node;
    }
}
