using System.Runtime.CompilerServices;
using HelixFlow.Gateway.Routing;
using HelixFlow.Gateway.Tests.Routing;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Tests;

public sealed class LostNodeLogTests
{
    private const string Chat = """{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Completion = """{"model":"m","stream":true,"prompt":"hi"}""";

    [Fact]
    public async Task A_lost_node_is_one_error_and_each_of_its_streams_a_warning_without_a_stack()
    {
        var node = new ScriptedNode("a", "m") { Script = Begin };
        var discovery = new ScriptedDiscovery();
        var routerLog = new CapturedLog();
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddProvider(routerLog));
        await using var router = new Router(
            new RouterOptions { OnNodeLoss = NodeLossPolicy.Fail }, discovery, _ => new NodeTransport(node, null), new Random(1), new ManualTime(), loggers);
        discovery.Name(node);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        while (router.NodeStates.Count == 0)
        {
            await Task.Delay(1, patience.Token);
        }

        await using GatewayServer server = await GatewayServer.StartAsync(pool: router);
        var streams = new List<StreamReader>();
        foreach ((string path, string body) in ((string, string)[])[("chat/completions", Chat), ("completions", Completion)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/{path}") { Content = new StringContent(body, null, "application/json") };
            HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            streams.Add(new StreamReader(await response.Content.ReadAsStreamAsync()));
            Assert.NotNull(await streams[^1].ReadLineAsync());
        }

        node.Vanish();
        foreach (StreamReader stream in streams)
        {
            Assert.Contains("was lost", await stream.ReadToEndAsync(), StringComparison.Ordinal);
            stream.Dispose();
        }

        LogLine lost = Assert.Single(routerLog.Lines, line => line.Level >= LogLevel.Warning && line.Message.Contains("is lost", StringComparison.Ordinal));
        Assert.Equal((LogLevel.Error, null), (lost.Level, lost.Exception));
        Assert.Equal("Node a is lost: connection refused", lost.Message);
        LogLine[] ended = [.. server.Log.Lines.Where(line => line.Level >= LogLevel.Warning)];
        Assert.Equal(2, ended.Length);
        Assert.All(ended, line =>
        {
            Assert.Equal((LogLevel.Warning, null), (line.Level, line.Exception));
            Assert.Matches("^The stream of request req_[0-9a-f]+ ended with an error: The node 'a', which served the request, was lost.$", line.Message);
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_failure_of_our_own_keeps_its_stack(bool ofTheService)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        Exception failure = ofTheService ? new InferenceException(InferenceError.Internal, "broken") : new InvalidOperationException("broken");
        server.Pool.Script = (_, _) => Break(failure);

        using HttpResponseMessage response = await server.PostAsync("/v1/chat/completions", Chat);
        Assert.Contains("\"error\"", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        LogLine line = Assert.Single(server.Log.Lines, line => line.Level >= LogLevel.Warning);
        Assert.Equal((LogLevel.Error, failure), (line.Level, line.Exception));
    }

    private static async IAsyncEnumerable<GenerateEvent> Begin(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedNode.Token(0, 0);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async IAsyncEnumerable<GenerateEvent> Break(Exception failure)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedPool.Token("Begin");
        await Task.Yield();
        throw failure;
    }
}
