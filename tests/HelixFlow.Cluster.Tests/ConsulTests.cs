using System.Text.RegularExpressions;
using HelixFlow.Cluster.Tests.Processes;
using HelixFlow.Discovery.Tests.Consul;

namespace HelixFlow.Cluster.Tests;

/// <summary>Nodes announce themselves to Consul, and the gateway finds them there.</summary>
public sealed partial class ConsulTests
{
    [Fact]
    public async Task Nodes_appear_expire_move_and_leave_with_their_streams_unharmed()
    {
        await Undisturbed.PrepareAsync();
        await using ConsulDouble consul = await ConsulDouble.StartAsync(TimeProvider.System);
        string place = $"consul:{consul.Url}inference";
        await using Processes.Cluster cluster = Processes.Cluster.Empty();
        PoolNode a = cluster.AddNode("a", "--register", place);
        PoolNode b = cluster.AddNode("b", "--register", place, "--drain-seconds", "3000");
        cluster.SetGateway("--nodes", place, "--on-node-loss", "fail");
        await cluster.Gateway.StartAsync();
        await Task.WhenAll(a.StartAsync(), b.StartAsync());
        await cluster.Gateway.UntilNodesAsync(2);
        await consul.State.UntilAsync(state => state.Statuses == "a passing, b passing");

        // One that was killed leaves the rotation at once, and is no longer passing when its heartbeats have been missing for long enough.
        await a.Process.SignalAsync("KILL");
        await cluster.Gateway.UntilNodesAsync(1);
        await consul.State.UntilAsync(state => state.Statuses == "a critical, b passing");
        await Eventually.TrueAsync(() => cluster.Gateway.Process.CountLines("Node a is no longer named by discovery") > 0, "the gateway forgets a", () => cluster.Output);

        // It is the same node at another address.
        a.Move();
        await a.StartAsync();
        await cluster.Gateway.UntilNodesAsync(2);

        // One that was killed and comes back elsewhere before anyone has missed its heartbeats.
        await a.Process.SignalAsync("KILL");
        await a.Process.EndAsync();
        a.Move();
        await a.StartAsync();
        await cluster.Gateway.UntilNodesAsync(2);

        // One that drains takes its announcement back, and its streams may end where they are.
        await Hit.OnceAsync(async () =>
        {
            if (b.Process.HasExited)
            {
                b.Move();
                await b.StartAsync();
                await cluster.Gateway.UntilNodesAsync(2);
            }

            return await LeaveAsync(cluster, consul, b);
        });
    }

    /// <summary>One node drains while streams run. True when some of them ran on it when the gateway learned that it leaves.</summary>
    private static async Task<bool> LeaveAsync(Processes.Cluster cluster, ConsulDouble consul, PoolNode b)
    {
        int known = cluster.Gateway.Process.Matches(Retired()).Length;
        ChatStream[] streams = cluster.Streams(Undisturbed.Bodies);
        await cluster.UntilPiecesAsync(streams, 20);
        await b.Process.SignalAsync("TERM");
        await consul.State.UntilAsync(state => state.Statuses == "a passing");
        await Eventually.TrueAsync(() => cluster.Gateway.Process.Matches(Retired()).Length > known, "the gateway retires b", () => cluster.Output);
        Assert.Equal(0, await b.Process.EndAsync());
        await cluster.UntilEndedAsync(streams);
        foreach (ChatStream stream in streams)
        {
            await Undisturbed.AssertSameAsync(stream, () => cluster.Output);
        }

        Assert.Equal(0, (await cluster.Gateway.MetricsAsync()).Sum("helixflow_router_migrations_total"));
        return cluster.Gateway.Process.Matches(Retired()).Skip(known).Any(match => match.Groups[1].Value != "0");
    }

    [GeneratedRegex("Node b is no longer named by discovery: its ([0-9]+) requests")]
    private static partial Regex Retired();
}
