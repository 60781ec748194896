using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What Anthropic's official JavaScript client sees, from one run of tests/interop/clients/anthropic.mjs.</summary>
[Collection(nameof(SharedServer))]
public sealed class AnthropicClientTests(SharedServer shared)
{
    [Fact]
    public async Task The_official_client_gets_through_the_whole_api()
    {
        JsonNode seen = await shared.RunAsync("clients/anthropic.mjs");

        Assert.Equal("""[["model","helix-tiny","helix-tiny"]]""", seen["models"]!.ToJsonString());
        Assert.Equal((Server.Model, 1), ((string?)seen["model"], (int)seen["bearer"]!));
        string answer = (string)seen["whole"]!["content"]![0]!["text"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        Assert.StartsWith("req_", (string?)seen["requestId"], StringComparison.Ordinal);
        Assert.Equal((answer, answer, answer), ((string?)seen["deltas"], (string?)seen["streamed"]!["content"]![0]!["text"], (string?)seen["raw"]));
        Assert.Equal(["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"], seen["events"]!.AsArray().Select(name => (string?)name));
        CheckUsage(seen);
        Assert.Equal(("max_tokens", "end_turn"), ((string?)seen["short"], (string?)seen["huge"]));
        Assert.Equal(["stop_sequence", "platform", answer[..answer.IndexOf("platform", StringComparison.Ordinal)]], seen["stopped"]!.AsArray().Select(value => (string?)value));
        Assert.Contains("5", (string)seen["system"]!, StringComparison.Ordinal);
        Assert.Equal(["answer", "size"], seen["structured"]!.AsObject().Select(property => property.Key).Order());
        Assert.True((int)seen["told"]! > 20, "the prompt does not tell of the tools");
        Assert.Equal("message", (string?)seen["results"]);
        Assert.Equal("APIUserAbortError", (string?)seen["abort"]);
        CheckErrors(seen["errors"]!);
        await shared.Server.WaitUntilIdleAsync();
    }

    private static void CheckUsage(JsonNode seen)
    {
        JsonNode usage = seen["whole"]!["usage"]!;
        int prompt = (int)seen["counted"]!;
        Assert.Equal(prompt, (int)usage["input_tokens"]! + (int)usage["cache_read_input_tokens"]!);
        int[][] cached = [.. seen["cached"]!.AsArray().Select(counts => counts!.AsArray().Select(count => (int)count!).ToArray())];
        Assert.Equal(cached[0].Sum(), cached[1].Sum());
        Assert.True(cached[1][1] > cached[1][0], "the second of two equal prompts was computed again");
        Assert.Equal((int)usage["output_tokens"]!, (int)seen["streamed"]!["usage"]!["output_tokens"]!);
        Assert.Equal("end_turn", (string?)seen["streamed"]!["stop_reason"]);
    }

    private static void CheckErrors(JsonNode errors)
    {
        AssertError(errors["key"], "AuthenticationError", 401, "authentication_error");
        AssertError(errors["model"], "NotFoundError", 404, "not_found_error");
        AssertError(errors["streamed"], "NotFoundError", 404, "not_found_error");
        AssertError(errors["path"], "NotFoundError", 404, "not_found_error");
        foreach (string name in (string[])["param", "missing", "context", "image", "server", "prefill", "schema"])
        {
            AssertError(errors[name], "BadRequestError", 400, "invalid_request_error");
        }

        Assert.Contains("max_tokens", (string)errors["missing"]!["message"]!, StringComparison.Ordinal);
        Assert.Contains("output_config.format.schema", (string)errors["schema"]!["message"]!, StringComparison.Ordinal);
    }

    private static void AssertError(JsonNode? error, string name, int status, string type)
    {
        Assert.Equal((name, status, type), ((string?)error!["name"], (int)error["status"]!, (string?)error["type"]));
        Assert.StartsWith("req_", (string?)error["requestID"], StringComparison.Ordinal);
    }
}
