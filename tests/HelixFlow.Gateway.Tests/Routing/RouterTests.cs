using System.Runtime.CompilerServices;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class RouterTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ManualTime _time = new();
    private readonly ScriptedDiscovery _discovery = new();
    private readonly RouterOptions _options = new() { Routing = { Policy = RoutingPolicy.LeastLoaded, QueuePerNode = 0, SlowStart = TimeSpan.Zero } };
    private readonly ScriptedNode _a = new("a", "m");
    private readonly ScriptedNode _b = new("b", "m");
    private Router? _router;

    [Fact]
    public async Task A_request_is_answered_by_a_node_that_has_the_model()
    {
        var other = new ScriptedNode("c", "another");
        await StartAsync(_a, other);

        Assert.Equal("t0 t1 t2 t3 ", await TextAsync(Request()));
        Assert.Empty(other.Requests);
    }

    [Fact]
    public async Task Requests_without_a_seed_get_different_ones_but_in_the_deterministic_mode_the_same()
    {
        await StartAsync(_a);
        await TextAsync(Request());
        await TextAsync(Request());
        _options.Deterministic = true;
        await TextAsync(Request());
        await TextAsync(Request());

        long[] seeds = [.. _a.Requests.Select(request => request.Sampling.Seed)];
        Assert.NotEqual(seeds[0], seeds[1]);
        Assert.Equal([0, 0], seeds[2..]);
    }

    [Fact]
    public async Task A_model_that_no_node_has_is_not_found()
    {
        await StartAsync(_a);

        var refusal = await Assert.ThrowsAsync<InferenceException>(() => TextAsync(Request(model: "absent")));

        Assert.Equal(InferenceError.ModelNotFound, refusal.Error);
    }

    [Fact]
    public async Task Without_any_node_the_answer_is_that_none_is_ready()
    {
        _router = Create();

        var refusal = await Assert.ThrowsAsync<InferenceException>(() => TextAsync(Request()));

        Assert.Equal(InferenceError.Unavailable, refusal.Error);
        Assert.NotNull(refusal.RetryAfter);
    }

    [Fact]
    public async Task A_request_that_fails_before_its_first_token_is_tried_elsewhere()
    {
        await StartAsync(_a, _b);
        _a.Script = _b.Script = FailFirst(InferenceError.Unavailable);

        Assert.Equal("t0 t1 t2 t3 ", await TextAsync(Request()));
        Assert.Equal(1, _router!.Counters.Retries);
        Assert.Single(_a.Requests);
        Assert.Single(_b.Requests);
        Assert.Empty(_a.Requests.Concat(_b.Requests).Last().Resume);
    }

    [Fact]
    public async Task A_request_that_is_refused_for_its_own_fault_is_not_tried_elsewhere()
    {
        await StartAsync(_a, _b);
        _a.Script = _b.Script = FailFirst(InferenceError.ContextLengthExceeded);

        var refusal = await Assert.ThrowsAsync<InferenceException>(() => TextAsync(Request()));

        Assert.Equal(InferenceError.ContextLengthExceeded, refusal.Error);
        Assert.Single(_a.Requests.Concat(_b.Requests));
    }

    [Fact]
    public async Task A_stream_whose_node_fails_goes_on_elsewhere_after_the_tokens_so_far()
    {
        await StartAsync(_a, _b);
        _a.Script = _b.Script = FailAfter(tokens: 2);

        List<GenerateEvent> events = await CollectAsync(Request());

        Assert.Equal("t0 t1 t2 t3 ", Text(events));
        Assert.Single(events, next => next.Prompt is not null);
        Assert.Equal(4u, events[^1].Usage.CompletionTokens);
        Assert.Equal(3u, events[^1].Usage.PromptTokens);
        GenerateRequest second = _a.Requests.Concat(_b.Requests).Single(request => request.Resume.Count > 0);
        Assert.Equal([0, 1], second.Resume.Single().TokenIds);
        Assert.Equal(1, _router!.Counters.Migrations);
    }

    [Fact]
    public async Task Only_the_choices_that_have_not_ended_go_on_elsewhere()
    {
        await StartAsync(_a, _b);
        int calls = 0;
        _a.Script = _b.Script = (request, token) => Interlocked.Increment(ref calls) == 1 ? OneChoiceThenFail() : ScriptedNode.Count(request, 4, token);

        List<GenerateEvent> events = await CollectAsync(Request(n: 2));

        ResumedChoice resumed = _a.Requests.Concat(_b.Requests).Single(request => request.Resume.Count > 0).Resume.Single();
        Assert.Equal((1u, 1), (resumed.Choice, resumed.TokenIds.Count));
        Assert.Equal("x", Text(events, choice: 0));
        Assert.Equal("t0 t1 t2 t3 ", Text(events, choice: 1));
        Assert.Equal(2, events.Count(next => next.Finish is not null));
        Assert.Equal(1u + 4u, events[^1].Usage.CompletionTokens);

        static async IAsyncEnumerable<GenerateEvent> OneChoiceThenFail()
        {
            yield return ScriptedPool.Prompt();
            yield return new GenerateEvent { Token = new TokenChunk { Choice = 0, Text = "x", TokenIds = { 9 } } };
            yield return new GenerateEvent { Finish = new Finish { Choice = 0, Reason = FinishReason.Stop, GeneratedTokens = 1 } };
            yield return ScriptedNode.Token(1, 0);
            await Task.Yield();
            throw new InferenceException(InferenceError.Unavailable, "gone");
        }
    }

    [Fact]
    public async Task A_stream_that_lacks_only_its_usage_is_complete()
    {
        await StartAsync(_a);
        _a.Script = (request, token) => ScriptedNode.Count(request, 2, token).TakeWhileAsync(next => next.Usage is null, thenFail: true);

        List<GenerateEvent> events = await CollectAsync(Request());

        Assert.Equal(2u, events[^1].Usage.CompletionTokens);
        Assert.Single(_a.Requests);
    }

    [Fact]
    public async Task A_stream_ends_with_an_error_where_migrating_is_turned_off()
    {
        _options.OnNodeLoss = NodeLossPolicy.Fail;
        await StartAsync(_a, _b);
        _a.Script = _b.Script = FailAfter(tokens: 2);
        var events = new List<GenerateEvent>();

        var failure = await Assert.ThrowsAsync<InferenceException>(() => CollectAsync(Request(), events));

        Assert.Equal(InferenceError.Unavailable, failure.Error);
        Assert.Equal("t0 t1 ", Text(events));
        Assert.Single(_a.Requests.Concat(_b.Requests));
    }

    [Fact]
    public async Task A_request_is_given_up_after_the_configured_attempts()
    {
        _options.MaxAttempts = 2;
        await StartAsync(_a, _b, new ScriptedNode("c", "m"));
        int calls = 0;
        foreach (ScriptedNode node in _nodes)
        {
            node.Script = (_, _) => Fail(ref calls);
        }

        await Assert.ThrowsAsync<InferenceException>(() => TextAsync(Request()));

        Assert.Equal(2, calls);

        static IAsyncEnumerable<GenerateEvent> Fail(ref int calls)
        {
            calls++;
            throw new InferenceException(InferenceError.Unavailable, "no");
        }
    }

    [Fact]
    public async Task A_draining_node_keeps_its_streams_and_gets_no_new_ones()
    {
        await StartAsync(_a);
        var go = new TaskCompletionSource();
        _a.Script = (request, token) => ScriptedNode.Count(request, 4, token).AfterAsync(go.Task);
        Task<string> running = TextAsync(Request());
        await _a.Asked.Task.WaitAsync(Patience);

        _discovery.Name(_a, _b);
        await UntilAsync(() => _router!.NodeStates.Count == 2);
        _a.Report(state => state.Phase = NodePhase.Draining);
        await UntilAsync(() => _router!.NodeStates.Any(state => state.Phase == NodePhase.Draining));
        for (int i = 0; i < 5; i++)
        {
            await TextAsync(Request());
        }

        go.SetResult();
        Assert.Equal("t0 t1 t2 t3 ", await running.WaitAsync(Patience));
        Assert.Single(_a.Requests);
        Assert.Equal(5, _b.Requests.Count);
    }

    [Fact]
    public async Task A_node_that_falls_silent_is_lost_and_its_streams_go_on_elsewhere()
    {
        await StartAsync(_a);
        _a.Script = Hang;
        var events = new List<GenerateEvent>();
        Task running = CollectAsync(Request(), events);
        await UntilAsync(() => events.Count == 2); // with its first token: what goes on has begun
        _discovery.Name(_a, _b);
        await UntilAsync(() => _router!.NodeStates.Count == 2);

        // b keeps reporting, a does not.
        _a.IsFrozen = true;
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(500));
            _b.Report(_ => { });
            await UntilAsync(() => _router!.NodeStates.Any(state => state.NodeId == "b" && state.Revision > (ulong)i));
        }

        await running.WaitAsync(Patience);
        Assert.Equal("t0 t1 t2 t3 ", Text(events));
        Assert.DoesNotContain(_router!.NodeStates, state => state.NodeId == "a");
        Assert.Equal(1, _router.Counters.Migrations);
    }

    [Fact]
    public async Task The_streams_of_an_unhealthy_node_go_on_elsewhere_and_it_gets_no_new_ones()
    {
        await StartAsync(_a);
        _a.Script = Hang;
        Task<string> running = TextAsync(Request());
        await _a.Asked.Task.WaitAsync(Patience);
        _discovery.Name(_a, _b);
        await UntilAsync(() => _router!.NodeStates.Count == 2);

        _a.Report(state => state.Phase = NodePhase.Unhealthy);

        Assert.Equal("t0 t1 t2 t3 ", await running.WaitAsync(Patience));
        await TextAsync(Request());
        Assert.Single(_a.Requests);
    }

    [Fact]
    public async Task A_killed_node_comes_back_and_takes_load_again()
    {
        await StartAsync(_a);
        _a.Vanish();
        await UntilAsync(() => !_router!.IsReady);
        await Assert.ThrowsAsync<InferenceException>(() => TextAsync(Request()));

        _a.Return();
        await UntilAsync(() =>
        {
            if (_router!.IsReady)
            {
                return true;
            }

            _time.Advance(TimeSpan.FromSeconds(0.5)); // less than a node may be silent
            return false;
        });
        Assert.Equal("t0 t1 t2 t3 ", await TextAsync(Request()));
    }

    [Fact]
    public async Task Requests_beyond_the_places_wait_and_the_higher_priority_goes_first()
    {
        await StartAsync(_a);
        var gates = new List<TaskCompletionSource>();
        _a.Script = (request, token) =>
        {
            var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gates)
            {
                gates.Add(gate);
            }

            return ScriptedNode.Count(request, 1, token).AfterAsync(gate.Task);
        };
        Task<string>[] first = [TextAsync(Request("1")), TextAsync(Request("2"))]; // the node runs two together
        await UntilAsync(() => Gates() == 2);
        var low = new List<GenerateEvent>();
        Task waitingLow = CollectAsync(Request("low"), low);
        await UntilAsync(() => low.Count == 1);
        var high = new List<GenerateEvent>();
        Task waitingHigh = CollectAsync(Request("high", priority: 1), high);
        await UntilAsync(() => high.Count == 1);

        Assert.NotNull(low[0].Waiting);
        gates[0].SetResult();
        await UntilAsync(() => Gates() == 3);
        Assert.Equal("high", _a.Requests[2].RequestId);

        gates[1].SetResult();
        await UntilAsync(() => Gates() == 4);
        gates.ForEach(gate => gate.TrySetResult());
        await Task.WhenAll([.. first, waitingLow, waitingHigh]).WaitAsync(Patience);

        int Gates()
        {
            lock (gates)
            {
                return gates.Count;
            }
        }
    }

    [Fact]
    public async Task A_request_that_waits_too_long_is_refused_and_its_place_is_not_lost()
    {
        await StartAsync(_a);
        var go = new TaskCompletionSource();
        _a.Script = (request, token) => ScriptedNode.Count(request, 1, token).AfterAsync(go.Task);
        Task<string>[] running = [TextAsync(Request()), TextAsync(Request())];
        await UntilAsync(() => _a.Requests.Count == 2);
        var held = new List<GenerateEvent>();
        Task waiting = CollectAsync(Request(), held);
        await UntilAsync(() => held.Count == 1);

        for (int i = 0; i < 130; i++)
        {
            _a.Report(_ => { });
            await UntilAsync(() => _router!.NodeStates.Any(state => state.Revision > (ulong)i));
            _time.Advance(TimeSpan.FromMilliseconds(500));
        }

        var refusal = await Assert.ThrowsAsync<InferenceException>(() => waiting.WaitAsync(Patience));
        Assert.Equal(InferenceError.Overloaded, refusal.Error);
        go.SetResult();
        await Task.WhenAll(running).WaitAsync(Patience);
        Assert.Equal("t0 ", await TextAsync(Request()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_caller_that_leaves_while_it_is_told_to_wait_keeps_no_place(bool placedMeanwhile)
    {
        await StartAsync(_a);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _a.Script = (request, token) => ScriptedNode.Count(request, 1, token).AfterAsync(go.Task);
        Task<string>[] running = [TextAsync(Request()), TextAsync(Request())]; // the node runs two together
        await UntilAsync(() => _a.Requests.Count == 2);
        for (int i = 0; i < 4; i++)
        {
            IAsyncEnumerator<GenerateEvent> leaving = _router!.GenerateAsync(Request(), CancellationToken.None).GetAsyncEnumerator();
            Assert.True(await leaving.MoveNextAsync());
            Assert.NotNull(leaving.Current.Waiting);
            if (placedMeanwhile)
            {
                go.TrySetResult();
                await Task.WhenAll(running).WaitAsync(Patience);
                await leaving.DisposeAsync();
                break;
            }

            await leaving.DisposeAsync();
        }

        go.TrySetResult();
        await Task.WhenAll(running).WaitAsync(Patience);

        // Both places are free: two requests run together again, without being told to wait.
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int before = _a.Requests.Count;
        _a.Script = (request, token) => ScriptedNode.Count(request, 1, token).AfterAsync(gate.Task);
        Task<List<GenerateEvent>>[] after = [CollectAsync(Request()), CollectAsync(Request())];
        await UntilAsync(() => _a.Requests.Count == before + 2);
        gate.SetResult();
        Assert.All(await Task.WhenAll(after).WaitAsync(Patience), events => Assert.DoesNotContain(events, next => next.Waiting is not null));
    }

    [Fact]
    public async Task A_request_ends_when_its_time_is_up()
    {
        await StartAsync(_a);
        _a.Script = Hang;
        GenerateRequest request = Request();
        request.TimeoutMs = 1000;
        var events = new List<GenerateEvent>();
        Task running = CollectAsync(request, events);
        await UntilAsync(() => events.Count > 0);

        _time.Advance(TimeSpan.FromSeconds(1));

        var failure = await Assert.ThrowsAsync<InferenceException>(() => running.WaitAsync(Patience));
        Assert.Equal(InferenceError.DeadlineExceeded, failure.Error);
        Assert.InRange(_a.Requests[0].TimeoutMs, 1u, 1000u);
    }

    [Fact]
    public async Task A_client_that_leaves_frees_its_place()
    {
        await StartAsync(_a);
        _a.Script = Hang;
        for (int i = 0; i < 5; i++)
        {
            using var clientGone = new CancellationTokenSource();
            var events = new List<GenerateEvent>();
            Task running = CollectAsync(Request(), events, clientGone.Token);
            await UntilAsync(() => events.Count > 0);
            await clientGone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Patience));
        }

        Assert.Equal(5, _a.Requests.Count); // two places: none was kept
    }

    [Fact]
    public async Task A_unary_call_is_tried_elsewhere_too()
    {
        await StartAsync(_a, _b);
        _a.Vanish();
        await UntilAsync(() => _router!.NodeStates.Count == 1);

        TokenizeResponse response = await _router!.TokenizeAsync(new TokenizeRequest { Model = "m" }, CancellationToken.None);

        Assert.Equal([1, 2], response.TokenIds);
    }

    [Fact]
    public async Task Models_and_counters_of_all_nodes_are_shown_as_one()
    {
        await StartAsync(_a, _b, new ScriptedNode("c", "other"));
        _a.Report(state => state.Models[0].Running = 2);
        _b.Report(state => state.Models[0].Running = 3);
        await UntilAsync(() => _router!.NodeStates.Sum(state => state.Models.Sum(model => model.Running)) == 5);

        ListModelsResponse models = await _router!.ListModelsAsync(new ListModelsRequest(), CancellationToken.None);
        NodeState pool = await _router.GetStateAsync(new GetStateRequest(), CancellationToken.None);

        Assert.Equal(["m", "other"], models.Models.Select(model => model.Name).Order(StringComparer.Ordinal));
        Assert.Equal(5u, pool.Models.Single(model => model.Name == "m").Running);
    }

    [Fact]
    public async Task Conversations_that_share_a_prefix_go_to_the_node_that_holds_it()
    {
        _options.Routing = new RoutingOptions { SlowStart = TimeSpan.Zero };
        await StartAsync(_a, _b);
        foreach (ScriptedNode node in _nodes)
        {
            node.Report(state => state.Models[0].MaxSequences = 64);
        }

        await UntilAsync(() => _router!.NodeStates.All(state => state.Models[0].MaxSequences == 64));
        for (int tenant = 0; tenant < 20; tenant++)
        {
            string system = $"tenant {tenant} " + new string('x', 4000);
            for (int turn = 0; turn < 5; turn++)
            {
                GenerateRequest request = Request();
                request.Chat = new ChatPrompt { MessagesJson = $"[{{\"role\":\"system\",\"content\":\"{system}\"}},{{\"role\":\"user\",\"content\":\"{turn}\"}}]" };
                await TextAsync(request);
            }
        }

        // Each conversation has one node, and both nodes have conversations.
        static IEnumerable<string> Tenants(ScriptedNode node) => node.Requests.Select(request => request.Chat.MessagesJson[..50]).Distinct();
        Assert.Empty(Tenants(_a).Intersect(Tenants(_b)));
        Assert.NotEmpty(_a.Requests);
        Assert.NotEmpty(_b.Requests);
    }

    public async ValueTask DisposeAsync()
    {
        if (_router is not null)
        {
            await _router.DisposeAsync();
        }
    }

    private ScriptedNode[] _nodes = [];

    private static GenerateRequest Request(string id = "r", string model = "m", uint n = 1, int priority = 0) =>
        new() { RequestId = id, Model = model, Text = "prompt", N = n, Priority = priority, Project = "p" };

    private static string Text(IEnumerable<GenerateEvent> events, uint choice = 0) =>
        string.Concat(events.Where(next => next.Token?.Choice == choice).Select(next => next.Token.Text));

    private static async IAsyncEnumerable<GenerateEvent> Hang(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedNode.Token(0, 0);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!holds())
        {
            await Task.Delay(1, patience.Token);
        }
    }

    private static Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> FailFirst(InferenceError error)
    {
        int calls = 0;
        return (request, token) => Interlocked.Increment(ref calls) == 1
            ? throw new InferenceException(error, "scripted")
            : ScriptedNode.Count(request, 4, token);
    }

    private static Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> FailAfter(int tokens)
    {
        int calls = 0;
        return (request, token) => Interlocked.Increment(ref calls) == 1
            ? ScriptedNode.Count(request, 4, token).TakeWhileAsync(next => next.Token is null || next.Token.TokenIds[0] < tokens, thenFail: true)
            : ScriptedNode.Count(request, 4, token);
    }

    private Router Create() => new(
        _options,
        _discovery,
        address => new NodeTransport(_nodes.Single(node => node.Id == address.Id), null),
        new Random(1),
        _time,
        NullLoggerFactory.Instance);

    private async Task StartAsync(params ScriptedNode[] nodes)
    {
        _nodes = [.. nodes.Union([_a, _b])];
        _router = Create();
        _discovery.Name(nodes);
        await UntilAsync(() => _router.NodeStates.Count == nodes.Length);
    }

    private async Task<string> TextAsync(GenerateRequest request) => Text(await CollectAsync(request));

    private async Task<List<GenerateEvent>> CollectAsync(GenerateRequest request, List<GenerateEvent>? into = null, CancellationToken cancellationToken = default)
    {
        into ??= [];
        await foreach (GenerateEvent next in _router!.GenerateAsync(request, cancellationToken))
        {
            into.Add(next);
        }

        return into;
    }
}

/// <summary>Bends a scripted stream.</summary>
internal static class ScriptedStreams
{
    /// <summary>The stream up to the first event for which the condition does not hold; then a failure, if wanted.</summary>
    public static async IAsyncEnumerable<GenerateEvent> TakeWhileAsync(this IAsyncEnumerable<GenerateEvent> events, Func<GenerateEvent, bool> holds, bool thenFail)
    {
        await foreach (GenerateEvent next in events)
        {
            if (!holds(next))
            {
                break;
            }

            yield return next;
        }

        if (thenFail)
        {
            throw new InferenceException(InferenceError.Unavailable, "the node died");
        }
    }

    /// <summary>The stream, its second event and those behind it only after the signal.</summary>
    public static async IAsyncEnumerable<GenerateEvent> AfterAsync(this IAsyncEnumerable<GenerateEvent> events, Task signal)
    {
        bool first = true;
        await foreach (GenerateEvent next in events)
        {
            if (!first)
            {
                await signal;
            }

            first = false;
            yield return next;
        }
    }
}
