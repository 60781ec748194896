using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Gateway.Tests.Sockets;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Realtime;

/// <summary>The Realtime API over real sockets: what is answered, and in which order it is told.</summary>
public sealed class RealtimeTests
{
    private const string Path = "/v1/realtime?model=org/model";
    private const string Hello = """{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}}""";
    private const string Weather = """[{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}, {"type": "function", "name": "get_time"}]""";

    [Fact]
    public async Task A_text_is_told_in_the_order_of_the_api()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, Path);
        JsonNode created = (await client.NextAsync("session.created"))["session"]!;
        await client.SendAsync(Hello);
        JsonNode added = await client.NextAsync("conversation.item.added");
        JsonNode done = await client.NextAsync("conversation.item.done");
        await client.SendAsync("""{"type": "response.create", "response": {"metadata": {"a": "b"}}}""");
        List<JsonNode> events = await client.UntilAsync("response.done");

        Assert.Equal(("realtime", "realtime.session", "org/model", """["text"]"""), ((string?)created["type"], (string?)created["object"], (string?)created["model"], created["output_modalities"]!.ToJsonString()));
        Assert.Equal(("inf", "auto", ""), ((string?)created["max_output_tokens"], (string?)created["tool_choice"], (string?)created["instructions"]));
        Assert.Null(added["previous_item_id"]);
        Assert.Equal(added["item"]!.ToJsonString(), done["item"]!.ToJsonString());
        Assert.Equal(
            [
                "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done", "response.output_item.done", "conversation.item.done", "response.done",
            ],
            ResponseClient.TypesOf(events));
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("in_progress", "completed", "b"), ((string?)events[0]["response"]!["status"], (string?)response["status"], (string?)response["metadata"]!["a"]));
        Assert.Equal("Hello world", (string?)response["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal((3, 2, 5, 1), ((int)response["usage"]!["input_tokens"]!, (int)response["usage"]!["output_tokens"]!, (int)response["usage"]!["total_tokens"]!, (int)response["usage"]!["input_token_details"]!["cached_tokens"]!));
        Assert.Equal((string?)done["item"]!["id"], (string?)events[2]["previous_item_id"]);
        Assert.Equal(events[1]["item"]!.ToJsonString(), events[2]["item"]!.ToJsonString());
        Assert.Equal(events[^3]["item"]!.ToJsonString(), events[^2]["item"]!.ToJsonString());
        Assert.Equal(events.Count, events.Select(next => (string)next["event_id"]!).Distinct().Count());
        Assert.All(events.Where(next => next["response_id"] is not null), next => Assert.Equal((string?)response["id"], (string?)next["response_id"]));
    }

    [Fact]
    public async Task Calls_are_told_piece_by_piece_and_answered_with_their_results()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Calls();
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync($$"""{"type": "session.update", "session": {"type": "realtime", "tools": {{Weather}}, "tool_choice": {"type": "function", "name": "get_weather"} } }""");
        JsonNode session = (await client.NextAsync("session.updated"))["session"]!;
        await client.SendAsync(Hello);
        await client.UntilAsync("conversation.item.done");
        await client.SendAsync("""{"type": "response.create"}""");
        List<JsonNode> events = await client.UntilAsync("response.done");

        Assert.Equal(("get_weather", "get_weather"), ((string?)session["tools"]![0]!["name"], server.Pool.Request!.Chat.ForcedTool));
        Assert.Equal(
            [
                "response.created",
                "response.output_item.added", "conversation.item.added", "response.function_call_arguments.delta", "response.function_call_arguments.delta",
                "response.function_call_arguments.done", "response.output_item.done", "conversation.item.done",
                "response.output_item.added", "conversation.item.added", "response.function_call_arguments.delta",
                "response.function_call_arguments.done", "response.output_item.done", "conversation.item.done",
                "response.done",
            ],
            ResponseClient.TypesOf(events));
        JsonNode output = events[^1]["response"]!["output"]!;
        Assert.Equal(("get_weather", """{"city": "Rome"}"""), ((string?)output[0]!["name"], (string?)output[0]!["arguments"]));
        Assert.Equal((string?)output[0]!["call_id"], (string?)events[3]["call_id"]);

        // The model is asked again when all results are there, and not before.
        Assert.Equal("input", (string?)(await client.FailAsync("""{"type": "response.create"}"""))["param"]);
        server.Pool.Script = (_, _) => ScriptedAnswers.Words("Sunny");
        foreach (JsonNode? call in output.AsArray())
        {
            await client.SendAsync($$"""{"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "{{call!["call_id"]}}", "output": "22 degrees"} }""");
            await client.UntilAsync("conversation.item.done");
        }

        await client.SendAsync("""{"type": "response.create", "response": {"tool_choice": "none"}}""");
        await client.UntilAsync("response.done");
        JsonArray messages = JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray();
        Assert.Equal(["user", "assistant", "tool", "tool"], messages.Select(message => (string)message!["role"]!));
        Assert.Equal("", server.Pool.Request.Chat.ToolsJson);
    }

    [Fact]
    public async Task A_session_keeps_what_was_set_and_a_response_may_differ_once()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync("""{"type": "session.update", "session": {"type": "realtime", "instructions": "Be kind.", "max_output_tokens": 7, "temperature": 0.5, "output_modalities": ["text"]}}""");
        JsonNode session = (await client.NextAsync("session.updated"))["session"]!;
        await client.SendAsync("""{"type": "response.create", "response": {"instructions": "Be brief.", "max_output_tokens": "inf", "conversation": "none", "input": []}}""");
        List<JsonNode> aside = await client.UntilAsync("response.done");
        string messages = server.Pool.Request!.Chat.MessagesJson;
        bool isBounded = server.Pool.Request.HasMaxTokens;
        await client.SendAsync("""{"type": "response.create"}""");
        List<JsonNode> own = await client.UntilAsync("response.done");

        Assert.Equal(("Be kind.", 7), ((string?)session["instructions"], (int)session["max_output_tokens"]!));
        Assert.Equal(("Be brief.", false), ((string?)JsonNode.Parse(messages)![0]!["content"], isBounded));
        Assert.Null(aside[0]["response"]!["conversation_id"]);
        Assert.DoesNotContain("conversation.item.added", ResponseClient.TypesOf(aside));
        Assert.Equal(("Be kind.", 7u, 0.5f), ((string?)JsonNode.Parse(server.Pool.Request.Chat.MessagesJson)![0]!["content"], server.Pool.Request.MaxTokens, server.Pool.Request.Sampling.Temperature));
        Assert.StartsWith("conv_", (string?)own[0]["response"]!["conversation_id"], StringComparison.Ordinal);
        Assert.StartsWith("req_", server.Pool.Request.RequestId, StringComparison.Ordinal);
        Assert.Equal("p", server.Pool.Request.Project);
    }

    [Fact]
    public async Task Items_are_placed_fetched_and_deleted()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await OpenAsync(server);
        foreach ((string id, string? after) in ((string, string?)[])[("b", null), ("a", "root"), ("d", null), ("c", "b")])
        {
            await client.SendAsync($$"""{"type": "conversation.item.create", "previous_item_id": {{(after is null ? "null" : $"\"{after}\"")}}, "item": {"id": "{{id}}", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "{{id}}"}]} }""");
            JsonNode added = await client.NextAsync("conversation.item.added");
            Assert.Equal(after == "root" ? null : after ?? (id == "d" ? "b" : null), (string?)added["previous_item_id"]);
            await client.NextAsync("conversation.item.done");
        }

        await client.SendAsync("""{"type": "conversation.item.retrieve", "item_id": "c"}""");
        JsonNode retrieved = await client.NextAsync("conversation.item.retrieved");
        await client.SendAsync("""{"type": "conversation.item.delete", "item_id": "b"}""");
        JsonNode deleted = await client.NextAsync("conversation.item.deleted");
        await client.SendAsync("""{"type": "response.create", "response": {"conversation": "none"}}""");
        await client.UntilAsync("response.done");

        Assert.Equal(("c", "b"), ((string?)retrieved["item"]!["content"]![0]!["text"], (string?)deleted["item_id"]));
        Assert.Equal(["a", "c", "d"], JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string)message!["content"]!));
        Assert.Equal("item_not_found", (string?)(await client.FailAsync("""{"type": "conversation.item.delete", "item_id": "b"}"""))["code"]);
        await client.SendAsync("""{"type": "response.create", "response": {"conversation": "none", "input": [{"type": "item_reference", "id": "d"}]}}""");
        await client.UntilAsync("response.done");
        Assert.Equal(["d"], JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string)message!["content"]!));
    }

    [Fact]
    public async Task A_cancelled_response_says_what_it_has_and_another_may_begin()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = server.Pool.Hang;
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Hello);
        await client.SendAsync("""{"type": "response.create"}""");
        await client.UntilAsync("response.output_text.delta");
        JsonNode second = await client.FailAsync("""{"type": "response.create", "event_id": "mine"}""");
        await client.SendAsync("""{"type": "response.cancel"}""");
        List<JsonNode> events = await client.UntilAsync("response.done");
        await server.Pool.Left.Task;
        server.Pool.Script = (_, _) => ScriptedAnswers.Words("Again");
        await client.SendAsync("""{"type": "response.create"}""");
        List<JsonNode> again = await client.UntilAsync("response.done");

        Assert.Equal(("conversation_already_has_active_response", "mine"), ((string?)second["code"], (string?)second["event_id"]));
        Assert.Equal(
            ["response.output_text.done", "response.content_part.done", "response.output_item.done", "conversation.item.done", "response.done"], ResponseClient.TypesOf(events));
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("cancelled", "client_cancelled", "incomplete"), ((string?)response["status"], (string?)response["status_details"]!["reason"], (string?)response["output"]![0]!["status"]));
        Assert.Equal("completed", (string?)again[^1]["response"]!["status"]);
        Assert.Equal("response_cancel_not_active", (string?)(await client.FailAsync("""{"type": "response.cancel"}"""))["code"]);
    }

    [Fact]
    public async Task Responses_that_end_badly_say_how()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Hello);
        await client.UntilAsync("conversation.item.done");
        async Task<JsonNode> AnswerAsync(IAsyncEnumerable<GenerateEvent> script)
        {
            server.Pool.Script = (_, _) => script;
            await client.SendAsync("""{"type": "response.create"}""");
            return (await client.UntilAsync("response.done"))[^1]["response"]!;
        }

        JsonNode cut = await AnswerAsync(ScriptedAnswers.Ending(new Finish { Reason = FinishReason.Length }));
        JsonNode refused = await AnswerAsync(ScriptedAnswers.Refuse(new InferenceException(InferenceError.Overloaded, "busy")));
        JsonNode broken = await AnswerAsync(ScriptedAnswers.FailAfterOneToken(new InvalidOperationException("secret")));

        Assert.Equal(("incomplete", "max_output_tokens"), ((string?)cut["status"], (string?)cut["status_details"]!["reason"]));
        Assert.Equal(("failed", "engine_overloaded"), ((string?)refused["status"], (string?)refused["status_details"]!["error"]!["code"]));
        Assert.Equal(("failed", "server_error", "incomplete"), ((string?)broken["status"], (string?)broken["status_details"]!["error"]!["type"], (string?)broken["output"]![0]!["status"]));
        Assert.DoesNotContain("secret", broken.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "marin"}}}}""", "session.audio", "unsupported_parameter")]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "output_modalities": ["audio"]}}""", "session.output_modalities", "unsupported_value")]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "tracing": "auto"}}""", "session.tracing", "unsupported_parameter")]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "colour": 1}}""", "session.colour", "unknown_parameter")]
    [InlineData("""{"type": "session.update", "session": {"type": "transcription"}}""", "session.type", "unsupported_value")]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "tools": [{"type": "mcp", "server_label": "x"}]}}""", "session.tools[0].type", "unsupported_value")]
    [InlineData("""{"type": "session.update", "session": {"type": "realtime", "tool_choice": "required"}}""", "session.tool_choice", "invalid_value")]
    [InlineData("""{"type": "session.update", "session": {"instructions": "x"}}""", "session.type", "missing_required_parameter")]
    [InlineData("""{"type": "session.update"}""", "session", "missing_required_parameter")]
    [InlineData("""{"type": "response.create", "response": {"max_output_tokens": 0}}""", "response.max_output_tokens", "decimal_below_min_value")]
    [InlineData("""{"type": "response.create", "response": {"conversation": "other"}}""", "response.conversation", "invalid_value")]
    [InlineData("""{"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}]}}""", "response.input[0].id", "item_not_found")]
    [InlineData("""{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": ""}]}}""", "item.content[0].type", "unsupported_value")]
    [InlineData("""{"type": "conversation.item.create", "previous_item_id": "x", "item": {"type": "message", "role": "user", "content": []}}""", "previous_item_id", "item_create_invalid_previous_item")]
    [InlineData("""{"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 5}""", "type", "unsupported_value")]
    [InlineData("""{"type": "input_audio_buffer.append", "audio": ""}""", "type", "unsupported_value")]
    [InlineData("""{"type": "dance"}""", "type", "invalid_value")]
    [InlineData("""{"event_id": "mine"}""", "type", "missing_required_parameter")]
    [InlineData("""{"type": 5}""", "type", "invalid_type")]
    [InlineData("[]", null, null)]
    [InlineData("{\"type\": ", null, null)]
    public async Task What_cannot_be_done_is_an_error_that_names_it_and_the_socket_goes_on(string message, string? param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await OpenAsync(server);

        JsonNode error = await client.FailAsync(message);

        Assert.Equal(("invalid_request_error", param, code), ((string?)error["type"], (string?)error["param"], (string?)error["code"]));
        Assert.Equal(message.Contains("mine", StringComparison.Ordinal) ? "mine" : null, (string?)error["event_id"]);
        await client.SendAsync("""{"type": "session.update", "session": {"type": "realtime"}}""");
        await client.NextAsync("session.updated");
    }

    [Fact]
    public async Task A_conversation_has_bounds()
    {
        var options = new GatewayOptions();
        options.Sockets.MaxItems = 1;
        await using GatewayServer server = await GatewayServer.StartAsync(options);
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Hello);
        await client.UntilAsync("conversation.item.done");

        Assert.Equal("conversation_full", (string?)(await client.FailAsync(Hello))["code"]);
        await client.SendAsync("""{"type": "response.create"}""");
        List<JsonNode> events = await client.UntilAsync("response.done");
        Assert.Equal("completed", (string?)events[^1]["response"]!["status"]);
    }

    [Fact]
    public async Task Limits_count_every_response_and_are_told()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { RequestsPerMinute = 2 }, time: new ManualTime());
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Hello);
        await client.UntilAsync("conversation.item.done");
        for (int left = 1; left >= 0; left--)
        {
            await client.SendAsync("""{"type": "response.create"}""");
            List<JsonNode> events = await client.UntilAsync("response.done");
            JsonNode limit = events[1]["rate_limits"]![0]!;
            Assert.Equal(("rate_limits.updated", "requests", 2, left), ((string?)events[1]["type"], (string?)limit["name"], (int)limit["limit"]!, (int)limit["remaining"]!));
        }

        JsonNode error = await client.FailAsync("""{"type": "response.create"}""");

        Assert.Equal(("requests", "rate_limit_exceeded"), ((string?)error["type"], (string?)error["code"]));
        await using SocketClient other = await SocketClient.OpenAsync(server, Path, "other");
        await other.NextAsync("session.created");
        await other.SendAsync("""{"type": "response.create", "response": {"instructions": "Hi"}}""");
        await other.UntilAsync("response.done");
    }

    private static async Task<SocketClient> OpenAsync(GatewayServer server)
    {
        SocketClient client = await SocketClient.OpenAsync(server, Path);
        await client.NextAsync("session.created");
        return client;
    }
}
