using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>The gateway's process is killed while streams run through it.</summary>
public sealed class GatewayLossTests
{
    private const int Streams = 32;
    private const int Tokens = 900;

    [Fact]
    public async Task Nodes_stop_computing_for_the_clients_of_a_killed_gateway() => await Hit.OnceAsync(async () =>
    {
        await using Processes.Cluster cluster = await Processes.Cluster.StartAsync(2);
        ChatStream[] streams = cluster.Streams(ChatBody.Many(Streams, Tokens));
        await cluster.UntilPiecesAsync(streams, 20);

        await cluster.Gateway.Process.SignalAsync("KILL");

        foreach (PoolNode node in cluster.Nodes)
        {
            await node.UntilIdleAsync();
        }

        double generated = (await Task.WhenAll(cluster.Nodes.Select(node => node.GeneratedAsync()))).Sum();
        Assert.InRange(generated, Streams * 20, Streams * Tokens);
        await cluster.UntilEndedAsync(streams);
        Assert.All(streams, stream => Assert.True(stream.Done ? stream.Usage is not null : stream.Failure is not null, stream.ToString()));

        await cluster.Gateway.StartAsync();
        await cluster.Gateway.UntilNodesAsync(2);
        ChatStream[] after = cluster.Streams(ChatBody.Many(4, 16));
        await cluster.UntilEndedAsync(after);
        Assert.All(after, stream => Assert.True(stream.Done, $"{stream}\n{cluster.Output}"));

        // Running to the end would leave the nodes idle, too.
        return generated < Streams * Tokens && streams.Any(stream => !stream.Done);
    });
}
