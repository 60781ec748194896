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
        await Hit.OnceAsync(async () =>
        {
            await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2);
            await using var others = new Trickle(cluster, clients: 2);
            ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
            await cluster.UntilPiecesAsync(streams, 20);
            PoolNode busiest = await BusiestAsync(cluster);

            await busiest.Process.SignalAsync("KILL");

            await others.UntilFurtherAsync(2, () => cluster.Output);
            await cluster.UntilEndedAsync(streams);
            foreach (ChatStream stream in streams)
            {
                await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
            }

            double migrations = (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total");
            Assert.InRange(migrations, 0, Undisturbed.Streams + 2);
            await others.UntilFurtherAsync(4, () => cluster.Output);
            await ReturnAsync(cluster, busiest);
            Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
            return migrations > 0;
        });
    }

    [Fact]
    public async Task Streams_of_a_killed_node_end_with_an_error_when_they_are_not_to_migrate()
    {
        await Undisturbed.PrepareAsync();
        await Hit.OnceAsync(async () =>
        {
            await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, gateway: ["--on-node-loss", "fail"]);
            ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
            await cluster.UntilPiecesAsync(streams, 20);
            PoolNode busiest = await BusiestAsync(cluster);

            // A frozen node can be asked nothing; how much it ran just before is the most that it can lose. Of that, its last answers may have been on their way.
            int running = await busiest.RunningAsync();
            await busiest.Process.SignalAsync("STOP");
            await busiest.Process.SignalAsync("KILL");

            await using var others = new Trickle(cluster, clients: 2);
            await others.UntilFurtherAsync(4, () => cluster.Output);
            await cluster.UntilEndedAsync(streams);
            ChatStream[] broken = [.. streams.Where(stream => !stream.Done)];
            Assert.InRange(broken.Length, 0, running);
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

            Assert.Equal(0, (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"));
            await ReturnAsync(cluster, busiest);
            Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
            return broken.Length > 0;
        });
    }

    /// <summary>The node that computes most at this moment, where all have computed something.</summary>
    private static async Task<PoolNode> BusiestAsync(Processes.Cluster cluster)
    {
        double[] generated = await Task.WhenAll(cluster.Nodes.Select(node => node.GeneratedAsync()));
        Assert.True(generated.Min() > 0, $"the load is not spread: {string.Join(' ', generated)}\n{cluster.Output}");
        int[] running = await Task.WhenAll(cluster.Nodes.Select(node => node.RunningAsync()));
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
