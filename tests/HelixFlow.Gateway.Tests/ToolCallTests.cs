using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

public sealed partial class ToolCallTests
{
    private const string Path = "/v1/chat/completions";
    private static readonly System.Text.Json.JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private const string Tools = """[{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true}}]""";

    [Fact]
    public async Task A_whole_answer_tells_reasoning_and_calls()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode choice = await AskAsync(server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":{{Tools}}}""");

        Assert.Equal(["role", "content", "reasoning_content", "tool_calls", "refusal", "annotations"], choice["message"]!.AsObject().Select(property => property.Key));
        Assert.Null(choice["message"]!["content"]);
        Assert.Equal("Hm, hm.", (string?)choice["message"]!["reasoning_content"]);
        Assert.Equal("tool_calls", (string?)choice["finish_reason"]);
        JsonArray calls = choice["message"]!["tool_calls"]!.AsArray();
        Assert.Equal(["get_weather", "get_weather"], calls.Select(call => (string?)call!["function"]!["name"]));
        Assert.Equal(["""{"city": "Rome"}""", "{}"], calls.Select(call => (string?)call!["function"]!["arguments"]));
        Assert.All(calls, call => Assert.Matches("^call_[A-Za-z0-9]{24}$", (string?)call!["id"]));
        Assert.NotEqual((string?)calls[0]!["id"], (string?)calls[1]!["id"]);
    }

    [Fact]
    public async Task A_stream_of_calls_is_this_very_transcript()
    {
        await using GatewayServer server = await StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, $$"""{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}],"tools":{{Tools}}}""");

        Assert.Equal(
            """
            data: {HEAD,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"reasoning_content":"Hm, "},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"reasoning_content":"hm."},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"CALL","type":"function","function":{"name":"get_weather","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\""}}]},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":": \"Rome\"}"}}]},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"CALL","type":"function","function":{"name":"get_weather","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}

            data: {HEAD,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}

            data: [DONE]


            """,
            CallId().Replace(Head().Replace(await response.Content.ReadAsStringAsync(), "HEAD"), "CALL"));
    }

    [Fact]
    public async Task The_older_fields_are_the_same_in_another_form()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode choice = await AskAsync(server, """
            {"model":"m","functions":[{"name":"get_weather","parameters":{"type":"object"}}],"function_call":"auto",
             "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"7"}]}
            """);

        Assert.Equal("function_call", (string?)choice["finish_reason"]);
        Assert.Equal("""{"name":"get_weather","arguments":"{\"city\": \"Rome\"}"}""", choice["message"]!["function_call"]!.ToJsonString(Relaxed));
        Assert.False(choice["message"]!.AsObject().ContainsKey("tool_calls"));
        ChatPrompt chat = server.Pool.Request!.Chat;
        Assert.Equal("""[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]""", chat.ToolsJson);
        Assert.Equal(
            """[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_function","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_function","name":"f","content":"7"}]""",
            chat.MessagesJson);
        Assert.True(chat.SingleToolCall);
    }

    [Theory]
    [InlineData("""
        "tool_choice":"auto"
        """, true, null, false)]
    [InlineData("""
        "tool_choice":"none"
        """, false, null, false)]
    [InlineData("""
        "tool_choice":"required","parallel_tool_calls":false
        """, true, "", true)]
    [InlineData("""
        "tool_choice":{"type":"function","function":{"name":"get_weather"}},"parallel_tool_calls":true
        """, true, "get_weather", false)]
    public async Task Choices_of_tools_reach_the_inference_service(string fields, bool hasTools, string? forced, bool oneCall)
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":{{Tools}},{{fields}}}""");

        ChatPrompt chat = server.Pool.Request!.Chat;
        Assert.Equal(hasTools ? Tools : "", chat.ToolsJson);
        Assert.Equal((forced, oneCall), (chat.HasForcedTool ? chat.ForcedTool : null, chat.SingleToolCall));
    }

    [Theory]
    [InlineData("auto", null)]
    [InlineData("required", "")]
    public async Task Allowed_tools_reach_the_inference_service(string mode, string? forced)
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, $$$"""
            {"model":"m","messages":[{"role":"user","content":"hi"}],"tools":{{{Tools}}},
             "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"{{{mode}}}","tools":[{"type":"function","function":{"name":"get_weather"}}]} } }
            """);

        ChatPrompt chat = server.Pool.Request!.Chat;
        Assert.Equal((Tools, forced), (chat.ToolsJson, chat.HasForcedTool ? chat.ForcedTool : null));
        Assert.Equal(["get_weather"], chat.AllowedTools);
    }

    [Theory]
    [InlineData("\"auto\"", "tool_calls")]
    [InlineData("\"required\"", "tool_calls")]
    [InlineData("""{"type":"function","function":{"name":"get_weather"}}""", "stop")]
    [InlineData("""{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"get_weather"}}]}}""", "tool_calls")]
    public async Task A_choice_ends_as_OpenAI_says_it_does(string toolChoice, string reason)
    {
        await using GatewayServer server = await StartAsync();
        string body = $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":{{Tools}},"stream":STREAM,"tool_choice":{{toolChoice}} }""";

        JsonNode whole = await AskAsync(server, body.Replace("STREAM", "false", StringComparison.Ordinal));
        using HttpResponseMessage streamed = await server.PostAsync(Path, body.Replace("STREAM", "true", StringComparison.Ordinal));

        Assert.Equal(reason, (string?)whole["finish_reason"]);
        Assert.Contains($"\"finish_reason\":\"{reason}\"", await streamed.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_that_cannot_be_guaranteed_is_told_with_the_tool()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (_, _) => throw new HelixFlow.Schemas.InferenceException(
            HelixFlow.Schemas.InferenceError.InvalidArgument, "Invalid schema for function 'get_weather': no.", "tools[0].function.parameters");

        await AssertRefusedAsync(
            server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":{{Tools}}}""", "tools[0].function.parameters", "invalid_function_parameters");
    }

    [Theory]
    [InlineData("""
        "reasoning_effort":"high"
        """, """{"reasoning_effort":"high"}""")]
    [InlineData("""
        "reasoning_effort":"none"
        """, """{"reasoning_effort":"none","enable_thinking":false}""")]
    [InlineData("""
        "reasoning_effort":"none","chat_template_kwargs":{"enable_thinking":true,"x":1}
        """, """{"reasoning_effort":"none","enable_thinking":true,"x":1}""")]
    [InlineData("""
        "chat_template_kwargs":{"x":1}
        """, """{"x":1}""")]
    public async Task Effort_and_variables_reach_the_template(string fields, string variables)
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],{{fields}}}""");

        Assert.Equal(variables, server.Pool.Request!.Chat.TemplateVariablesJson);
    }

    [Theory]
    [InlineData("""
        "tools":[{"type":"function"}]
        """, "tools[0].function", "missing_required_parameter")]
    [InlineData("""
        "tools":[]
        """, "tools", "empty_array")]
    [InlineData("""
        "tools":[{"type":"custom","custom":{"name":"x"}}]
        """, "tools[0].type", "unsupported_value")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"a b"}}]
        """, "tools[0].function.name", "invalid_value")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":""}}]
        """, "tools[0].function.name", "empty_string")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"a12345678901234567890123456789012345678901234567890123456789012345"}}]
        """, "tools[0].function.name", "string_above_max_length")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"string"}}}]
        """, "tools[0].function.parameters", "invalid_function_parameters")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"always"
        """, "tool_choice", "invalid_value")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}
        """, "tool_choice", "invalid_value")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"any","tools":[]}}
        """, "tool_choice.allowed_tools.mode", "invalid_value")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}
        """, "tool_choice.allowed_tools.tools", "empty_array")]
    [InlineData("""
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}
        """, "tool_choice.allowed_tools.tools[0]", "invalid_value")]
    [InlineData("""
        "tool_choice":"auto"
        """, "tool_choice", "invalid_value")]
    [InlineData("""
        "reasoning_effort":"huge"
        """, "reasoning_effort", "invalid_value")]
    public async Task Malformed_fields_are_refused(string fields, string param, string code)
    {
        await using GatewayServer server = await StartAsync();

        await AssertRefusedAsync(server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"}],{{fields}}}""", param, code);
    }

    [Theory]
    [InlineData("""{"role":"tool","tool_call_id":"a","content":"1"}""", "messages.[1].role", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")]
    [InlineData("""{"role":"assistant","tool_calls":[CALL]},{"role":"user","content":"x"}""", "messages",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: a")]
    [InlineData("""{"role":"assistant","tool_calls":[CALL]}""", "messages",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: a")]
    [InlineData("""{"role":"assistant","tool_calls":[CALL]},{"role":"tool","tool_call_id":"b","content":"1"}""", "messages.[2].tool_call_id",
        "Invalid parameter: 'tool_call_id' of 'b' not found in 'tool_calls' of previous message.")]
    [InlineData("""{"role":"tool","content":"1"}""", "messages[1].tool_call_id", "Missing required parameter: 'messages[1].tool_call_id'.")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f"}}]}""", "messages[1].tool_calls[0].function.arguments",
        "Missing required parameter: 'messages[1].tool_calls[0].function.arguments'.")]
    public async Task Results_have_to_answer_calls(string messages, string param, string message)
    {
        await using GatewayServer server = await StartAsync();
        messages = messages.Replace("CALL", """{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}""", StringComparison.Ordinal);

        JsonNode error = await AssertRefusedAsync(server, $$"""{"model":"m","messages":[{"role":"user","content":"hi"},{{messages}}]}""", param, null);

        Assert.Equal(message, (string?)error["message"]);
    }

    [Fact]
    public async Task Results_of_calls_made_together_come_in_any_order()
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, """
            {"model":"m","messages":[{"role":"user","content":"hi"},
             {"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"not json"}}]},
             {"role":"tool","tool_call_id":"b","content":"1"},{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"2"}]},{"role":"user","content":"and?"}]}
            """);
    }

    /// <summary>The official client's accumulator and its runner of tools, which throw when the order or the shape of chunks is not OpenAI's.</summary>
    [Fact]
    public async Task The_official_client_runs_tools()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (request, _) => request.Chat.MessagesJson.Contains("\"tool\"", StringComparison.Ordinal) ? Words("It is ", "21 degrees.") : Calls();

        JsonNode seen = await ClientScript.RunAsync("tools.mjs", "openai", new Uri(server.Client.BaseAddress!, "/v1"));

        foreach (string form in (string[])["whole", "streamed"])
        {
            Assert.Equal("It is 21 degrees.", (string?)seen[form]!["final"]);
            Assert.Equal(["""get_weather({"city": "Rome"})""", "get_weather({})"], seen[form]!["ran"]!.AsArray().Select(call => (string?)call));
            Assert.Equal("tool_calls", (string?)seen[form]!["finish"]);
            Assert.Equal(2, seen[form]!["ids"]!.AsArray().Select(id => (string?)id).Distinct().Count());
        }

        Assert.Equal(["""{"city": "Rome"}""", "{}"], seen["accumulated"]!.AsArray().Select(arguments => (string?)arguments));
        Assert.Equal("Hm, hm.", (string?)seen["reasoning"]);
    }

    private static async Task<GatewayServer> StartAsync()
    {
        GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => Calls();
        return server;
    }

    private static IAsyncEnumerable<GenerateEvent> Calls() => new[]
    {
        ScriptedPool.Prompt(),
        new GenerateEvent { Token = new TokenChunk { Reasoning = "Hm, " } },
        new GenerateEvent { Token = new TokenChunk { Reasoning = "hm." } },
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Name = "get_weather", Arguments = "{\"city\"" } } } },
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Arguments = ": \"Rome\"}" }, new ToolCallDelta { Index = 1, Name = "get_weather", Arguments = "{}" } } } },
        ScriptedPool.Finish(),
        new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 9, ReasoningTokens = 4 } },
    }.ToAsyncEnumerable();

    private static IAsyncEnumerable<GenerateEvent> Words(params string[] words) =>
        words.Select(word => ScriptedPool.Token(word)).Prepend(ScriptedPool.Prompt()).Append(ScriptedPool.Finish()).Append(new GenerateEvent { Usage = new Usage() }).ToAsyncEnumerable();

    private static async Task<JsonNode> AskAsync(GatewayServer server, string body)
    {
        using HttpResponseMessage response = await server.PostAsync(Path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!["choices"]![0]!;
    }

    private static async Task<JsonNode> AssertRefusedAsync(GatewayServer server, string body, string param, string? code)
    {
        using HttpResponseMessage response = await server.PostAsync(Path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == 400, string.Create(CultureInfo.InvariantCulture, $"{(int)response.StatusCode}: {text}"));
        JsonNode error = JsonNode.Parse(text)!["error"]!;
        Assert.Equal(param, (string?)error["param"]);
        if (code is not null)
        {
            Assert.Equal(code, (string?)error["code"]);
        }

        return error;
    }

    [GeneratedRegex("\"id\":\"chatcmpl-[0-9a-f]+\",\"object\":\"chat.completion.chunk\",\"created\":[0-9]+,\"model\":\"m\",\"system_fingerprint\":\"[^\"]+\"")]
    private static partial Regex Head();

    [GeneratedRegex("call_[A-Za-z0-9]{24}")]
    private static partial Regex CallId();
}
