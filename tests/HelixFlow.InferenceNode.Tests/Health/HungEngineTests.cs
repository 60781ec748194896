using System.Threading.Channels;
using HelixFlow.Engine.Cpu;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.TestKit.Clocks;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.InferenceNode.Tests.Health;

/// <summary>A step of the engine does not return: the node must not go on saying that it is well. In virtual time.</summary>
public sealed class HungEngineTests : IAsyncLifetime
{
    private const string Model = "helix-tiny";

    private static readonly TimeSpan Guard = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    private readonly ManualTime _time = new();
    private readonly NodeOptions _options;
    private StuckBackend _backend = null!;
    private Node _node = null!;

    public HungEngineTests()
    {
        _options = new NodeOptions { Models = [new ModelSource(Model, NodeTests.FindModel())], Threads = 1, MaxSequences = 8 };
        _options.CreateBackend = _ => _backend = new StuckBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 }));
    }

    public async ValueTask InitializeAsync()
    {
        _node = new Node(_options, _time, NullLoggerFactory.Instance);
        await _node.LoadAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        _backend.Free();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task A_node_whose_engine_hangs_is_unhealthy_within_the_limit_until_it_goes_on()
    {
        using var stop = new CancellationTokenSource();
        ChannelReader<NodeState> states = Watch(stop.Token);
        int changes = 0;
        _node.PhaseChanged += () => Interlocked.Increment(ref changes);
        _backend.StickAt = _backend.Steps + 10;
        await using IAsyncEnumerator<GenerateEvent> stream = Generate(stop.Token);
        Assert.True(await stream.MoveNextAsync());
        Task rest = Task.Run(async () => Assert.Equal(64u, (await LastAsync(stream)).Usage.CompletionTokens), CancellationToken.None);
        await _backend.Stuck.Task.WaitAsync(Guard, CancellationToken.None);

        TimeSpan passed = await AdvanceUntilAsync(() => _node.Phase == NodePhase.Unhealthy);

        Assert.InRange(passed, LookInterval, _options.HangLimit);
        Assert.Contains(Model, _node.PhaseReason, StringComparison.Ordinal);
        Assert.False(_node.IsReady);
        Assert.True(Volatile.Read(ref changes) > 0);
        NodeState told = await NextAsync(states, state => state.Phase == NodePhase.Unhealthy);
        Assert.Equal(_node.PhaseReason, told.Reason);

        _backend.Free();
        await rest.WaitAsync(Guard, CancellationToken.None);
        await AdvanceUntilAsync(() => _node.Phase == NodePhase.Ready);
        Assert.Empty((await NextAsync(states, state => state.Phase == NodePhase.Ready)).Reason);
        await stop.CancelAsync();
    }

    [Fact]
    public async Task An_engine_that_works_is_never_thought_to_hang()
    {
        _backend.Stick(); // nothing is done before the first look
        await using IAsyncEnumerator<GenerateEvent> stream = Generate(CancellationToken.None);
        Task<GenerateEvent> answer = LastAsync(stream);
        await _backend.Stuck.Task.WaitAsync(Guard);
        await LookAsync();
        Assert.Equal(NodePhase.Ready, _node.Phase);
        _backend.Free();
        while (!answer.IsCompleted)
        {
            long steps = _backend.Steps;
            await LookAsync();
            Assert.Equal(NodePhase.Ready, _node.Phase);
            while (_backend.Steps == steps && !answer.IsCompleted)
            {
                await Task.Yield(); // time stands still until it has done something
            }
        }

        Assert.Equal(64u, (await answer).Usage.CompletionTokens);
    }

    [Fact]
    public async Task An_idle_engine_that_hangs_is_found_by_its_canary()
    {
        _backend.Stick();
        for (TimeSpan idle = TimeSpan.Zero; idle <= _options.CanaryInterval; idle += LookInterval)
        {
            Assert.Equal(NodePhase.Ready, _node.Phase);
            await LookAsync();
        }

        await _backend.Stuck.Task.WaitAsync(Guard);
        TimeSpan passed = await AdvanceUntilAsync(() => _node.Phase == NodePhase.Unhealthy);

        Assert.InRange(passed, LookInterval, _options.HangLimit);
    }

    [Fact]
    public async Task Requests_that_hang_can_still_be_told_to_go_elsewhere()
    {
        _backend.Stick();
        await using IAsyncEnumerator<GenerateEvent> stream = Generate(CancellationToken.None);
        Task<GenerateEvent> answer = LastAsync(stream);
        await _backend.Stuck.Task.WaitAsync(Guard);

        Task draining = _node.DrainAsync(TimeSpan.Zero, CancellationToken.None);

        InferenceException told = await Assert.ThrowsAsync<InferenceException>(() => answer.WaitAsync(Guard));
        Assert.Equal(InferenceError.Unavailable, told.Error);
        await draining.WaitAsync(Guard);
    }

    private static async Task<GenerateEvent> LastAsync(IAsyncEnumerator<GenerateEvent> stream)
    {
        GenerateEvent? last = null;
        while (await stream.MoveNextAsync())
        {
            last = stream.Current;
        }

        return last!;
    }

    private static async Task<NodeState> NextAsync(ChannelReader<NodeState> states, Func<NodeState, bool> condition)
    {
        while (true)
        {
            NodeState state = await states.ReadAsync().AsTask().WaitAsync(Guard);
            if (condition(state))
            {
                return state;
            }
        }
    }

    private IAsyncEnumerator<GenerateEvent> Generate(CancellationToken cancellationToken) =>
        _node.GenerateAsync(new GenerateRequest { Model = Model, Text = "Hello", MaxTokens = 64, IgnoreEos = true }, cancellationToken).GetAsyncEnumerator(cancellationToken);

    /// <summary>The states that a watcher sees; only changes, since its interval is long.</summary>
    private ChannelReader<NodeState> Watch(CancellationToken cancellationToken)
    {
        var states = Channel.CreateUnbounded<NodeState>(); // bounded by the test
        _ = Task.Run(
            async () =>
            {
                await foreach (NodeState state in _node.WatchNodeAsync(new WatchNodeRequest { IntervalMs = 60_000 }, cancellationToken))
                {
                    states.Writer.TryWrite(state);
                }
            },
            CancellationToken.None);
        return states.Reader;
    }

    /// <summary>Lets time pass, look by look; the result is how much.</summary>
    private async Task<TimeSpan> AdvanceUntilAsync(Func<bool> condition)
    {
        TimeSpan passed = TimeSpan.Zero;
        for (int looks = 0; !condition(); looks++)
        {
            Assert.True(looks < 200, "it did not come to that");
            await LookAsync();
            passed += LookInterval;
        }

        return passed;
    }

    /// <summary>Lets the monitor look once.</summary>
    private async Task LookAsync()
    {
        await _time.WaitedForAsync(LookInterval);
        _time.Advance(LookInterval);
        await _time.WaitedForAsync(LookInterval);
    }
}
