using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Google.Protobuf;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>The events of streamed responses, in OpenAI's order.</summary>
public sealed partial class ResponseEventTests
{
    private const string Hello = """{"model":"m","stream":true,"input":"hi"}""";

    [Fact]
    public async Task A_text_streams_in_these_very_events()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        List<JsonNode> events = await server.StreamAsync(Hello);

        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
            ],
            ResponseClient.TypesOf(events));
        Assert.Equal(
            """
            {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_0","type":"message","status":"in_progress","content":[],"role":"assistant"}}
            {"type":"response.content_part.added","sequence_number":3,"item_id":"msg_0","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}
            {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_0","output_index":0,"content_index":0,"delta":"Hello","logprobs":[]}
            {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_0","output_index":0,"content_index":0,"delta":" world","logprobs":[]}
            {"type":"response.output_text.done","sequence_number":6,"item_id":"msg_0","output_index":0,"content_index":0,"text":"Hello world","logprobs":[]}
            {"type":"response.content_part.done","sequence_number":7,"item_id":"msg_0","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":"Hello world"}}
            {"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"msg_0","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hello world"}],"role":"assistant"}}
            """,
            string.Join('\n', events[2..^1].Select(next => Ids().Replace(next.ToJsonString(), "$1_0"))));
        Assert.Equal(("in_progress", "in_progress", "completed"), ((string?)events[0]["response"]!["status"], (string?)events[1]["response"]!["status"], (string?)events[^1]["response"]!["status"]));
        Assert.Empty(events[1]["response"]!["output"]!.AsArray());
        Assert.Equal("Hello world", (string?)events[^1]["response"]!["output"]![0]!["content"]![0]!["text"]);
        Assert.Null(events[1]["response"]!["usage"]);
        Assert.Equal((3, 2, 5, 1), ((int)events[^1]["response"]!["usage"]!["input_tokens"]!, (int)events[^1]["response"]!["usage"]!["output_tokens"]!, (int)events[^1]["response"]!["usage"]!["total_tokens"]!, (int)events[^1]["response"]!["usage"]!["input_tokens_details"]!["cached_tokens"]!));
    }

    [Fact]
    public async Task Reasoning_and_calls_are_items_of_their_own_in_the_order_of_their_making()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Thinking();

        List<JsonNode> events = await server.StreamAsync("""{"model":"m","stream":true,"input":"hi","tools":[{"type":"function","name":"get_weather","parameters":{"type":"object"}}]}""");

        Assert.Equal(
            [
                "response.created", "response.in_progress",
                "response.output_item.added", "response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.delta", "response.reasoning_text.done",
                "response.content_part.done", "response.output_item.done",
                "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done",
                "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
                "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
                "response.completed",
            ],
            ResponseClient.TypesOf(events));
        JsonArray output = events[^1]["response"]!["output"]!.AsArray();
        Assert.Equal(["reasoning", "message", "function_call", "function_call"], output.Select(item => (string?)item!["type"]));
        Assert.Equal("Hm, hm.", (string?)output[0]!["content"]![0]!["text"]);
        Assert.Empty(output[0]!["summary"]!.AsArray());
        Assert.Equal(("{\"city\": \"Rome\"}", "{}"), ((string?)output[2]!["arguments"], (string?)output[3]!["arguments"]));
        Assert.NotEqual((string?)output[2]!["call_id"], (string?)output[3]!["call_id"]);
        Assert.Equal(output.Select(item => (string)item!["id"]!), events.Where(next => (string)next["type"]! == "response.output_item.done").Select(next => (string)next["item"]!["id"]!));
        Assert.Equal(Enumerable.Range(0, 4), events.Where(next => (string)next["type"]! == "response.output_item.added").Select(next => (int)next["output_index"]!));
        Assert.Equal(4, (int)events[^1]["response"]!["usage"]!["output_tokens_details"]!["reasoning_tokens"]!);
        foreach (JsonNode done in events.Where(next => (string)next["type"]! == "response.output_item.done"))
        {
            Assert.Equal(output[(int)done["output_index"]!]!.ToJsonString(), done["item"]!.ToJsonString());
        }
    }

    [Fact]
    public async Task An_answer_that_is_cut_ends_as_incomplete()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Events(ScriptedPool.Prompt(), ScriptedPool.Token("Half"), ScriptedPool.Finish(FinishReason.Length), new GenerateEvent { Usage = new Usage() });

        List<JsonNode> events = await server.StreamAsync("""{"model":"m","stream":true,"input":"hi","max_output_tokens":16}""");

        Assert.Equal("response.incomplete", (string?)events[^1]["type"]);
        Assert.Equal(16u, server.Pool.Request!.MaxTokens);
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("incomplete", "max_output_tokens", "incomplete"), ((string?)response["status"], (string?)response["incomplete_details"]!["reason"], (string?)response["output"]![0]!["status"]));
        Assert.Null(response["completed_at"]);
    }

    [Fact]
    public async Task A_failure_in_the_middle_is_told_by_the_last_event_and_kept()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Events(ScriptedPool.Prompt(), ScriptedPool.Token("Half"), new GenerateEvent { Finish = new Finish { Reason = FinishReason.Error, Error = "the engine broke" } });

        List<JsonNode> events = await server.StreamAsync(Hello);

        Assert.Equal("response.failed", (string?)events[^1]["type"]);
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("failed", "server_error", "the engine broke"), ((string?)response["status"], (string?)response["error"]!["code"], (string?)response["error"]!["message"]));
        Assert.Equal(response.ToJsonString(), (await server.GetAsync($"{ResponseClient.Path}/{response["id"]}")).ToJsonString());
        Assert.Equal("the engine broke", (string?)(await server.FailAsync(500, HttpMethod.Post, ResponseClient.Path, """{"model":"m","input":"hi"}"""))["message"]);
    }

    [Fact]
    public async Task An_answer_of_nothing_is_an_empty_message()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Events(ScriptedPool.Prompt(), ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage() });

        List<JsonNode> events = await server.StreamAsync(Hello);

        Assert.Equal(
            ["response.output_item.added", "response.content_part.added", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"],
            ResponseClient.TypesOf(events)[2..]);
        Assert.Equal("", (string?)events[^1]["response"]!["output"]![0]!["content"]![0]!["text"]);
    }

    [Fact]
    public async Task Log_probabilities_come_with_the_text_they_belong_to_when_they_are_asked_for()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Events(ScriptedPool.Prompt(), Measured("", "h"), Measured("hé", "é"), ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage() });
        const string First = """{"token":"h","logprob":-0.25,"bytes":[104],"top_logprobs":[{"token":"h","logprob":-0.25,"bytes":[104]}]}""";

        List<JsonNode> events = await server.StreamAsync("""{"model":"m","stream":true,"input":"hi","top_logprobs":1,"include":["message.output_text.logprobs"]}""");
        List<JsonNode> without = await server.StreamAsync("""{"model":"m","stream":true,"input":"hi","top_logprobs":1}""");

        JsonArray delta = Assert.Single(events, next => (string)next["type"]! == "response.output_text.delta")["logprobs"]!.AsArray();
        Assert.Equal(First, delta[0]!.ToJsonString());
        Assert.Equal(["h", "é"], delta.Select(token => (string?)token!["token"]));
        Assert.Equal(delta.ToJsonString(), events[^1]["response"]!["output"]![0]!["content"]![0]!["logprobs"]!.ToJsonString());
        Assert.Empty(Assert.Single(without, next => (string)next["type"]! == "response.output_text.delta")["logprobs"]!.AsArray());
    }

    [Fact]
    public async Task Whatever_a_model_does_every_item_opens_once_closes_once_and_adds_up()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        for (int seed = 0; seed < 60; seed++)
        {
            int run = seed;
            server.Pool.Script = (_, _) => Random(run);

            List<JsonNode> events = await server.StreamAsync("""{"model":"m","stream":true,"input":"hi","store":false}""");

            JsonArray output = events[^1]["response"]!["output"]!.AsArray();
            var text = new string[output.Count];
            int open = -1;
            foreach (JsonNode next in events)
            {
                string type = (string)next["type"]!;
                int index = (int?)next["output_index"] ?? -1;
                if (type == "response.output_item.added")
                {
                    Assert.Equal(-1, open);
                    open = index;
                    text[index] = "";
                }
                else if (index >= 0)
                {
                    Assert.Equal(open, index);
                    text[index] += (string?)next["delta"];
                    open = type == "response.output_item.done" ? -1 : open;
                }
            }

            Assert.Equal(-1, open);
            Assert.Equal(output.Select(item => (string?)item!["arguments"] ?? (string)item["content"]![0]!["text"]!), text);
        }
    }

    private static async IAsyncEnumerable<GenerateEvent> Random(int seed)
    {
        await Task.Yield();
        var random = new Random(seed);
        yield return ScriptedPool.Prompt();
        uint calls = 0;
        for (int i = random.Next(12); i > 0; i--)
        {
            yield return random.Next(4) switch
            {
                0 => new GenerateEvent { Token = new TokenChunk { Reasoning = "r" + i } },
                1 => new GenerateEvent { Token = new TokenChunk { Reasoning = "r" + i, Text = "t" + i } },
                2 => new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Index = calls++, Name = "f" }, new ToolCallDelta { Index = calls - 1, Arguments = "{" + i } } } },
                _ => ScriptedPool.Token("t" + i),
            };
        }

        yield return ScriptedPool.Finish();
        yield return new GenerateEvent { Usage = new Usage() };
    }

    private static IAsyncEnumerable<GenerateEvent> Thinking() => Events(
        ScriptedPool.Prompt(),
        new GenerateEvent { Token = new TokenChunk { Reasoning = "Hm, " } },
        new GenerateEvent { Token = new TokenChunk { Reasoning = "hm." } },
        ScriptedPool.Token("Let me see."),
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Name = "get_weather", Arguments = "{\"city\"" } } } },
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Arguments = ": \"Rome\"}" }, new ToolCallDelta { Index = 1, Name = "get_weather", Arguments = "{}" } } } },
        ScriptedPool.Finish(),
        new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 9, ReasoningTokens = 4 } });

    private static GenerateEvent Measured(string text, string token)
    {
        TokenLogprob Of() => new() { Text = token, Bytes = ByteString.CopyFromUtf8(token), Logprob = -0.25f };
        GenerateEvent next = ScriptedPool.Token(text);
        TokenLogprob measured = Of();
        measured.Top.Add(Of());
        next.Token.Tokens.Add(measured);
        return next;
    }

    private static IAsyncEnumerable<GenerateEvent> Events(params GenerateEvent[] events) => events.ToAsyncEnumerable();

    [GeneratedRegex("(msg|fc|rs)_[0-9a-f]{48}")]
    private static partial Regex Ids();
}
