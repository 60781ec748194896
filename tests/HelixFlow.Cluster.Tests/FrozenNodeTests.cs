using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A node's process stands still: its connections stay open and nothing comes from them.</summary>
public sealed class FrozenNodeTests
{
    // As little as a machine that is busy with other things allows: who has to wait for it is not frozen.
    private const int SilenceSeconds = 20;

    [Fact]
    public async Task Streams_of_a_frozen_node_go_on_elsewhere_and_it_comes_back_when_it_thaws()
    {
        await Undisturbed.PrepareAsync();
        await Hit.OnceAsync(async () =>
        {
            await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, silenceSeconds: SilenceSeconds);
            await using var others = new Trickle(cluster, clients: 2);
            ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
            await cluster.UntilPiecesAsync(streams, 20);
            PoolNode frozen = cluster.Nodes[0];

            await frozen.Process.SignalAsync("STOP");
            try
            {
                await cluster.Gateway.UntilNodesAsync(1);
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
            double migrations = (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total");
            Assert.InRange(migrations, 0, Undisturbed.Streams + 2);
            return migrations > 0;
        });
    }
}
