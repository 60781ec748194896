using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Google.Protobuf;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>The very fields of streamed and whole answers, and what a client's side can do to them.</summary>
public sealed partial class AnswerShapeTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task A_stream_of_completions_is_this_very_transcript()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Completions, """{"model":"m","stream":true,"stream_options":{"include_usage":true},"prompt":"hi","logprobs":0}""");

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string transcript = Head().Replace(await response.Content.ReadAsStringAsync(), "HEAD");
        Assert.Equal(
            """
            data: {HEAD,"choices":[{"text":"Hello","index":0,"logprobs":{"tokens":["Hello"],"token_logprobs":[-0.5],"top_logprobs":[{}],"text_offset":[0]},"finish_reason":null}],"usage":null}

            data: {HEAD,"choices":[{"text":" world","index":0,"logprobs":{"tokens":[" world"],"token_logprobs":[-0.5],"top_logprobs":[{}],"text_offset":[5]},"finish_reason":null}],"usage":null}

            data: {HEAD,"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}

            data: {HEAD,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}

            data: [DONE]


            """,
            transcript);
    }

    [Fact]
    public async Task Without_being_asked_for_usage_a_stream_has_none()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string path, string prompt) in ((string, string)[])[(Completions, "\"prompt\":\"hi\""), (Chat, "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]")])
        {
            using HttpResponseMessage response = await server.PostAsync(path, $$"""{"model":"m","stream":true,{{prompt}}}""");

            Assert.DoesNotContain("usage", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Log_probabilities_of_a_chat_have_openais_shape_streamed_and_whole()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => new[] { ScriptedPool.Prompt(), Measured(), ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 1 } } }.ToAsyncEnumerable();
        const string Expected = """{"content":[{"token":"é","logprob":-0.25,"bytes":[195,169],"top_logprobs":[{"token":"é","logprob":-0.25,"bytes":[195,169]},{"token":"e","logprob":-9999,"bytes":[101]}]}],"refusal":null}""";

        using HttpResponseMessage whole = await server.PostAsync(Chat, """{"model":"m","logprobs":true,"top_logprobs":2,"messages":[{"role":"user","content":"hi"}]}""");
        using HttpResponseMessage streamed = await server.PostAsync(Chat, """{"model":"m","stream":true,"logprobs":true,"top_logprobs":2,"messages":[{"role":"user","content":"hi"}]}""");
        using HttpResponseMessage without = await server.PostAsync(Chat, """{"model":"m","messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal(Expected, Raw(JsonNode.Parse(await whole.Content.ReadAsStringAsync())!["choices"]![0]!["logprobs"]));
        List<JsonNode> events = await EventsAsync(streamed);
        Assert.Equal(["null", Expected, "null"], events.Select(next => Raw(next["choices"]![0]!["logprobs"])));
        Assert.Null(JsonNode.Parse(await without.Content.ReadAsStringAsync())!["choices"]![0]!["logprobs"]);
    }

    [Theory]
    [InlineData(Chat, "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]")]
    [InlineData(Completions, "\"prompt\":\"hi\"")]
    public async Task Three_choices_stream_side_by_side_each_with_one_end_and_then_the_usage(string path, string prompt)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(path, $$"""{"model":"m","n":3,"stream":true,"stream_options":{"include_usage":true},{{prompt}}}""");

        List<JsonNode> events = await EventsAsync(response);
        Assert.Single(events.Select(next => (string)next["id"]!).Distinct());
        JsonNode[] choices = [.. events.SkipLast(1).Select(next => Assert.Single(next["choices"]!.AsArray())!)];
        for (int index = 0; index < 3; index++)
        {
            JsonNode[] own = [.. choices.Where(choice => (int)choice["index"]! == index)];
            Assert.Equal("Hello world", string.Concat(own.Select(choice => (string?)choice["text"] ?? (string?)choice["delta"]?["content"])));
            Assert.Equal("stop", (string?)own[^1]["finish_reason"]);
            Assert.All(own.SkipLast(1), choice => Assert.Null(choice["finish_reason"]));
            Assert.Equal(path == Chat ? 1 : 0, own.Count(choice => choice["delta"]?["role"] is not null));
        }

        Assert.Equal([0, 1, 2], choices.Select(choice => (int)choice["index"]!).Distinct().Order());
        Assert.All(events.SkipLast(1), next => Assert.Null(next["usage"]));
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal((3, 6, 9), ((int)events[^1]["usage"]!["prompt_tokens"]!, (int)events[^1]["usage"]!["completion_tokens"]!, (int)events[^1]["usage"]!["total_tokens"]!));
    }

    [Theory]
    [InlineData(Chat, "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]")]
    [InlineData(Completions, "\"prompt\":\"hi\"")]
    public async Task A_client_that_leaves_before_its_whole_answer_cancels_the_generation(string path, string prompt)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Pool.Script = (request, token) =>
        {
            asked.TrySetResult();
            return server.Pool.Hang(request, token);
        };
        using var leaving = new CancellationTokenSource();
        Task<HttpResponseMessage> answer = server.Client.PostAsync(path, new StringContent($$"""{"model":"m",{{prompt}}}""", Encoding.UTF8, "application/json"), leaving.Token);
        await asked.Task.WaitAsync(Patience);
        Assert.False(server.Pool.Left.Task.IsCompleted);

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
        await server.Pool.Left.Task.WaitAsync(Patience);
    }

    [Theory]
    [InlineData(Chat)]
    [InlineData(Completions)]
    public async Task A_body_in_chunks_is_bounded_too(string path)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 1000 });
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent($$"""{"model":"{{new string('m', 2000)}}"}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.TransferEncodingChunked = true; // no Content-Length announces its size

        using HttpResponseMessage response = await server.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("request_too_large", (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!["code"]);
        Assert.Null(server.Pool.Request);
    }

    [GeneratedRegex("\"id\":\"cmpl-[0-9a-f]+\",\"object\":\"text_completion\",\"created\":[0-9]+,\"model\":\"m\",\"system_fingerprint\":\"[^\"]+\"")]
    private static partial Regex Head();

    private static GenerateEvent Measured()
    {
        TokenLogprob Of(string text, float logprob) => new() { Text = text, Bytes = ByteString.CopyFromUtf8(text), Logprob = logprob };
        GenerateEvent next = ScriptedPool.Token("é");
        TokenLogprob token = Of("é", -0.25f);
        token.Top.Add([Of("é", -0.25f), Of("e", float.NegativeInfinity)]);
        next.Token.Tokens.Add(token);
        return next;
    }

    private static string Raw(JsonNode? node) => node is null ? "null" : Regex.Unescape(node.ToJsonString());

    private static async Task<List<JsonNode>> EventsAsync(HttpResponseMessage response)
    {
        string[] frames = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", frames[^1]);
        return [.. frames.SkipLast(1).Select(frame => JsonNode.Parse(frame["data: ".Length..])!)];
    }
}
