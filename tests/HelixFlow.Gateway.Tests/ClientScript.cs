using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests;

/// <summary>Runs a script of tests/interop, a real client, against a gateway whose model answers by a script.</summary>
internal static class ClientScript
{
    /// <summary>What the script saw; skips the test when its packages are not installed.</summary>
    /// <param name="script">A file in tests/interop/clients.</param>
    /// <param name="package">What it imports.</param>
    /// <param name="address">Where its client asks.</param>
    public static async Task<JsonNode> RunAsync(string script, string package, Uri address)
    {
        string folder = Path.Combine(Root(), "tests/interop");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules", package)), "run 'npm ci --ignore-scripts' in tests/interop");
        using Process node = Process.Start(new ProcessStartInfo("node", ["clients/" + script, address.ToString(), "right"])
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

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}
