using System.Net;
using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A node is told to end while it computes.</summary>
public sealed class DrainTests
{
    [Theory]
    [InlineData("migrate")]
    [InlineData("fail")]
    public async Task With_time_to_drain_streams_end_where_they_are(string onLoss)
    {
        await Undisturbed.PrepareAsync();
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, ["--drain-seconds", "300"], ["--on-node-loss", onLoss]);
        await using var others = new Trickle(cluster, clients: 2);
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        PoolNode leaving = cluster.Nodes[0];
        Assert.True(await leaving.RunningAsync() > 0, cluster.Output);

        await leaving.Process.SignalAsync("TERM");

        await UnreadyAsync(leaving, cluster);
        Assert.DoesNotContain(streams, stream => stream.HasEnded);
        Assert.Equal(HttpStatusCode.OK, await leaving.HealthAsync("/livez"));
        await cluster.Gateway.UntilNodesAsync(1);
        await others.UntilFurtherAsync(2, () => cluster.Output);
        Assert.Equal(0, await leaving.Process.EndAsync());
        await cluster.UntilEndedAsync(streams);
        foreach (ChatStream stream in streams)
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        Assert.Equal(0, (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"));
        await others.UntilFurtherAsync(2, () => cluster.Output);
        Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
    }

    [Fact]
    public async Task Without_time_to_drain_streams_go_on_elsewhere()
    {
        await Undisturbed.PrepareAsync();
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, ["--drain-seconds", "0"]);
        await using var others = new Trickle(cluster, clients: 2);
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        PoolNode leaving = cluster.Nodes[0];
        Assert.True(await leaving.RunningAsync() > 0, cluster.Output);

        Assert.DoesNotContain(streams, stream => stream.HasEnded);

        await leaving.Process.SignalAsync("TERM");

        Assert.Equal(0, await leaving.Process.EndAsync());
        await others.UntilFurtherAsync(2, () => cluster.Output);
        await cluster.UntilEndedAsync(streams);
        foreach (ChatStream stream in streams)
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        Assert.InRange((await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"), 1, Undisturbed.Streams + 2);
        Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
    }

    /// <summary>Waits until the node says that it is not ready. Before it has read the signal, it says otherwise.</summary>
    private static Task UnreadyAsync(PoolNode node, Processes.Cluster cluster) => Eventually.TrueAsync(
        async () => await node.HealthAsync("/readyz") == HttpStatusCode.ServiceUnavailable, $"{node.Name} is not ready", () => cluster.Output);
}
