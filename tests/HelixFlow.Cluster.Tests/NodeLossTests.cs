using System.Text.Json.Nodes;
using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A node's process is killed while it computes.</summary>
public sealed class NodeLossTests
{
    [Fact]
    public async Task Streams_of_a_killed_node_go_on_elsewhere_token_for_token()
    {
        await Undisturbed.PrepareAsync();
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2);
        await using var others = new Trickle(cluster, clients: 2);
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        PoolNode busiest = await BusiestAsync(cluster);

        await busiest.Process.SignalAsync("KILL");

        Assert.DoesNotContain(streams, stream => stream.HasEnded);
        await others.UntilFurtherAsync(2, () => cluster.Output);
        await cluster.UntilEndedAsync(streams);
        foreach (ChatStream stream in streams)
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        Assert.InRange((await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"), 1, Undisturbed.Streams + 2);
        await others.UntilFurtherAsync(4, () => cluster.Output);
        await ReturnAsync(cluster, busiest);
        Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
    }

    [Fact]
    public async Task Streams_of_a_killed_node_end_with_an_error_when_they_are_not_to_migrate()
    {
        await Undisturbed.PrepareAsync();
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, gateway: ["--on-node-loss", "fail"]);
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        PoolNode busiest = await BusiestAsync(cluster);
        int lost = await busiest.RunningAsync();

        await busiest.Process.SignalAsync("KILL");

        Assert.DoesNotContain(streams, stream => stream.HasEnded);
        await using var others = new Trickle(cluster, clients: 2);
        await others.UntilFurtherAsync(4, () => cluster.Output);
        await cluster.UntilEndedAsync(streams);
        ChatStream[] broken = [.. streams.Where(stream => !stream.Done)];
        Assert.Equal(lost, broken.Length);
        foreach (ChatStream stream in broken)
        {
            Assert.True(stream.Failure is null, $"{stream}\n{cluster.Output}");
            JsonObject error = Assert.Single(stream.Errors)["error"]!.AsObject();
            Assert.Equal(["code", "message", "param", "type"], error.Select(pair => pair.Key).Order(StringComparer.Ordinal));
            Assert.Equal("unavailable", (string?)error["code"]);
            Assert.Equal("server_error", (string?)error["type"]);
            Assert.Empty(stream.FinishReasons);
        }

        foreach (ChatStream stream in streams.Except(broken))
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        await ReturnAsync(cluster, busiest);
        Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
    }

    private static async Task<PoolNode> BusiestAsync(Processes.Cluster cluster)
    {
        int[] running = await Task.WhenAll(cluster.Nodes.Select(node => node.RunningAsync()));
        Assert.True(running.Min() > 0, $"the load is not spread: {string.Join(' ', running)}\n{cluster.Output}");
        return cluster.Nodes[Array.IndexOf(running, running.Max())];
    }

    /// <summary>The node comes back on its ports and computes again.</summary>
    private static async Task ReturnAsync(Processes.Cluster cluster, PoolNode node)
    {
        await node.StartAsync();
        await cluster.Gateway.UntilNodesAsync(2);
        ChatBody[] few = ChatBody.Many(8, 32);
        await Eventually.TrueAsync(
            async () =>
            {
                ChatStream[] streams = cluster.Streams(few);
                await cluster.UntilEndedAsync(streams);
                Assert.All(streams, stream => Assert.True(stream.Done, $"{stream}\n{cluster.Output}"));
                return await node.GeneratedAsync() >= 32;
            },
            $"{node.Name} takes load again",
            () => cluster.Output);
    }
}
