using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>A script of tests/interop, which talks to a server and prints what it saw as one line of JSON.</summary>
internal static class NodeScript
{
    /// <summary>Runs the script with the server's address and key; skips the test when its packages are not installed.</summary>
    public static async Task<JsonNode> RunAsync(string script, Server server, params string[] arguments)
    {
        string folder = Path.Combine(Server.Root, "tests/interop");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules/openai")), "run 'npm ci --ignore-scripts' in tests/interop");
        using var node = Process.Start(new ProcessStartInfo("node", [script, new Uri(server.Address, "/v1").ToString(), Server.Key, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = node.StandardError.ReadToEndAsync();
        string output = await node.StandardOutput.ReadToEndAsync();
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, await errors);
        return JsonNode.Parse(output)!;
    }
}
