using System.Diagnostics;
using HelixFlow.Cluster.Tests.Processes;

namespace HelixFlow.Cluster.Tests;

/// <summary>A gRPC client that is not ours, and that knows nothing about a node but its address.</summary>
public sealed class ForeignClientTests
{
    [Fact]
    public async Task A_javascript_client_learns_the_contract_by_reflection_and_calls_all_of_it()
    {
        string folder = Path.Combine(HelixProcess.Root, "tests/interop");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules/@grpc/grpc-js")), "install node and run 'npm ci --ignore-scripts' in tests/interop");
        await using Processes.Cluster cluster = Processes.Cluster.Empty();
        PoolNode node = cluster.AddNode("a");
        await node.StartAsync();
        using var client = Process.Start(new ProcessStartInfo("node", ["grpc/js/pool.mjs", node.Grpc.Authority])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            Task<string> output = client.StandardOutput.ReadToEndAsync();
            Task<string> errors = client.StandardError.ReadToEndAsync();
            await client.WaitForExitAsync().WaitAsync(Eventually.Guard);
            Assert.True(client.ExitCode == 0, await output + await errors + cluster.Output);
        }
        finally
        {
            client.Kill(entireProcessTree: true);
        }
    }
}
