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
        await Hit.OnceAsync(async () =>
        {
            await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, ["--drain-seconds", "3000"], ["--on-node-loss", onLoss]);
            await using var others = new Trickle(cluster, clients: 2);
            ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
            await cluster.UntilPiecesAsync(streams, 20);
            PoolNode leaving = cluster.Nodes[0];

            await leaving.Process.SignalAsync("TERM");

            bool wasSeen = await DrainsAsync(leaving, cluster);
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
            return wasSeen;
        });
    }

    [Fact]
    public async Task Without_time_to_drain_streams_go_on_elsewhere()
    {
        await Undisturbed.PrepareAsync();
        await Hit.OnceAsync(async () =>
        {
            await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2, ["--drain-seconds", "0"]);
            await using var others = new Trickle(cluster, clients: 2);
            ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
            await cluster.UntilPiecesAsync(streams, 20);
            PoolNode leaving = cluster.Nodes[0];

            await leaving.Process.SignalAsync("TERM");

            Assert.Equal(0, await leaving.Process.EndAsync());
            await others.UntilFurtherAsync(2, () => cluster.Output);
            await cluster.UntilEndedAsync(streams);
            foreach (ChatStream stream in streams)
            {
                await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
            }

            double migrations = (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total");
            Assert.InRange(migrations, 0, Undisturbed.Streams + 2);
            Assert.True(others.Failures.Length == 0, others.Failures + cluster.Output);
            return migrations > 0;
        });
    }

    /// <summary>
    /// Waits until the node says that it is not ready, or has ended. True when it then still computed and lived: one whose streams end first ends unseen.
    /// </summary>
    private static async Task<bool> DrainsAsync(PoolNode node, Processes.Cluster cluster)
    {
        bool unready = false;
        await Eventually.TrueAsync(
            async () =>
            {
                bool ended = node.Process.HasExited; // before it has read the signal, it is ready
                unready = !ended && await node.HealthAsync("/readyz") == HttpStatusCode.ServiceUnavailable;
                return unready || ended;
            },
            $"{node.Name} is not ready",
            () => cluster.Output);
        try
        {
            int running = unready ? await node.RunningAsync() : 0;
            HttpStatusCode alive = running > 0 ? await node.HealthAsync("/livez") : HttpStatusCode.Gone;
            Assert.True(alive is HttpStatusCode.OK or HttpStatusCode.Gone, $"{alive}\n{cluster.Output}");
            return alive == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false; // it has ended
        }
    }
}
