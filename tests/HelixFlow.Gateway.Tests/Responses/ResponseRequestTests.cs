using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>What requests for responses mean to the inference service, and which are refused.</summary>
public sealed class ResponseRequestTests
{
    private const string Weather = """{"type":"function","name":"get_weather","description":"The weather.","parameters":{"type":"object","properties":{}},"strict":true}""";

    [Fact]
    public async Task Items_become_the_messages_that_templates_know()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        await server.CreateAsync(
            """
            {"model":"m","instructions":"Be brief.","input":[
              {"role":"developer","content":"Be kind."},
              {"type":"message","role":"user","content":[{"type":"input_text","text":"How "},{"type":"input_text","text":"warm?"}]},
              {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"I must look."}]},
              {"type":"function_call","call_id":"c1","name":"get_weather","arguments":"{}"},
              {"type":"function_call","call_id":"c2","name":"get_weather","arguments":"{\"a\":1}"},
              {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"22"}]},
              {"type":"function_call_output","call_id":"c1","output":"21"},
              {"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"21.","annotations":[],"logprobs":[]}]},
              {"role":"user","content":"Thanks"}]}
            """);

        Assert.Equal(
            """
            [{"role":"system","content":"Be brief."},{"role":"system","content":"Be kind."},{"role":"user","content":"How warm?"},{"role":"assistant","content":"","reasoning_content":"I must look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"get_weather","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c2","content":"22"},{"role":"tool","tool_call_id":"c1","content":"21"},{"role":"assistant","content":"21."},{"role":"user","content":"Thanks"}]
            """,
            server.Pool.Request!.Chat.MessagesJson);
    }

    [Fact]
    public async Task Fields_reach_the_inference_service_and_come_back_in_the_response()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        JsonNode response = await server.CreateAsync(
            $$$"""
            {"model":"m","input":"hi","temperature":0.5,"top_p":0.25,"max_output_tokens":20,"metadata":{"a":"b"},"user":"u","safety_identifier":"s","prompt_cache_key":"k",
             "service_tier":"flex","parallel_tool_calls":false,"max_tool_calls":3,"reasoning":{"effort":"none","summary":"auto"},"truncation":"auto","store":false,
             "tools":[{{{Weather}}}],"tool_choice":{"type":"function","name":"get_weather"},
             "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"} } } }
            """);

        GenerateRequest request = server.Pool.Request!;
        Assert.Equal((0.5f, 0.25f, 20u, "p"), (request.Sampling.Temperature, request.Sampling.TopP, request.MaxTokens, request.Project));
        Assert.Equal("""{"type":"object"}""", request.JsonSchema);
        Assert.Equal(("get_weather", true), (request.Chat.ForcedTool, request.Chat.SingleToolCall));
        Assert.Equal("""[{"type":"function","function":{"name":"get_weather","description":"The weather.","parameters":{"type":"object","properties":{}},"strict":true}}]""", request.Chat.ToolsJson);
        Assert.Equal("""{"reasoning_effort":"none","enable_thinking":false}""", request.Chat.TemplateVariablesJson);
        JsonNode Only(params string[] names) => new JsonObject(names.Select(name => KeyValuePair.Create(name, response[name]?.DeepClone())));
        Assert.Equal(
            $$$"""
            {"object":"response","status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":20,"max_tool_calls":3,"model":"m","parallel_tool_calls":false,"previous_response_id":null,"prompt_cache_key":"k","reasoning":{"effort":"none","summary":"auto"},"safety_identifier":"s","service_tier":"default","store":false,"temperature":0.5,"text":{"format":{"type":"json_schema","description":null,"name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},"tool_choice":{"type":"function","name":"get_weather"},"top_p":0.25,"truncation":"auto","user":"u","metadata":{"a":"b"}}
            """,
            Only("object", "status", "background", "error", "incomplete_details", "instructions", "max_output_tokens", "max_tool_calls", "model", "parallel_tool_calls", "previous_response_id",
                "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "top_p", "truncation", "user", "metadata").ToJsonString());
        Assert.Equal(JsonNode.Parse(Weather)!["parameters"]!.ToJsonString(), response["tools"]![0]!["parameters"]!.ToJsonString());
        await server.FailAsync(404, HttpMethod.Get, $"{ResponseClient.Path}/{response["id"]}");
    }

    [Fact]
    public async Task Only_the_allowed_tools_are_told_to_the_model()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        string other = Weather.Replace("get_weather", "get_time", StringComparison.Ordinal);

        await server.CreateAsync($$$"""{"model":"m","input":"hi","tools":[{{{Weather}}},{{{other}}}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"get_time"}]}}""");

        Assert.Equal("", server.Pool.Request!.Chat.ForcedTool);
        Assert.Equal("get_time", (string?)JsonNode.Parse(server.Pool.Request.Chat.ToolsJson)!.AsArray().Single()!["function"]!["name"]);
    }

    [Theory]
    [InlineData("\"input\":5", "input", "invalid_type")]
    [InlineData("\"store\":true", "input", "missing_required_parameter")]
    [InlineData("\"input\":[]", "input", "empty_array")]
    [InlineData("\"input\":[{\"type\":\"message\",\"role\":\"king\",\"content\":\"x\"}]", "input[0].role", "invalid_value")]
    [InlineData("\"input\":[{\"type\":\"web_search_call\",\"id\":\"x\"}]", "input[0].type", "unsupported_value")]
    [InlineData("\"input\":[{\"type\":\"nonsense\"}]", "input[0].type", "invalid_value")]
    [InlineData("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"x\"}]}]", "input[0].content[0].type", "unsupported_value")]
    [InlineData("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"output_text\",\"text\":\"x\"}]}]", "input[0].content[0].type", "invalid_value")]
    [InlineData("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"file_url\":\"f\"}]}]", "input[0].content[0].file_url", "unsupported_value")]
    [InlineData("\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"file_data\":\"/9j/\"}]}]", "input[0].content[0].file_data", "unsupported_value")]
    [InlineData("\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}]", "input", null)]
    [InlineData("\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}]", "input", null)]
    [InlineData("\"input\":\"x\",\"previous_response_id\":\"resp_none\"", "previous_response_id", "previous_response_not_found")]
    [InlineData("\"input\":\"x\",\"previous_response_id\":\"resp_none\",\"conversation\":\"conv_none\"", "previous_response_id", "mutually_exclusive_parameters")]
    [InlineData("\"input\":\"x\",\"max_output_tokens\":15", "max_output_tokens", null)]
    [InlineData("\"input\":\"x\",\"tools\":[{\"type\":\"web_search_preview\"}]", "tools[0].type", "unsupported_value")]
    [InlineData("\"input\":\"x\",\"tools\":[{\"type\":\"custom\",\"name\":\"x\"}]", "tools[0].type", "unsupported_value")]
    [InlineData("\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"no spaces\"}]", "tools[0].name", "invalid_value")]
    [InlineData("\"input\":\"x\",\"tool_choice\":\"required\"", "tool_choice", "invalid_value")]
    [InlineData("\"input\":\"x\",\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}", "tool_choice", "invalid_value")]
    [InlineData("\"input\":\"x\",\"include\":[\"everything\"]", "include", "invalid_value")]
    [InlineData("\"input\":\"x\",\"prompt\":{\"id\":\"p\"}", "prompt", "unsupported_value")]
    [InlineData("\"input\":\"x\",\"background\":true,\"store\":false", "background", "invalid_value")]
    [InlineData("\"input\":\"x\",\"stream_options\":{}", "stream_options", "invalid_value")]
    [InlineData("\"input\":\"x\",\"messages\":[]", "messages", "unsupported_parameter")]
    [InlineData("\"input\":\"x\",\"response_format\":{\"type\":\"json_object\"}", "response_format", "unsupported_parameter")]
    [InlineData("\"input\":\"x\",\"text\":{\"format\":{\"type\":\"xml\"}}", "text.format.type", "invalid_value")]
    [InlineData("\"input\":\"x\",\"text\":{\"verbosity\":\"loud\"}", "text.verbosity", "invalid_value")]
    [InlineData("\"input\":\"x\",\"reasoning\":{\"effort\":\"enormous\"}", "reasoning.effort", "invalid_value")]
    [InlineData("\"input\":\"x\",\"metadata\":{\"a\":1}", "metadata.a", "invalid_type")]
    [InlineData("\"input\":\"x\",\"truncation\":\"some\"", "truncation", "invalid_value")]
    public async Task What_cannot_be_honoured_is_refused_by_name(string fields, string param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        JsonNode error = await server.FailAsync(400, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m",{{fields}}}""");

        Assert.Equal(param, (string?)error["param"]);
        if (code is not null)
        {
            Assert.Equal(code, (string?)error["code"]);
        }

        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task A_refusal_of_the_inference_service_has_its_own_status_even_for_a_stream()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => throw new InferenceException(InferenceError.ContextLengthExceeded, "too long", "prompt");

        foreach (string stream in (string[])["true", "false"])
        {
            JsonNode error = await server.FailAsync(400, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":"hi","stream":{{stream}}}""");

            Assert.Equal(("input", "context_length_exceeded"), ((string?)error["param"], (string?)error["code"]));
        }
    }

    [Fact]
    public async Task A_text_file_in_a_message_becomes_part_of_the_prompt()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        string data = Convert.ToBase64String("One\nTwo"u8);

        await server.CreateAsync($$"""{"model":"m","input":[{"role":"user","content":[{"type":"input_file","filename":"a.txt","file_data":"data:text/plain;base64,{{data}}"}]}]}""");

        Assert.Equal("a.txt:\n\nOne\nTwo", (string?)JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)![0]!["content"]);
    }

    [Fact]
    public async Task Truncation_drops_as_few_of_the_oldest_items_as_it_must_and_results_with_their_calls()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        uint Tokens(ChatPrompt prompt) => 10 * (uint)JsonNode.Parse(prompt.MessagesJson)!.AsArray().Count;
        server.Pool.Counts = request => new() { Tokens = Tokens(request.Chat) };
        server.Pool.Script = (request, _) => Tokens(request.Chat) > 48
            ? throw new InferenceException(InferenceError.ContextLengthExceeded, "too long", "prompt")
            : new[] { ScriptedPool.Prompt(), ScriptedPool.Token("ok"), ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage() } }.ToAsyncEnumerable();
        const string Input =
            """
            [{"role":"system","content":"Rule"},{"role":"user","content":"1"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
             {"type":"function_call_output","call_id":"c","output":"r"},{"role":"user","content":"2"},{"role":"assistant","content":"3"},{"role":"user","content":"4"}]
            """;

        await server.CreateAsync($$"""{"model":"org/model","truncation":"auto","input":{{Input}}}""");
        JsonNode error = await server.FailAsync(400, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"org/model","input":{{Input}}}""");

        Assert.Equal("context_length_exceeded", (string?)error["code"]);
        await server.CreateAsync($$"""{"model":"org/model","truncation":"auto","input":{{Input}}}""");
        Assert.Equal(["Rule", "2", "3", "4"], JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string?)message!["content"]));
    }

    [Fact]
    public async Task Tokens_are_counted_without_running_anything()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        CountTokensRequest? asked = null;
        server.Pool.Counts = request => new() { Tokens = (asked = request, 11u).Item2 };

        JsonNode count = await server.SendAsync(HttpMethod.Post, ResponseClient.Path + "/input_tokens", """{"input":"hi","instructions":"Be brief."}""");

        Assert.Equal("""{"object":"response.input_tokens","input_tokens":11}""", count.ToJsonString());
        Assert.Equal(("org/model", """[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]"""), (asked!.Model, asked.Chat.MessagesJson));
        Assert.Null(server.Pool.Request);
        Assert.Equal("unsupported", (string?)(await server.FailAsync(400, HttpMethod.Post, ResponseClient.Path + "/compact", "{}"))["code"]);
    }
}
