using System.Text.Json.Nodes;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Gateway.Tests.Routing;

/// <summary>Calls with one answer on their way through the router: placed, held and tried again as generations are.</summary>
public sealed class UnaryRoutingTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ScriptedDiscovery _discovery = new();
    private readonly ScriptedNode _a = new("a", "m");
    private readonly ScriptedNode _b = new("b", "m");
    private Router? _router;

    [Fact]
    public async Task Inputs_to_embed_go_to_another_node_when_theirs_is_lost()
    {
        await StartAsync(_a, _b);
        var lost = new TaskCompletionSource<EmbedResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        foreach (ScriptedNode node in (ScriptedNode[])[_a, _b])
        {
            Func<EmbedRequest, CancellationToken, ValueTask<EmbedResponse>> answer = node.Embeds;
            int calls = 0;
            node.Embeds = (request, token) =>
                lost.Task.IsCompleted || Interlocked.Increment(ref calls) > 1 ? answer(request, token)
                : lost.TrySetException(new InferenceException(InferenceError.Unavailable, "connection reset")) ? new ValueTask<EmbedResponse>(lost.Task)
                : answer(request, token);
        }

        EmbedResponse response = await _router!.EmbedAsync(new EmbedRequest { Model = "m", Project = "p", Inputs = { new EmbedInput { Text = "x" } } }, CancellationToken.None);

        Assert.Single(response.Embeddings);
        Assert.True(lost.Task.IsFaulted);
        Assert.Equal(1, _router.Counters.Retries);
    }

    [Fact]
    public async Task Inputs_to_embed_wait_for_a_place_and_leave_the_queue_with_their_client()
    {
        await StartAsync(_a); // two places
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int begun = 0;
        _a.Embeds = async (request, token) =>
        {
            Interlocked.Increment(ref begun);
            await release.Task.WaitAsync(token);
            return new EmbedResponse { Embeddings = { new Embedding() } };
        };
        var request = new EmbedRequest { Model = "m", Project = "p", Inputs = { new EmbedInput { Text = "x" } } };
        using var clientGone = new CancellationTokenSource();

        Task<EmbedResponse>[] running = [.. Enumerable.Range(0, 2).Select(_ => _router!.EmbedAsync(request, CancellationToken.None).AsTask())];
        Task<EmbedResponse> held = _router!.EmbedAsync(request, clientGone.Token).AsTask();
        Task<EmbedResponse> next = _router.EmbedAsync(request, CancellationToken.None).AsTask();
        Assert.Equal(2, begun);
        await clientGone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => held.WaitAsync(Patience));
        release.SetResult();

        await Task.WhenAll([.. running, next]).WaitAsync(Patience);
        Assert.Equal(3, begun);
    }

    [Fact]
    public async Task A_list_over_http_is_answered_whole_when_a_node_is_lost_in_its_middle()
    {
        await StartAsync(_a, _b);
        int failures = 0;
        foreach (ScriptedNode node in (ScriptedNode[])[_a, _b])
        {
            node.Embeds = (request, _) => request.Inputs[0].Text == "32" && Interlocked.Increment(ref failures) == 1
                ? throw new InferenceException(InferenceError.Unavailable, "connection reset")
                : ValueTask.FromResult(EmbeddingTests.Numbered(request));
        }

        await using GatewayServer server = await GatewayServer.StartAsync(pool: _router!);
        using HttpResponseMessage response = await server.PostAsync("/v1/embeddings", $$"""{"model":"m","input":[{{string.Join(',', Enumerable.Range(0, 100).Select(i => $"\"{i}\""))}}]}""");

        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal(Enumerable.Range(0, 100), JsonNode.Parse(text)!["data"]!.AsArray().Select(item => (int)item!["embedding"]![0]!));
        Assert.Equal(1, _router!.Counters.Retries);
        await RequestTests.AssertErrorAsync(await server.PostAsync("/v1/embeddings", """{"model":"absent","input":"x"}"""), System.Net.HttpStatusCode.NotFound, "model", "model_not_found");
        await RequestTests.AssertErrorAsync(await server.PostAsync("/rerank", """{"model":"absent","query":"x","documents":["y"]}"""), System.Net.HttpStatusCode.NotFound, "model", "model_not_found");
        await RequestTests.AssertErrorAsync(await server.PostAsync("/tokenize", """{"model":"absent","prompt":"x"}"""), System.Net.HttpStatusCode.NotFound, "model", "model_not_found");
    }

    public async ValueTask DisposeAsync()
    {
        if (_router is not null)
        {
            await _router.DisposeAsync();
        }
    }

    private async Task StartAsync(params ScriptedNode[] nodes)
    {
        var options = new RouterOptions { Routing = { Policy = RoutingPolicy.LeastLoaded, QueuePerNode = 0, SlowStart = TimeSpan.Zero } };
        _router = new Router(
            options, _discovery, address => new NodeTransport(nodes.Single(node => node.Id == address.Id), null), new Random(1), new ManualTime(), NullLoggerFactory.Instance);
        _discovery.Name(nodes);
        using var patience = new CancellationTokenSource(Patience);
        while (_router.NodeStates.Count < nodes.Length)
        {
            await Task.Delay(1, patience.Token);
        }
    }
}
