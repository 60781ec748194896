using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Answers of a given shape, asked for by OpenAI's official JavaScript client and validated by ajv: tests/interop/clients/structured.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class StructuredOutputTests(SharedServer shared)
{
    [Fact]
    public async Task Whatever_a_small_hot_model_says_is_valid()
    {
        JsonNode seen = await shared.RunAsync("clients/structured.mjs", "3");

        Assert.Empty(seen["invalid"]!.AsArray().Select(answer => answer!.ToJsonString()));
        Assert.InRange((int)seen["whole"]!, 40, 72);
        Assert.True((bool)seen["parsed"]!);
        Assert.Contains((string?)seen["object"], (string[])["object", "cut"]);
        Assert.All(seen["choices"]!.AsArray(), choice => Assert.Contains((string?)choice![0], (string[])["positive", "negative"]));
        Assert.All(seen["choices"]!.AsArray(), choice => Assert.Equal("stop", (string?)choice![1]));
        Assert.Matches("^\\+[0-9]{2} [0-9]{3,8}$", (string)seen["regex"]!);
        Assert.Matches("^[0-9]{1,2}(\\+[0-9]{1,2}){0,3}$", (string)seen["grammar"]!);
        Assert.Equal("[true,true,true,true]", seen["compact"]!.ToJsonString());
        AssertRefused(seen["errors"]!["keyword"], "response_format", "uniqueItems");
        AssertRefused(seen["errors"]!["keyword"], "response_format", "/properties/a");
        AssertRefused(seen["errors"]!["regex"], "guided_regex", "guided_regex");
        AssertRefused(seen["errors"]!["stream"], "response_format", "#/nowhere");
        await shared.Server.WaitUntilIdleAsync();
    }

    private static void AssertRefused(JsonNode? error, string param, string words)
    {
        Assert.Equal((400, param, "invalid_request_error"), ((int)error!["status"]!, (string?)error["param"], (string?)error["type"]));
        Assert.Contains(words, (string)error["message"]!, StringComparison.Ordinal);
    }
}
