using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What OpenAI's official JavaScript client sees, from one run of tests/interop/clients/openai.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class JavaScriptClientTests(SharedServer shared)
{
    [Fact]
    public async Task The_official_client_gets_through_the_whole_api()
    {
        JsonNode seen = await shared.RunAsync("clients/openai.mjs");

        Assert.Equal([Server.Model], seen["models"]!.AsArray().Select(id => (string?)id));
        Assert.Equal(Server.Model, (string?)seen["model"]);
        string answer = (string)seen["whole"]!["choices"]![0]!["message"]!["content"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        Assert.Contains("language models", answer, StringComparison.Ordinal);
        Assert.Equal(answer, (string?)seen["streamed"]);
        Assert.Equal(["stop"], seen["finishReasons"]!.AsArray().Select(reason => (string?)reason));
        Assert.Equal((int)seen["usage"]!["prompt_tokens"]! + (int)seen["usage"]!["completion_tokens"]!, (int)seen["usage"]!["total_tokens"]!);
        Assert.NotEmpty((string)seen["accumulated"]!);
        Assert.Equal("length", (string?)seen["short"]);
        Assert.Equal(answer[..answer.IndexOf("platform", StringComparison.Ordinal)], (string?)seen["stopped"]);
        Assert.Equal([0, 1], seen["two"]!.AsArray().Select(choice => (int)choice![0]!));
        Assert.Equal((string?)seen["seeded"]![0], (string?)seen["seeded"]![1]);
        Assert.Contains("5", (string)seen["system"]!, StringComparison.Ordinal);
        Assert.True((int)seen["tools"]![0]! > 50, "the prompt does not tell of the tools");
        Assert.Equal("string", (string?)seen["tools"]![1]);
        Assert.Equal("chat.completion", (string?)seen["results"]);
        Assert.Equal("get_weather", (string?)seen["forced"]);
        Assert.Equal((400, "tool_choice"), ((int)seen["errors"]!["forced"]!["status"]!, (string?)seen["errors"]!["forced"]!["param"]));
        await shared.Server.WaitUntilIdleAsync();

        Check(seen["logprobs"]!.AsArray());
        CheckCompletions(seen);
        CheckErrors(seen["errors"]!);
    }

    private static void Check(JsonArray logprobs)
    {
        Assert.Equal(2, logprobs.Count);
        foreach (JsonNode? token in logprobs)
        {
            Assert.InRange((double)token!["logprob"]!, -1000, 0);
            Assert.Equal(3, token["top_logprobs"]!.AsArray().Count);
            byte[] bytes = [.. token["bytes"]!.AsArray().Select(value => (byte)value!)];
            Assert.Equal((string?)token["token"], System.Text.Encoding.UTF8.GetString(bytes));
        }
    }

    private static void CheckCompletions(JsonNode seen)
    {
        JsonNode choice = seen["completion"]!["choices"]![0]!;
        string[] tokens = [.. choice["logprobs"]!["tokens"]!.AsArray().Select(token => (string)token!)];
        Assert.Equal(4, (int)seen["completion"]!["usage"]!["prompt_tokens"]!);
        Assert.StartsWith((string)choice["text"]!, string.Concat(tokens), StringComparison.Ordinal);
        Assert.Equal([0, 1, 2, 3], seen["completions"]!.AsArray().Select(index => (int)index!));
        Assert.NotEmpty((string)seen["completionStream"]!);
    }

    private static void CheckErrors(JsonNode errors)
    {
        AssertError(errors["key"], "AuthenticationError", 401, "invalid_api_key", null);
        AssertError(errors["model"], "NotFoundError", 404, "model_not_found", "model");
        AssertError(errors["param"], "BadRequestError", 400, "decimal_above_max_value", "temperature");
        AssertError(errors["role"], "BadRequestError", 400, "invalid_value", "messages[0].role");
        AssertError(errors["context"], "BadRequestError", 400, "context_length_exceeded", "messages");
        AssertError(errors["tools"], "BadRequestError", 400, "invalid_value", "tools[0].function.name");
    }

    private static void AssertError(JsonNode? error, string name, int status, string code, string? param)
    {
        Assert.Equal(name, (string?)error!["name"]);
        Assert.Equal(status, (int)error["status"]!);
        Assert.Equal(code, (string?)error["code"]);
        Assert.Equal(param, (string?)error["param"]);
        Assert.Equal("invalid_request_error", (string?)error["type"]);
    }
}
