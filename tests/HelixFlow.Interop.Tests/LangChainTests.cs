using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What LangChain's client for OpenAI sees, from one run of tests/interop/clients/langchain.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class LangChainTests(SharedServer shared)
{
    [Fact]
    public async Task The_client_gets_messages_objects_calls_and_vectors()
    {
        JsonNode seen = await shared.RunAsync("clients/langchain.mjs");

        string answer = (string)seen["whole"]!["text"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        foreach (string form in (string[])["streamed", "response", "responseStream"])
        {
            Assert.Equal(answer, (string?)seen[form]);
        }

        Assert.Equal("stop", (string?)seen["whole"]!["finish"]);
        Assert.Equal((int)seen["whole"]!["usage"]!["total_tokens"]!, (int)seen["streamedUsage"]!["total_tokens"]!);
        Assert.All(seen["batch"]!.AsArray(), isThere => Assert.True((bool)isThere!));
        Assert.Contains("5", (string)seen["template"]!, StringComparison.Ordinal);
        Assert.Equal("length", (string?)seen["cut"]);
        Assert.Equal(answer[..answer.IndexOf("platform", StringComparison.Ordinal)], (string?)seen["stopped"]);
        Assert.Equal(2, (int)seen["logprobs"]!);
        foreach (string method in (string[])["jsonSchema", "functionCalling", "response", "raw"])
        {
            JsonNode booking = seen["objects"]![method]!;
            Assert.Contains((string?)booking["kind"], (string[])["hotel", "flat"]);
            Assert.InRange((int)booking["nights"]!, 1, 30);
        }

        CheckCalls(seen);
        Assert.Equal([256, 256], seen["embeddings"]!["sizes"]!.AsArray().Select(size => (int)size!));
        Assert.Equal(16, (int)seen["embeddings"]!["cut"]!);
        Assert.InRange((double)seen["embeddings"]!["off"]!, 0, 1e-4);
        Assert.True((bool)seen["completion"]![1]!);
        Assert.Equal((401, "invalid_api_key"), ((int)seen["errors"]!["key"]!["status"]!, (string?)seen["errors"]!["key"]!["code"]));
        Assert.Equal((404, "model_not_found"), ((int)seen["errors"]!["model"]!["status"]!, (string?)seen["errors"]!["model"]!["code"]));
        Assert.Equal("ContextOverflowError", (string?)seen["errors"]!["context"]!["name"]);
        await shared.Server.WaitUntilIdleAsync();
    }

    private static void CheckCalls(JsonNode seen)
    {
        foreach (string form in (string[])["named", "streamedCalls"])
        {
            Assert.NotEmpty(seen[form]!.AsArray());
            Assert.All(seen[form]!.AsArray(), call => Assert.Equal("weather", (string?)call![0]));
            Assert.All(seen[form]!.AsArray(), call => Assert.Contains((string?)call![1], (string[])["Rome", "Oslo"]));
        }

        Assert.All(seen["required"]!.AsArray(), name => Assert.Equal("time", (string?)name));
        Assert.All(seen["results"]!.AsArray(), result => Assert.True((bool)result![0]!));
        Assert.True((bool)seen["after"]!);
    }
}
