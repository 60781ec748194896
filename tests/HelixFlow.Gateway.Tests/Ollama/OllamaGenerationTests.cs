using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Ollama;

/// <summary><c>/api/chat</c> and <c>/api/generate</c>: what is asked of the pool, and how its answers are told.</summary>
public sealed class OllamaGenerationTests
{
    private const string Chat = "/api/chat";
    private const string Generate = "/api/generate";

    [Fact]
    public async Task A_chat_streams_lines_and_ends_with_figures()
    {
        await using GatewayServer server = await StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Chat, """{"model":"m","messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType!.ToString());
        JsonNode[] lines = Lines(await response.Content.ReadAsStringAsync());
        Assert.Equal(["Hello", " world", ""], lines.Select(line => (string?)line["message"]!["content"]));
        Assert.Equal([false, false, true], lines.Select(line => (bool)line["done"]!));
        Assert.Equal(["model", "created_at", "message", "done"], lines[0].AsObject().Select(property => property.Key));
        Assert.Equal(
            ["model", "created_at", "message", "done", "done_reason", "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"],
            lines[2].AsObject().Select(property => property.Key));
        Assert.Equal(("stop", 3, 2), ((string?)lines[2]["done_reason"], (int)lines[2]["prompt_eval_count"]!, (int)lines[2]["eval_count"]!));
        Assert.All(lines, line => Assert.True(DateTimeOffset.TryParse((string?)line["created_at"], out _)));
    }

    [Fact]
    public async Task Durations_are_those_of_the_parts()
    {
        var time = new ManualTime();
        var times = new HelixFlow.Gateway.Ollama.OllamaTimes(time);
        time.Advance(TimeSpan.FromMilliseconds(5));
        times.Accepted();
        time.Advance(TimeSpan.FromMilliseconds(7));
        times.Answering();
        time.Advance(TimeSpan.FromMilliseconds(11));
        times.Answering();
        times.Ended();
        time.Advance(TimeSpan.FromMilliseconds(100));
        using var stream = new MemoryStream();
        await using (var json = new System.Text.Json.Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            times.Write(json, new Usage { PromptTokens = 3, CompletionTokens = 2 });
            json.WriteEndObject();
        }

        Assert.Equal(
            """{"total_duration":23000000,"load_duration":5000000,"prompt_eval_count":3,"prompt_eval_duration":7000000,"eval_count":2,"eval_duration":11000000}""",
            Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public async Task A_chat_can_be_answered_as_a_whole_with_reasoning_and_calls()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Calls();

        JsonNode answer = await AskAsync(server, Chat, """{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}]}""");

        Assert.Equal(("Hm, hm.", ""), ((string?)answer["message"]!["thinking"], (string?)answer["message"]!["content"]));
        JsonArray calls = answer["message"]!["tool_calls"]!.AsArray();
        Assert.Equal(["""{"index":0,"name":"get_weather","arguments":{"city":"Rome"}}""", """{"index":1,"name":"get_time","arguments":{}}"""], calls.Select(call => call!["function"]!.ToJsonString()));
        Assert.Equal("stop", (string?)answer["done_reason"]);
    }

    [Fact]
    public async Task Streamed_calls_come_whole_and_once()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Calls();

        using HttpResponseMessage response = await server.PostAsync(Chat, """{"model":"m","messages":[{"role":"user","content":"hi"}]}""");

        JsonNode[] messages = [.. Lines(await response.Content.ReadAsStringAsync()).Select(line => line["message"]!)];
        Assert.Equal(["Hm, ", "hm.", null, null], messages.Select(message => (string?)message["thinking"]));
        Assert.Equal([0, 0, 1, 1], messages.Select(message => message["tool_calls"]?.AsArray().Count ?? 0));
        Assert.Equal("""{"city":"Rome"}""", messages[2]["tool_calls"]![0]!["function"]!["arguments"]!.ToJsonString());
        Assert.Equal("get_time", (string?)messages[3]["tool_calls"]![0]!["function"]!["name"]);
    }

    [Fact]
    public async Task Options_reach_the_inference_service()
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, Chat, """
            {"model":"m:latest","stream":false,"messages":[{"role":"user","content":"hi"}],"format":{"type":"object"},"think":"high","logprobs":true,"top_logprobs":2,"keep_alive":"5m",
             "options":{"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"seed":4,"stop":["x"],"num_predict":9,"repeat_penalty":1.1,"presence_penalty":1,"frequency_penalty":-1,"num_ctx":4096,"mirostat":0,"num_gpu":1}}
            """);

        GenerateRequest request = server.Pool.Request!;
        Assert.Equal(("m", 9u, true, 2u, "p"), (request.Model, request.MaxTokens, request.FitMaxTokens, request.TopLogprobs, request.Project));
        Assert.Equal((0.5f, 0.9f, 7u, 0.1f, 4L), (request.Sampling.Temperature, request.Sampling.TopP, request.Sampling.TopK, request.Sampling.MinP, request.Sampling.Seed));
        Assert.Equal((1f, -1f, 1.1f), (request.Sampling.PresencePenalty, request.Sampling.FrequencyPenalty, request.Sampling.RepetitionPenalty));
        Assert.Equal(["x"], request.Stop);
        Assert.Equal("""{"type":"object"}""", request.JsonSchema);
        Assert.Equal("""{"reasoning_effort":"high","enable_thinking":true}""", request.Chat.TemplateVariablesJson);
    }

    [Fact]
    public async Task Messages_become_those_that_templates_know()
    {
        await using GatewayServer server = await StartAsync();

        await AskAsync(server, Chat, """
            {"model":"m","stream":false,"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"},
              {"role":"assistant","content":"","thinking":"Hm.","tool_calls":[{"function":{"name":"a","arguments":{"x":1}}},{"id":"c","function":{"name":"b","arguments":{}}},{"function":{"name":"a","arguments":{}}}]},
              {"role":"tool","tool_name":"b","content":"1"},{"role":"tool","content":"2"},{"role":"tool","tool_call_id":"call_2","content":"3"}],
             "tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object"}}}]}
            """);

        ChatPrompt chat = server.Pool.Request!.Chat;
        Assert.Equal(
            """[{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"assistant","content":"","reasoning_content":"Hm.","tool_calls":[""" +
            """{"id":"call_0","type":"function","function":{"name":"a","arguments":"{\"x\":1}"}},{"id":"c","type":"function","function":{"name":"b","arguments":"{}"}},{"id":"call_2","type":"function","function":{"name":"a","arguments":"{}"}}]},""" +
            """{"role":"tool","content":"1","tool_call_id":"c","name":"b"},{"role":"tool","content":"2","tool_call_id":"call_0","name":"a"},{"role":"tool","content":"3","tool_call_id":"call_2","name":"a"}]""",
            chat.MessagesJson);
        Assert.Equal("""[{"type":"function","function":{"name":"a","parameters":{"type":"object"}}}]""", chat.ToolsJson);
    }

    [Theory]
    [InlineData(""" "prompt":"hi","system":"s" """, """[{"role":"system","content":"s"},{"role":"user","content":"hi"}]""", "")]
    [InlineData(""" "prompt":"hi","think":false """, """[{"role":"user","content":"hi"}]""", "")]
    [InlineData(""" "prompt":"hi","raw":true """, null, "hi")]
    public async Task A_prompt_goes_through_the_template_unless_it_is_raw(string fields, string? messages, string text)
    {
        await using GatewayServer server = await StartAsync();

        JsonNode answer = await AskAsync(server, Generate, $$"""{"model":"m","stream":false,{{fields}}}""");

        Assert.Equal("Hello world", (string?)answer["response"]);
        Assert.Equal((messages, text), (server.Pool.Request!.Chat?.MessagesJson, server.Pool.Request.Text));
        Assert.Equal(fields.Contains("think", StringComparison.Ordinal) ? """{"enable_thinking":false}""" : "", server.Pool.Request.Chat?.TemplateVariablesJson ?? "");
    }

    [Fact]
    public async Task A_model_without_a_template_continues_the_text()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Models = [new ModelDescription { Name = "base" }];

        await AskAsync(server, Generate, """{"model":"base","stream":false,"prompt":"Once"}""");

        Assert.Equal("Once", server.Pool.Request!.Text);
        await AssertErrorAsync(await server.PostAsync(Generate, """{"model":"base","prompt":"Once","system":"s"}"""), 400, "'system'");
    }

    [Theory]
    [InlineData(Chat, """{"model":"m"}""", "load")]
    [InlineData(Chat, """{"model":"m","messages":[],"keep_alive":0}""", "unload")]
    [InlineData(Generate, """{"model":"m","stream":false}""", "load")]
    [InlineData(Generate, """{"model":"m","prompt":"","keep_alive":"0s"}""", "unload")]
    [InlineData(Generate, """{"model":"m","prompt":"","keep_alive":"10m"}""", "load")]
    public async Task An_empty_prompt_loads_or_unloads_the_model(string path, string body, string reason)
    {
        await using GatewayServer server = await StartAsync();

        JsonNode answer = await AskAsync(server, path, body);

        Assert.Equal((true, reason), ((bool)answer["done"]!, (string?)answer["done_reason"]));
        Assert.Equal([reason == "load" ? "m" : "-m"], server.Pool.Loads);
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task Log_probabilities_come_with_their_pieces()
    {
        await using GatewayServer server = await StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Generate, """{"model":"m","prompt":"x","logprobs":true}""");

        JsonNode[] lines = Lines(await response.Content.ReadAsStringAsync());
        Assert.Equal("""[{"token":"Hello","logprob":-0.5,"bytes":[72,101,108,108,111]}]""", lines[0]["logprobs"]!.ToJsonString());
        Assert.Null(lines[^1]["logprobs"]);
    }

    [Theory]
    [InlineData(Chat, "{", "JSON")]
    [InlineData(Chat, """{"messages":[]}""", "model is required")]
    [InlineData(Chat, """{"model":"m","messages":5}""", "'messages'")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"king","content":"x"}]}""", "invalid role: 'king'")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x","images":["aGk="]}]}""", "'messages[0].images' is not supported")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]}""", "'messages[0].tool_calls[0].function'")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"format":"xml"}""", "invalid format: \"xml\"")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"think":"much"}""", "invalid think value")]
    [InlineData(Chat, """{"model":"plain","messages":[{"role":"user","content":"x"}],"think":true}""", "\"plain\" does not support thinking")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"temperature":"hot"}}""", "'options.temperature'")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"mirostat":2}}""", "'options.mirostat'")]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}""", "'tools[0].function'")]
    [InlineData(Generate, """{"model":"m","prompt":"x","template":"{{ .Prompt }}"}""", "'template'")]
    [InlineData(Generate, """{"model":"m","prompt":"x","suffix":"y"}""", "'suffix'")]
    [InlineData(Generate, """{"model":"m","prompt":"x","context":[1]}""", "'context'")]
    [InlineData(Generate, """{"model":"m","prompt":"x","images":["aGk="]}""", "'images'")]
    [InlineData(Generate, """{"model":"m","prompt":"x","system":"s","raw":true}""", "raw mode")]
    public async Task A_wrong_body_is_a_400_that_names_the_field(string path, string body, string expected)
    {
        await using GatewayServer server = await StartAsync();

        await AssertErrorAsync(await server.PostAsync(path, body), 400, expected);

        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task Refusals_and_failures_are_told_in_ollamas_form()
    {
        await using GatewayServer server = await StartAsync();
        await AssertErrorAsync(await server.PostAsync(Chat, """{"model":"other","messages":[]}"""), 404, "model 'other' not found");
        server.Pool.Script = (_, _) => ScriptedAnswers.Refuse(new InferenceException(InferenceError.Overloaded, "Too many."));
        await AssertErrorAsync(await server.PostAsync(Generate, """{"model":"m","prompt":"x"}"""), 429, "Too many.");
        server.Pool.Script = (_, token) => ScriptedAnswers.FailAfterOneToken(new InvalidDataException("secret"), token);

        using HttpResponseMessage streamed = await server.PostAsync(Generate, """{"model":"m","prompt":"x"}""");

        Assert.Equal("""{"error":"The server had an error while processing your request. Please try again."}""", (await streamed.Content.ReadAsStringAsync()).TrimEnd().Split('\n')[^1]);
        await AssertErrorAsync(await server.PostAsync(Generate, """{"model":"m","prompt":"x","stream":false}"""), 500, "The server had an error");
    }

    [Fact]
    public async Task A_client_that_leaves_cancels_the_generation()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = server.Pool.Hang;
        using var request = new HttpRequestMessage(HttpMethod.Post, Generate) { Content = new StringContent("""{"model":"m","prompt":"x"}""", null, "application/json") };

        using (HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            Assert.Contains("Begin", await reader.ReadLineAsync(), StringComparison.Ordinal);
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Mutated_bodies_never_fail_inside()
    {
        await using GatewayServer server = await StartAsync();
        var random = new Random(22);
        byte[] valid = Encoding.UTF8.GetBytes("""{"model":"m","stream":false,"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","tool_name":"f","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}],"format":"json","think":true,"keep_alive":"5m","options":{"stop":["x"],"num_predict":4,"seed":1}}""");
        for (int round = 0; round < 1000; round++)
        {
            byte[] body = [.. valid];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                body[random.Next(body.Length)] = (byte)"{}[]\",:0truefalsn\\ü"[random.Next(19)];
            }

            using HttpResponseMessage response = await server.Client.PostAsync(Chat, new ByteArrayContent(body));

            Assert.True((int)response.StatusCode is 200 or 400 or 404, $"{(int)response.StatusCode} for {Encoding.UTF8.GetString(body)}");
        }
    }

    private static async Task<GatewayServer> StartAsync()
    {
        GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Models = [new ModelDescription { Name = "m", Chat = true, Reasoning = true }, new ModelDescription { Name = "plain", Chat = true }];
        return server;
    }

    private static JsonNode[] Lines(string text) => [.. text.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!)];

    private static async Task<JsonNode> AskAsync(GatewayServer server, string path, string body)
    {
        using HttpResponseMessage response = await server.PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private static async Task AssertErrorAsync(HttpResponseMessage response, int status, string message)
    {
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(["error"], body.AsObject().Select(property => property.Key));
        Assert.Contains(message, (string)body["error"]!, StringComparison.Ordinal);
    }
}
