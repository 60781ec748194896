using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Calls that must be made, asked for by OpenAI's official JavaScript client and validated by ajv: tests/interop/clients/forced.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class ForcedToolTests(SharedServer shared)
{
    [Fact]
    public async Task A_small_hot_model_makes_valid_calls()
    {
        JsonNode seen = await shared.RunAsync("clients/forced.mjs", "4");

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
}
