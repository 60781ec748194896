using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

public sealed partial class ChatCompletionTests
{
    private const string Path = "/v1/chat/completions";
    private const string Hello = """{"model":"m","messages":[{"role":"user","content":"hi"}]}""";

    [Fact]
    public async Task A_whole_answer_has_openais_keys_in_openais_order()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, Hello);

        JsonObject body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject();
        Assert.Equal(["id", "object", "created", "model", "system_fingerprint", "choices", "usage"], body.Select(property => property.Key));
        Assert.StartsWith("chatcmpl-", (string?)body["id"], StringComparison.Ordinal);
        Assert.Equal(
            """[{"index":0,"message":{"role":"assistant","content":"Hello world","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}]""",
            body["choices"]!.ToJsonString());
        Assert.Equal(5, (int)body["usage"]!["total_tokens"]!);
        Assert.Equal(1, (int)body["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
        Assert.StartsWith("req_", Assert.Single(response.Headers.GetValues("x-request-id")), StringComparison.Ordinal);
        Assert.True(long.Parse(Assert.Single(response.Headers.GetValues("openai-processing-ms")), System.Globalization.CultureInfo.InvariantCulture) >= 0);
    }

    [Fact]
    public async Task A_stream_is_this_very_transcript()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("no-cache", response.Headers.CacheControl!.ToString());
        string transcript = Head().Replace(await response.Content.ReadAsStringAsync(), "HEAD");
        Assert.Equal(
            """
            data: {HEAD,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

            data: {HEAD,"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null}

            data: {HEAD,"choices":[{"index":0,"delta":{"content":" world"},"logprobs":null,"finish_reason":null}],"usage":null}

            data: {HEAD,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

            data: {HEAD,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}

            data: [DONE]


            """,
            transcript);
    }

    [Fact]
    public async Task Parameters_reach_the_inference_service()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, """
            {"model":"m","messages":[{"role":"developer","content":"short"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
             "temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"n":2,"stop":["x","y"],"seed":-3,"max_tokens":9,"presence_penalty":1,"frequency_penalty":-1,
             "repetition_penalty":1.1,"logit_bias":{"5":-100},"logprobs":true,"top_logprobs":4,"stop_token_ids":[8],"ignore_eos":true,"unknown":{"is":"ignored"}}
            """);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        GenerateRequest request = server.Pool.Request!;
        Assert.Equal("""[{"role":"system","content":"short"},{"role":"user","content":"ab"}]""", request.Chat.MessagesJson);
        Assert.Equal((0.5f, 0.9f, 7u, 0.1f), (request.Sampling.Temperature, request.Sampling.TopP, request.Sampling.TopK, request.Sampling.MinP));
        Assert.Equal((1f, -1f, 1.1f, -3L), (request.Sampling.PresencePenalty, request.Sampling.FrequencyPenalty, request.Sampling.RepetitionPenalty, request.Sampling.Seed));
        Assert.Equal((2u, 9u, 4u, true, "p"), (request.N, request.MaxTokens, request.TopLogprobs, request.IgnoreEos, request.Project));
        Assert.Equal(["x", "y"], request.Stop);
        Assert.Equal([8], request.StopTokenIds);
        Assert.Equal(-100, request.Sampling.LogitBias[5]);
    }

    [Theory]
    [InlineData(InferenceError.Overloaded, 429, "engine_overloaded")]
    [InlineData(InferenceError.Unavailable, 503, "unavailable")]
    [InlineData(InferenceError.ContextLengthExceeded, 400, "context_length_exceeded")]
    [InlineData(InferenceError.ModelNotFound, 404, "model_not_found")]
    [InlineData(InferenceError.Internal, 500, null)]
    public async Task A_refusal_before_the_first_event_is_a_real_status_even_for_a_stream(InferenceError error, int status, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Refuse(new InferenceException(error, "no") { RetryAfter = TimeSpan.FromSeconds(2) });

        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal(status, (int)response.StatusCode);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal(["message", "type", "param", "code"], body.AsObject().Select(property => property.Key));
        Assert.Equal(code, (string?)body["code"]);
        Assert.Equal("2", response.Headers.RetryAfter!.ToString());
    }

    [Fact]
    public async Task A_failure_in_mid_stream_is_an_error_event_and_no_done()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = FailAfterOneToken;

        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""");

        string text = await response.Content.ReadAsStringAsync();
        Assert.Contains("Hello", text, StringComparison.Ordinal);
        Assert.EndsWith("""data: {"error":{"message":"The server had an error while processing your request. Please try again.","type":"server_error","param":null,"code":null}}""" + "\n\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_inside_is_a_500_that_tells_nothing_of_it()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = FailAfterOneToken;

        using HttpResponseMessage response = await server.PostAsync(Path, Hello);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.DoesNotContain("secret", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_leaves_cancels_the_generation()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = server.Pool.Hang;
        using var request = new HttpRequestMessage(HttpMethod.Post, Path)
        {
            Content = new StringContent("""{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""", null, "application/json"),
        };

        using (HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            Assert.NotNull(await reader.ReadLineAsync());
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Half_a_character_sends_no_event_and_text_goes_out_as_it_is()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => new[] { ScriptedPool.Prompt(), ScriptedPool.Token(""), ScriptedPool.Token("é\n\ndata: [DONE]</a>\u2028"), ScriptedPool.Finish() }.ToAsyncEnumerable();

        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""");

        string[] frames = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, frames.Length);
        Assert.All(frames, frame => Assert.StartsWith("data: ", frame, StringComparison.Ordinal));
        Assert.Contains("""{"content":"é\n\ndata: [DONE]</a>\u2028"}""", frames[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_is_filled_with_comments()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { KeepAliveInterval = TimeSpan.FromMilliseconds(20) });
        server.Pool.Script = server.Pool.Hang;
        using var request = new HttpRequestMessage(HttpMethod.Post, Path)
        {
            Content = new StringContent("""{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""", null, "application/json"),
        };
        using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        int comments = 0;
        while (comments < 2)
        {
            comments += await reader.ReadLineAsync() is ": keep-alive" ? 1 : 0;
        }
    }

    private static async IAsyncEnumerable<GenerateEvent> Refuse(InferenceException refusal)
    {
        await Task.Yield();
        if (refusal is not null)
        {
            throw refusal;
        }

        yield break;
    }

    private static async IAsyncEnumerable<GenerateEvent> FailAfterOneToken(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedPool.Token("Hello");
        await Task.Yield();
        throw new InvalidDataException("secret");
    }

    [GeneratedRegex("\"id\":\"chatcmpl-[0-9a-f]+\",\"object\":\"chat.completion.chunk\",\"created\":[0-9]+,\"model\":\"m\",\"system_fingerprint\":\"[^\"]+\"")]
    private static partial Regex Head();
}
