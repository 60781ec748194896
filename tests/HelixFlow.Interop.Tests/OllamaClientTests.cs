using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What Ollama's official JavaScript client sees, from one run of tests/interop/clients/ollama.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class OllamaClientTests(SharedServer shared)
{
    [Fact]
    public async Task The_official_client_gets_through_the_whole_api()
    {
        JsonNode seen = await shared.RunAsync("clients/ollama.mjs");

        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+$", (string?)seen["version"]);
        CheckModels(seen);
        string answer = (string)seen["chat"]!["message"]!["content"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        foreach (string form in (string[])["streamed", "generated", "generatedStream"])
        {
            Assert.Equal(answer, (string?)seen[form]);
        }

        CheckFigures(seen["last"]!);
        Assert.InRange((int)seen["raw"]!, 1, 4);
        Assert.Equal("length", (string?)seen["short"]);
        Assert.Equal(answer[..answer.IndexOf("platform", StringComparison.Ordinal)], (string?)seen["stopped"]);
        Assert.Equal((string?)seen["seeded"]![0], (string?)seen["seeded"]![1]);
        Assert.StartsWith("{", (string?)seen["json"], StringComparison.Ordinal); // a small model does not end it by itself
        Assert.Equal(["answer"], seen["structured"]!.AsObject().Select(property => property.Key));
        Assert.All(seen["logprobs"]!.AsArray(), token => Assert.Equal(2, token!["top_logprobs"]!.AsArray().Count));
        Assert.Equal([4, 4], seen["embed"]!["embeddings"]!.AsArray().Select(vector => vector!.AsArray().Count));
        Assert.True((int)seen["embedding"]! >= 64);
        Assert.Equal("assistant", (string?)seen["results"]);
        Assert.Equal(["success"], seen["pulled"]!.AsArray().Select(status => (string?)status));
        Assert.Equal("AbortError", (string?)seen["abort"]);
        CheckErrors(seen["errors"]!);
        await shared.Server.WaitUntilIdleAsync();
    }

    private static void CheckModels(JsonNode seen)
    {
        JsonNode listed = Assert.Single(seen["list"]!.AsArray())!;
        Assert.Equal((Server.Model, Server.Model), ((string?)listed["name"], (string?)listed["model"]));
        Assert.True((long)listed["size"]! > 100_000);
        JsonNode shown = seen["show"]!;
        Assert.Equal(["completion", "tools"], shown["capabilities"]!.AsArray().Select(capability => (string?)capability));
        string architecture = (string)shown["model_info"]!["general.architecture"]!;
        foreach (string key in (string[])["context_length", "embedding_length", "block_count"])
        {
            Assert.True((int)shown["model_info"]![$"{architecture}.{key}"]! > 0);
        }

        Assert.Equal((string?)listed["details"]!["family"], architecture);
        Assert.Equal(("load", ""), ((string?)seen["loaded"]!["done_reason"], (string?)seen["loaded"]!["response"]));
        Assert.Equal((string?)listed["digest"], (string?)Assert.Single(seen["ps"]!.AsArray())!["digest"]);
    }

    private static void CheckFigures(JsonNode last)
    {
        Assert.Equal((true, "stop"), ((bool)last["done"]!, (string?)last["done_reason"]));
        long parts = 0;
        foreach (string part in (string[])["load_duration", "prompt_eval_duration", "eval_duration"])
        {
            Assert.True((long)last[part]! > 0, part);
            parts += (long)last[part]!;
        }

        Assert.InRange((long)last["total_duration"]!, parts, long.MaxValue);
        Assert.True((int)last["prompt_eval_count"]! > 0 && (int)last["eval_count"]! > 0);
    }

    private static void CheckErrors(JsonNode errors)
    {
        AssertError(errors["key"], 401, "API key");
        AssertError(errors["model"], 404, "model 'nope' not found");
        AssertError(errors["streamed"], 404, "model 'nope' not found");
        AssertError(errors["option"], 400, "options.temperature");
        AssertError(errors["think"], 400, "does not support thinking");
        AssertError(errors["context"], 400, "maximum context length");
        AssertError(errors["image"], 400, "images");
        AssertError(errors["pull"], 404, "cannot pull 'llama3.2'");
        AssertError(errors["create"], 403, "not supported");
        AssertError(errors["delete"], 403, "not supported");
    }

    private static void AssertError(JsonNode? error, int status, string message)
    {
        Assert.Equal(("ResponseError", status), ((string?)error!["name"], (int)error["status"]!));
        Assert.Contains(message, (string)error["message"]!, StringComparison.Ordinal);
    }
}
