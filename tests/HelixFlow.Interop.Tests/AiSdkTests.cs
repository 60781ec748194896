using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What Vercel's AI SDK sees through its provider for compatible servers, from one run of tests/interop/clients/ai-sdk.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class AiSdkTests(SharedServer shared)
{
    [Fact]
    public async Task The_sdk_gets_texts_objects_calls_and_vectors()
    {
        JsonNode seen = await shared.RunAsync("clients/ai-sdk.mjs");

        string answer = (string)seen["whole"]!["text"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        Assert.Equal((answer, "stop", "stop"), ((string?)seen["streamed"], (string?)seen["whole"]!["finish"], (string?)seen["streamedFinish"]));
        foreach (JsonNode usage in (JsonNode[])[seen["whole"]!["usage"]!, seen["streamedUsage"]!])
        {
            Assert.Equal((int)usage["totalTokens"]!, (int)usage["inputTokens"]! + (int)usage["outputTokens"]!);
        }

        Assert.Equal("length", (string?)seen["cut"]);
        Assert.Equal(answer[..answer.IndexOf("platform", StringComparison.Ordinal)], (string?)seen["stopped"]);
        Assert.Equal((string?)seen["seeded"]![0], (string?)seen["seeded"]![1]);
        Assert.Contains("5", (string)seen["roles"]!, StringComparison.Ordinal);
        CheckObjects(seen);
        CheckCalls(seen);
        Assert.Equal((3, 256, true), ((int)seen["embeddings"]!["count"]!, (int)seen["embeddings"]!["size"]!, (bool)seen["embeddings"]!["same"]!));
        Assert.InRange((int)seen["completion"]![1]!, 1, 4);
        Assert.True((bool)seen["completionStream"]!);
        foreach ((string name, int status) in ((string, int)[])[("key", 401), ("model", 404), ("context", 400)])
        {
            JsonNode error = seen["errors"]![name]!;
            Assert.Equal(("AI_APICallError", status, false), ((string?)error["name"], (int)error["status"]!, (bool)error["retryable"]!));
        }

        Assert.Equal(["abort"], Texts(seen["abort"]));
        await shared.Server.WaitUntilIdleAsync();
    }

    private static void CheckObjects(JsonNode seen)
    {
        foreach (string form in (string[])["object", "grown"])
        {
            Assert.Contains((string?)seen[form]!["kind"], (string[])["hotel", "flat"]);
            Assert.InRange((int)seen[form]!["nights"]!, 1, 30);
            Assert.NotNull((bool?)seen[form]!["breakfast"]);
        }

        Assert.True((int)seen["parts"]! > 1, "the object did not grow");
        Assert.Contains((string?)seen["choice"], (string[])["positive", "negative"]);
    }

    private static void CheckCalls(JsonNode seen)
    {
        Assert.All(seen["named"]!.AsArray(), call => Assert.Equal("""["weather",["city","unit"]]""", call!.ToJsonString()));
        Assert.NotEmpty(seen["named"]!.AsArray());
        Assert.All(Texts(seen["results"]), result => Assert.Equal("21", result));
        Assert.All(seen["required"]!.AsArray(), input => Assert.Contains((string?)input!["unit"], (string[])["C", "F"]));
        Assert.Equal(["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call"], Texts(seen["kinds"]).Where(kind => kind!.StartsWith("tool-", StringComparison.Ordinal)).Take(4));
        Assert.Equal(2, seen["turns"]!.AsArray().Count);
        Assert.True((int)seen["turns"]![0]![0]! > 0);
        Assert.Equal(0, (int)seen["turns"]![1]![0]!);
        Assert.True((int)seen["ran"]! >= 3);
    }

    private static IEnumerable<string?> Texts(JsonNode? array) => array!.AsArray().Select(text => (string?)text);
}
