using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Calls that must be made, asked for by OpenAI's official JavaScript client and validated by ajv: tests/interop/clients/forced.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class ForcedToolTests(SharedServer shared)
{
    [Fact]
    public async Task A_small_hot_model_makes_valid_calls()
    {
        JsonNode seen = await RunAsync(shared.Server, rounds: 4);

        Assert.Empty(seen["invalid"]!.AsArray().Select(answer => answer!.ToJsonString()));
        Assert.True((int)seen["calls"]! >= 12, seen.ToJsonString());
        Assert.Equal(["stop"], seen["reasons"]!["named"]!.AsArray().Select(reason => (string?)reason));
        Assert.Equal(["tool_calls"], seen["reasons"]!["required"]!.AsArray().Select(reason => (string?)reason));
        Assert.Equal(["tool_calls"], seen["reasons"]!["allowed"]!.AsArray().Select(reason => (string?)reason));
        foreach (string how in (string[])["forced", "auto"])
        {
            JsonNode error = seen["errors"]![how]!;
            Assert.Equal((400, "tools[3].function.parameters", "invalid_function_parameters"), ((int)error["status"]!, (string?)error["param"], (string?)error["code"]));
            Assert.Contains("Invalid schema for function 'bad'", (string)error["message"]!, StringComparison.Ordinal);
            Assert.Contains("uniqueItems", (string)error["message"]!, StringComparison.Ordinal);
        }

        Assert.Contains((string?)seen["lenient"], (string[])["tool_calls", "length"]);
        Assert.Contains((string?)seen["auto"], (string[])["stop", "tool_calls", "length"]);
        await shared.Server.WaitUntilIdleAsync();
    }

    private static async Task<JsonNode> RunAsync(Server server, int rounds)
    {
        string folder = Path.Combine(Server.Root, "tests/interop");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules/ajv")), "run 'npm ci --ignore-scripts' in tests/interop");
        using var node = Process.Start(new ProcessStartInfo(
            "node", ["clients/forced.mjs", new Uri(server.Address, "/v1").ToString(), Server.Key, rounds.ToString(CultureInfo.InvariantCulture)])
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
