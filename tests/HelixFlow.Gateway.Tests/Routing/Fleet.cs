using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Tests.Routing;

/// <summary>Nodes for the tests of routing, as their reports would make them.</summary>
internal sealed class Fleet
{
    public Fleet(RoutingOptions? options = null, int seed = 1)
    {
        Options = options ?? new RoutingOptions { SlowStart = TimeSpan.Zero };
        Table = new NodeTable(Options);
        Picker = new NodePicker(Table, Options, new Random(seed));
    }

    public RoutingOptions Options { get; }

    public NodeTable Table { get; }

    public NodePicker Picker { get; }

    public TimeSpan Now { get; set; } = TimeSpan.FromHours(1);

    /// <summary>A ready, idle node of 16 sequences that has the model.</summary>
    public NodeView Add(string id, string model = "m", ModelReadiness state = ModelReadiness.Resident, long loadBytes = 0, long freeBytes = 0)
    {
        NodeView node = Table.Add(id, Now);
        Report(node, freeBytes: freeBytes);
        Table.ReportModel(node, new ModelReport(model, state, loadBytes));
        return node;
    }

    public void Report(NodeView node, bool ready = true, bool draining = false, int waiting = 0, int running = 0, int freeBlocks = 100, long freeBytes = 0) =>
        node.Report(new NodeReport(ready, draining, new LoadReport(waiting, running, MaxSequences: 16, freeBlocks, TotalBlocks: 100), freeBytes), Now);

    public PickOutcome Pick(string model = "m", ulong[]? chain = null, bool mayLoadElsewhere = false, params NodeView[] excluded) =>
        Picker.Pick(new PickQuery { Model = model, Chain = chain, Excluded = excluded, MayLoadElsewhere = mayLoadElsewhere, Now = Now });

    /// <summary>Picks and begins; there must be a node.</summary>
    public NodeLease Send(string model = "m", ulong[]? chain = null)
    {
        PickOutcome outcome = Pick(model, chain);
        Assert.Equal(PickKind.Picked, outcome.Kind);
        return Table.Begin(outcome.Placement!, chain, Now);
    }
}
