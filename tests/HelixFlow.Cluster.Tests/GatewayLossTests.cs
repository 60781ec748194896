using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>The gateway's process is killed while streams run through it.</summary>
public sealed class GatewayLossTests
{
    [Fact]
    public async Task Nodes_stop_computing_for_the_clients_of_a_killed_gateway()
    {
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2);
        ChatStream[] streams = cluster.Streams(ChatBody.Many(32, 900));
        await cluster.UntilPiecesAsync(streams, 20);

        await cluster.Gateway.Process.SignalAsync("KILL");

        foreach (PoolNode node in cluster.Nodes)
        {
            await node.UntilIdleAsync();
        }

        double generated = (await Task.WhenAll(cluster.Nodes.Select(node => node.GeneratedAsync()))).Sum();
        Assert.InRange(generated, 32 * 20, (32 * 900) - 1); // running to the end would leave the nodes idle, too
        await cluster.UntilEndedAsync(streams);
        Assert.All(streams, stream => Assert.True(!stream.Done && stream.Failure is not null, stream.ToString()));

        await cluster.Gateway.StartAsync();
        await cluster.Gateway.UntilNodesAsync(2);
        ChatStream[] after = cluster.Streams(ChatBody.Many(4, 16));
        await cluster.UntilEndedAsync(after);
        Assert.All(after, stream => Assert.True(stream.Done, $"{stream}\n{cluster.Output}"));
    }
}
