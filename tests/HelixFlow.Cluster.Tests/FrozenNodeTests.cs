using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A node's process stands still: its connections stay open and nothing comes from them.</summary>
public sealed class FrozenNodeTests
{
    [Fact]
    public async Task Streams_of_a_frozen_node_go_on_elsewhere_and_it_comes_back_when_it_thaws()
    {
        await Undisturbed.PrepareAsync();
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2);
        await using var others = new Trickle(cluster, clients: 2);
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        PoolNode frozen = cluster.Nodes[0];
        int running = await frozen.RunningAsync();
        Assert.True(running > 0, cluster.Output);

        await frozen.Process.SignalAsync("STOP");
        try
        {
            long since = TimeProvider.System.GetTimestamp();
            await cluster.Gateway.UntilNodesAsync(1);
            TestContext.Current.TestOutputHelper?.WriteLine($"out of the rotation after {TimeProvider.System.GetElapsedTime(since).TotalSeconds:F1} s");
            await cluster.UntilEndedAsync(streams);
        }
        finally
        {
            await frozen.Process.SignalAsync("CONT");
        }

        foreach (ChatStream stream in streams)
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        await cluster.Gateway.UntilNodesAsync(2);
        await others.UntilFurtherAsync(2, () => cluster.Output);
        Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
        await others.StopAsync();
        await frozen.UntilIdleAsync();
        Assert.InRange((await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"), 1, running + 2);
    }
}
