using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Anthropic;

/// <summary><c>POST /v1/messages</c>: what is asked of the pool, and how its answers are told.</summary>
public sealed partial class MessageTests
{
    private const string Path = "/v1/messages";
    private const string Hello = """{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Streamed = """{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}""";

    [Fact]
    public async Task A_whole_answer_is_this_very_message()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, Hello);

        string id = Assert.Single(response.Headers.GetValues("request-id"));
        Assert.Equal(
            $$$"""{"id":"msg_{{{id[4..]}}}","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello world"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":2,"output_tokens_details":{"thinking_tokens":0},"service_tier":"standard"}}""",
            await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_stream_is_this_very_transcript()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, Streamed);

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(
            """
            event: message_start
            data: {"type":"message_start","message":{"id":"ID","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0},"service_tier":"standard"}}}

            event: content_block_start
            data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

            event: ping
            data: {"type":"ping"}

            event: content_block_delta
            data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

            event: content_block_delta
            data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" world"}}

            event: content_block_stop
            data: {"type":"content_block_stop","index":0}

            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":2,"output_tokens_details":{"thinking_tokens":0},"service_tier":"standard"}}

            event: message_stop
            data: {"type":"message_stop"}


            """,
            MessageId().Replace(await response.Content.ReadAsStringAsync(), "ID"));
    }

    [Fact]
    public async Task Reasoning_and_calls_are_blocks_of_their_own()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Calls();

        using HttpResponseMessage whole = await server.PostAsync(Path, Hello);
        using HttpResponseMessage stream = await server.PostAsync(Path, Streamed);

        JsonNode message = JsonNode.Parse(await whole.Content.ReadAsStringAsync())!;
        JsonArray blocks = message["content"]!.AsArray();
        Assert.Equal(["thinking", "tool_use", "tool_use"], blocks.Select(block => (string?)block!["type"]));
        Assert.Equal("Hm, hm.", (string?)blocks[0]!["thinking"]);
        Assert.Equal("""{"city":"Rome"}""", blocks[1]!["input"]!.ToJsonString());
        Assert.Equal("{}", blocks[2]!["input"]!.ToJsonString());
        Assert.Matches("^toolu_[A-Za-z0-9]{24}$", (string?)blocks[1]!["id"]);
        Assert.Equal("tool_use", (string?)message["stop_reason"]);
        Assert.Equal(4, (int)message["usage"]!["output_tokens_details"]!["thinking_tokens"]!);
        string signature = (string)blocks[0]!["signature"]!;
        Assert.Equal(
            [
                "message_start", "content_block_start 0 thinking", "ping", "thinking_delta Hm, ", "thinking_delta hm.", $"signature_delta {signature}", "content_block_stop 0",
                "content_block_start 1 tool_use get_weather", "input_json_delta {\"city\"", "input_json_delta : \"Rome\"}", "content_block_stop 1",
                "content_block_start 2 tool_use get_time", "input_json_delta {}", "content_block_stop 2", "message_delta tool_use", "message_stop",
            ],
            Events(await stream.Content.ReadAsStringAsync()).Select(Describe));
    }

    [Fact]
    public async Task Reasoning_can_be_left_out_but_for_its_signature()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Calls();
        const string Fields = """ "model":"m","max_tokens":9,"thinking":{"type":"adaptive","display":"omitted"},"messages":[{"role":"user","content":"hi"}] """;

        using HttpResponseMessage whole = await server.PostAsync(Path, $$"""{{{Fields}}}""");
        using HttpResponseMessage stream = await server.PostAsync(Path, $$"""{{{Fields}},"stream":true}""");

        JsonNode block = JsonNode.Parse(await whole.Content.ReadAsStringAsync())!["content"]![0]!;
        Assert.Equal(("", true), ((string?)block["thinking"], ((string)block["signature"]!).Length > 20));
        Assert.Equal(["content_block_start 0 thinking", "ping", $"signature_delta {block["signature"]}"], Events(await stream.Content.ReadAsStringAsync()).Select(Describe).Skip(1).Take(3));
    }

    [Theory]
    [InlineData(FinishReason.Length, "", 9, "max_tokens")]
    [InlineData(FinishReason.Length, "", 4, "model_context_window_exceeded")]
    [InlineData(FinishReason.Stop, "END", 4, "stop_sequence")]
    [InlineData(FinishReason.Stop, "", 4, "end_turn")]
    public async Task Ends_are_told_as_anthropic_tells_them(FinishReason reason, string stop, uint tokens, string expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Ending(new Finish { Reason = reason, StopText = stop, GeneratedTokens = tokens });

        using HttpResponseMessage whole = await server.PostAsync(Path, Hello);
        using HttpResponseMessage stream = await server.PostAsync(Path, Streamed);

        JsonNode message = JsonNode.Parse(await whole.Content.ReadAsStringAsync())!;
        JsonNode delta = Events(await stream.Content.ReadAsStringAsync()).Single(data => (string?)data["type"] == "message_delta")["delta"]!;
        foreach (JsonNode end in (JsonNode[])[message, delta])
        {
            Assert.Equal((expected, stop.Length > 0 ? stop : null), ((string?)end["stop_reason"], (string?)end["stop_sequence"]));
        }
    }

    [Fact]
    public async Task A_call_that_was_cut_off_is_told_as_what_it_is()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => new[]
        {
            ScriptedPool.Prompt(),
            new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Name = "f", Arguments = "{\"a\":" } } } },
            ScriptedPool.Finish(FinishReason.Length),
        }.ToAsyncEnumerable();

        using HttpResponseMessage response = await server.PostAsync(Path, Hello);

        JsonNode message = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal("""{"INVALID_JSON":"{\u0022a\u0022:"}""", message["content"]![0]!["input"]!.ToJsonString());
        Assert.Equal("max_tokens", (string?)message["stop_reason"]);
    }

    [Fact]
    public async Task Parameters_reach_the_inference_service()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, """
            {"model":"m","max_tokens":9,"temperature":0.5,"top_p":0,"top_k":7,"stop_sequences":["a","b"],"metadata":{"user_id":"u"},"service_tier":"auto",
             "messages":[{"role":"user","content":"hi"}],"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},"thinking":{"type":"enabled","budget_tokens":2000},
             "tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}
            """);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        GenerateRequest request = server.Pool.Request!;
        Assert.Equal((0.5f, 7u), (request.Sampling.Temperature, request.Sampling.TopK));
        Assert.InRange(request.Sampling.TopP, float.Epsilon, 1e-5f);
        Assert.Equal((9u, true, "p"), (request.MaxTokens, request.FitMaxTokens, request.Project));
        Assert.Equal(["a", "b"], request.Stop);
        Assert.Equal("""{"type":"object"}""", request.JsonSchema);
        Assert.Equal("""{"reasoning_effort":"high","enable_thinking":true}""", request.Chat.TemplateVariablesJson);
        Assert.Equal("""[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}]""", request.Chat.ToolsJson);
        Assert.True(request.Chat.SingleToolCall);
        Assert.False(request.Chat.HasForcedTool);
    }

    [Theory]
    [InlineData("""{"type":"any"}""", "", true)]
    [InlineData("""{"type":"tool","name":"f"}""", "f", true)]
    [InlineData("""{"type":"none"}""", null, false)]
    [InlineData("""{"type":"auto"}""", null, true)]
    public async Task Choices_of_tools_reach_the_inference_service(string choice, string? forced, bool hasTools)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(
            Path, $$$"""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{{{choice}}}}""");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        ChatPrompt chat = server.Pool.Request!.Chat;
        Assert.Equal((forced, hasTools), (chat.HasForcedTool ? chat.ForcedTool : null, chat.ToolsJson.Length > 0));
        Assert.Equal("""{"enable_thinking":false}""", chat.TemplateVariablesJson);
    }

    [Fact]
    public async Task Tokens_are_counted_with_everything_that_makes_the_prompt()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        CountTokensRequest? asked = null;
        server.Pool.Counts = request =>
        {
            asked = request;
            return new CountTokensResponse { Tokens = 17 };
        };

        using HttpResponseMessage response = await server.PostAsync(
            Path + "/count_tokens", """{"model":"m","system":"s","messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}""");

        Assert.Equal("""{"input_tokens":17}""", await response.Content.ReadAsStringAsync());
        Assert.Equal("m", asked!.Model);
        Assert.Equal("""[{"role":"system","content":"s"},{"role":"user","content":"hi"}]""", asked.Chat.MessagesJson);
        Assert.Contains("\"f\"", asked.Chat.ToolsJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_is_filled_with_pings()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { KeepAliveInterval = TimeSpan.FromMilliseconds(20) });
        server.Pool.Script = server.Pool.Hang;
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Streamed, null, "application/json") };
        using (HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            for (int pings = 0; pings < 3;)
            {
                pings += await reader.ReadLineAsync() == "event: ping" ? 1 : 0;
            }
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_failure_in_mid_stream_is_an_error_event()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, token) => ScriptedAnswers.FailAfterOneToken(new InferenceException(InferenceError.Unavailable, "The node is gone."), token);

        using HttpResponseMessage response = await server.PostAsync(Path, Streamed);

        string id = Assert.Single(response.Headers.GetValues("request-id"));
        Assert.EndsWith(
            $$"""
            event: error
            data: {"type":"error","error":{"type":"overloaded_error","message":"The node is gone."},"request_id":"{{id}}"}


            """,
            await response.Content.ReadAsStringAsync(),
            StringComparison.Ordinal);
    }

    private static IEnumerable<JsonNode> Events(string stream) =>
        stream.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line["data: ".Length..])!);

    private static string Describe(JsonNode data) => (string)data["type"]! switch
    {
        "content_block_delta" => $"{data["delta"]!["type"]} {data["delta"]!.AsObject().Last().Value}",
        "content_block_start" => $"content_block_start {data["index"]} {data["content_block"]!["type"]} {data["content_block"]!["name"]}".TrimEnd(),
        "content_block_stop" => $"content_block_stop {data["index"]}",
        "message_delta" => $"message_delta {data["delta"]!["stop_reason"]}",
        string type => type,
    };

    [GeneratedRegex("msg_[0-9a-f]{24}")]
    private static partial Regex MessageId();
}
