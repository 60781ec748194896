using HelixFlow.Discovery;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Gateway.Tests.Routing;

/// <summary>How nodes leave: what runs there is not to suffer from it. Streams that lose their node fail here, so that none is lost unseen.</summary>
public sealed class NodeFleetTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ManualTime _time = new();
    private readonly ScriptedDiscovery _discovery = new();
    private readonly ScriptedNode _a = new("a", "m");
    private readonly ScriptedNode _b = new("b", "m");
    private readonly Dictionary<Uri, ScriptedNode> _byAddress;
    private readonly Dictionary<Uri, Transport> _transports = [];
    private readonly Router _router;

    public NodeFleetTests()
    {
        _byAddress = new Dictionary<Uri, ScriptedNode> { [new Uri("http://a")] = _a, [new Uri("http://b")] = _b };
        var options = new RouterOptions { OnNodeLoss = NodeLossPolicy.Fail, Routing = { Policy = RoutingPolicy.LeastLoaded, SlowStart = TimeSpan.Zero } };
        _router = new Router(options, _discovery, Connect, new Random(1), _time, NullLoggerFactory.Instance);
    }

    public ValueTask DisposeAsync() => _router.DisposeAsync();

    [Fact]
    public async Task A_node_that_is_no_longer_named_keeps_its_streams_and_gets_no_new_ones()
    {
        (Task<string> running, TaskCompletionSource go) = await RunOnAAsync();

        _discovery.Name(_b);
        await UntilAsync(() => _router.NodeStates.Any(state => state.NodeId == "b"));
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal("t0 t1 t2 t3 ", await TextAsync());
        }

        Assert.Single(_a.Requests);
        Assert.False(_transports[new Uri("http://a")].IsDisposed);
        go.SetResult();
        Assert.Equal("t0 t1 t2 t3 ", await running.WaitAsync(Patience));
        await UntilAsync(() => _transports[new Uri("http://a")].IsDisposed);
        Assert.DoesNotContain(_router.NodeStates, state => state.NodeId == "a");
    }

    [Fact]
    public async Task A_node_that_is_named_again_while_its_streams_end_is_back()
    {
        (Task<string> running, TaskCompletionSource go) = await RunOnAAsync();
        _discovery.Name(_b);
        await UntilAsync(() => _router.NodeStates.Any(state => state.NodeId == "b"));

        var after = new ScriptedNode("c", "another");
        _byAddress[new Uri("http://c")] = after;
        _discovery.Name(_a, after);
        await UntilAsync(() => _router.NodeStates.Any(state => state.NodeId == "c")); // named behind a: that one is back
        go.SetResult();
        await running.WaitAsync(Patience);

        Assert.Equal("t0 t1 t2 t3 ", await TextAsync());
        Assert.Equal(2, _a.Requests.Count);
        Assert.False(_transports[new Uri("http://a")].IsDisposed);
    }

    [Fact]
    public async Task A_node_that_is_no_longer_named_goes_when_it_is_lost()
    {
        (Task<string> running, _) = await RunOnAAsync();
        _discovery.Name(_b);
        await UntilAsync(() => _router.NodeStates.Any(state => state.NodeId == "b"));

        _a.Vanish();

        Assert.Equal("t0 t1 t2 t3 ", await running.WaitAsync(Patience)); // nothing had been sent yet: the other node answers
        Assert.Single(_b.Requests);
        await UntilAsync(() => _transports[new Uri("http://a")].IsDisposed);
    }

    [Fact]
    public async Task A_node_at_another_address_is_followed_there()
    {
        var moved = new ScriptedNode("a", "m");
        _byAddress[new Uri("http://elsewhere")] = moved;
        _discovery.Name(new NodeAddress("a", new Uri("http://a")));
        await UntilAsync(() => _router.IsReady);

        _discovery.Name(new NodeAddress("a", new Uri("http://elsewhere")));
        await UntilAsync(() => _transports[new Uri("http://a")].IsDisposed && _router.IsReady);

        Assert.Equal("t0 t1 t2 t3 ", await TextAsync());
        Assert.Empty(_a.Requests);
        Assert.Single(moved.Requests);
    }

    [Fact]
    public async Task Answers_of_a_drained_node_that_are_on_their_way_still_arrive()
    {
        (Task<string> running, TaskCompletionSource go) = await RunOnAAsync();
        _a.Report(state => state.Phase = NodePhase.Draining);
        await UntilAsync(() => _router.NodeStates.Any(state => state.Phase == NodePhase.Draining));

        _a.EndReports();
        await UntilAsync(() => _router.NodeStates.Count == 0);
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1)); // it is looked for in vain
        }

        Assert.False(running.IsCompleted);
        go.SetResult();
        Assert.Equal("t0 t1 t2 t3 ", await running.WaitAsync(Patience));
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!holds())
        {
            await Task.Delay(1, patience.Token);
        }
    }

    private NodeTransport Connect(NodeAddress address)
    {
        var transport = new Transport();
        _transports[address.Address] = transport;
        return new NodeTransport(_byAddress[address.Address], transport);
    }

    /// <summary>A stream that runs on node a, the only one so far, and goes on at the signal.</summary>
    private async Task<(Task<string> Running, TaskCompletionSource Go)> RunOnAAsync()
    {
        _discovery.Name(_a);
        await UntilAsync(() => _router.IsReady);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _a.Script = (request, token) => ScriptedNode.Count(request, 4, token).AfterAsync(go.Task.WaitAsync(token));
        Task<string> running = TextAsync();
        await _a.Asked.Task.WaitAsync(Patience);
        return (running, go);
    }

    private async Task<string> TextAsync()
    {
        var text = new System.Text.StringBuilder();
        await foreach (GenerateEvent next in _router.GenerateAsync(new GenerateRequest { RequestId = "r", Model = "m", Text = "prompt", Project = "p" }, CancellationToken.None))
        {
            text.Append(next.Token?.Text);
        }

        return text.ToString();
    }

    private sealed class Transport : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
