using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests;

/// <summary>What the gateway says to requests that are wrong, and the endpoints beside the completions.</summary>
public sealed class RequestTests
{
    private const string Chat = "/v1/chat/completions";

    [Theory]
    [InlineData("{", null, null)]
    [InlineData("[]", null, null)]
    [InlineData("""{"model":"m","messages":[]} extra""", null, null)]
    [InlineData("""{"messages":[{"role":"user","content":"x"}]}""", "model", "missing_required_parameter")]
    [InlineData("""{"model":5,"messages":[{"role":"user","content":"x"}]}""", "model", "invalid_type")]
    [InlineData("""{"model":"m"}""", "messages", "missing_required_parameter")]
    [InlineData("""{"model":"m","messages":"x"}""", "messages", "invalid_type")]
    [InlineData("""{"model":"m","messages":[]}""", "messages", "empty_array")]
    [InlineData("""{"model":"m","messages":[{"role":"king","content":"x"}]}""", "messages[0].role", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user"}]}""", "messages[0].content", "missing_required_parameter")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":5}]}""", "messages[0].content", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""", "messages[0].content[0].type", "unsupported_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":[]}]}""", "messages[0].content", "empty_array")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":[{"type":"refusal","refusal":"no"}]}]}""", "messages[0].content[0].type", "unsupported_value")]
    [InlineData("""{"model":"m","messages":[{"role":"assistant","content":[{"type":"refusal"}]}]}""", "messages[0].content[0].refusal", "missing_required_parameter")]
    [InlineData("""{"model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]}""", "messages[0].audio", "unsupported_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x","name":5}]}""", "messages[0].name", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"moderation":{}}""", "moderation", "unsupported_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"max_completion_tokens":1,"max_tokens":"x"}""", "max_tokens", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"user":5}""", "user", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"function_call":[1]}""", "function_call", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[],"functions":5}""", "functions", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"functions":[{"name":"f"}],"tool_choice":"auto"}""", "tool_choice", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"\ud800"}]}""", null, null)]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}""", "temperature", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":2.5}""", "temperature", "decimal_above_max_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"n":0}""", "n", "decimal_below_min_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1.5}""", "max_tokens", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"top_logprobs":2}""", "top_logprobs", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{}}""", "stream_options", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{"five":1}}""", "logit_bias", "invalid_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"stop":[1]}""", "stop[0]", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}""", "tools[0].function", "missing_required_parameter")]
    public async Task A_wrong_body_is_a_400_that_names_the_field(string body, string? param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Chat, body);

        await AssertErrorAsync(response, HttpStatusCode.BadRequest, param, code);
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task An_assistants_refusal_is_a_part_of_what_it_said()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        await server.PostAsync(Chat, """{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":"I "},{"type":"refusal","refusal":"cannot."}],"refusal":null},{"role":"user","content":"Why?"}]}""");

        Assert.Equal("""[{"role":"assistant","content":"I cannot.","refusal":null},{"role":"user","content":"Why?"}]""", server.Pool.Request!.Chat.MessagesJson);
    }

    [Fact]
    public async Task Keys_are_checked()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string? header, HttpStatusCode status, string? code) in ((string?, HttpStatusCode, string?)[])
            [(null, HttpStatusCode.Unauthorized, null), ("Basic x", HttpStatusCode.Unauthorized, null), ("Bearer ", HttpStatusCode.Unauthorized, null),
             ("Bearer wrong", HttpStatusCode.Unauthorized, "invalid_api_key"), ("Bearer narrow", HttpStatusCode.Forbidden, "insufficient_permissions")])
        {
            using var client = new HttpClient { BaseAddress = server.Client.BaseAddress };
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            if (header is not null)
            {
                request.Headers.TryAddWithoutValidation("Authorization", header);
            }

            using HttpResponseMessage response = await client.SendAsync(request);

            await AssertErrorAsync(response, status, null, code);
            Assert.Equal(status == HttpStatusCode.Unauthorized, response.Headers.WwwAuthenticate.Count > 0);
        }
    }

    [Fact]
    public async Task Paths_methods_sizes_and_types_are_answered_in_openais_form()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 1000 });

        await AssertErrorAsync(await server.Client.GetAsync("/v1/nothing"), HttpStatusCode.NotFound, null, "unknown_url");
        await AssertErrorAsync(await server.Client.GetAsync("/v1/completions"), HttpStatusCode.MethodNotAllowed, null, "method_not_supported");
        await AssertErrorAsync(await server.PostAsync(Chat, $$"""{"model":"{{new string('m', 2000)}}"}"""), HttpStatusCode.RequestEntityTooLarge, null, "request_too_large");
        await AssertErrorAsync(await server.Client.PostAsync(Chat, new StringContent("{}", Encoding.UTF8, "text/plain")), HttpStatusCode.UnsupportedMediaType, null, "unsupported_content_type");
    }

    [Fact]
    public async Task Outside_the_openai_api_errors_are_problems()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.Client.GetAsync("/nothing");

        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("""{"type":"about:blank","title":"Not Found","status":404,"detail":"Invalid URL (GET /nothing)"}""", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Models_with_slashes_are_listed_and_found()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        JsonNode list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        JsonNode one = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/org/model"))!;
        JsonNode escaped = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/org%2Fmodel"))!;

        Assert.Equal("org/model", (string?)list["data"]![0]!["id"]);
        Assert.Equal(list["data"]![0]!.ToJsonString(), one.ToJsonString());
        Assert.Equal(one.ToJsonString(), escaped.ToJsonString());
        await AssertErrorAsync(await server.Client.GetAsync("/v1/models/other"), HttpStatusCode.NotFound, "model", "model_not_found");
    }

    [Fact]
    public async Task Health_needs_no_key_and_readiness_follows_the_host()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Client.DefaultRequestHeaders.Authorization = null;

        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/healthz")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/readyz")).StatusCode);
        server.IsReady = false;
        using HttpResponseMessage response = await server.Client.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client.GetAsync("/metrics")).StatusCode);
    }

    [Fact]
    public async Task Metrics_show_load_and_counts()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.PostAsync(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}]}""");

        string metrics = await server.Client.GetStringAsync("/metrics");

        Assert.Contains("helixflow_kv_blocks{state=\"held\"} 2\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:kv_cache_usage_perc{model_name=\"m\"} 0.2222222222222222\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:spec_decode_num_draft_tokens_total{model_name=\"m\"} 7\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:spec_decode_num_accepted_tokens_total{model_name=\"m\"} 5\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_accepted_tokens_total 5\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:request_success_total{model_name=\"m\",finished_reason=\"stop\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_sequences{state=\"running\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_http_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:time_to_first_token_seconds_count{model_name=\"m\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("vllm:inter_token_latency_seconds_count{model_name=\"m\"} 1\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_description_names_every_route_and_the_page_shows_it()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Client.DefaultRequestHeaders.Authorization = null;

        JsonNode document = JsonNode.Parse(await server.Client.GetStringAsync("/openapi.json"))!;

        Assert.Equal(server.Routes, document["paths"]!.AsObject().Select(path => path.Key).Order(StringComparer.Ordinal));
        Assert.Contains("<title>HelixFlow API</title>", await server.Client.GetStringAsync("/"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Browsers_of_other_origins_are_let_in_only_when_configured()
    {
        await using GatewayServer closed = await GatewayServer.StartAsync();
        await using GatewayServer open = await GatewayServer.StartAsync(new GatewayOptions { AllowedOrigins = ["https://app.example"] });
        foreach ((GatewayServer server, bool allowed) in ((GatewayServer, bool)[])[(closed, false), (open, true)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Options, Chat);
            request.Headers.Add("Origin", "https://app.example");
            request.Headers.Add("Access-Control-Request-Method", "POST");
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(allowed, response.Headers.Contains("Access-Control-Allow-Origin"));
        }
    }

    [Fact]
    public async Task Completions_take_every_form_of_prompt_and_number_their_choices()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string prompt, int choices) in ((string, int)[])[("\"a\"", 2), ("[\"a\",\"b\"]", 4), ("[1,2]", 2), ("[[1],[2,3],[4]]", 6)])
        {
            using HttpResponseMessage response = await server.PostAsync("/v1/completions", $$"""{"model":"m","prompt":{{prompt}},"n":2,"logprobs":0}""");

            JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
            Assert.Equal(Enumerable.Range(0, choices), body["choices"]!.AsArray().Select(choice => (int)choice!["index"]!));
            Assert.Equal("Hello world", (string?)body["choices"]![0]!["text"]);
            Assert.Equal("""{"tokens":["Hello"," world"],"token_logprobs":[-0.5,-0.5],"top_logprobs":[{},{}],"text_offset":[0,5]}""", body["choices"]![0]!["logprobs"]!.ToJsonString());
        }

        foreach (string prompt in (string[])["5", "[]", "[1.5]", "[[\"a\"]]", "{}"])
        {
            using HttpResponseMessage response = await server.PostAsync("/v1/completions", $$"""{"model":"m","prompt":{{prompt}}}""");
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }
    }

    [Fact]
    public async Task Mutated_bodies_never_fail_inside()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var random = new Random(20);
        byte[] valid = Encoding.UTF8.GetBytes("""{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hé"}]}],"temperature":0.5,"n":2,"stop":["a"],"logit_bias":{"5":1},"logprobs":true,"top_logprobs":3,"seed":4,"stream":false}""");
        for (int round = 0; round < 1500; round++)
        {
            byte[] body = [.. valid];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                body[random.Next(body.Length)] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:0a-.\\ "[random.Next(13)];
            }

            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage response = await server.Client.PostAsync(random.Next(2) == 0 ? Chat : "/v1/completions", content);

            Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{response.StatusCode} for {Encoding.UTF8.GetString(body)}");
        }
    }

    internal static async Task AssertErrorAsync(HttpResponseMessage response, HttpStatusCode status, string? param, string? code)
    {
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(status == response.StatusCode, $"{response.StatusCode}: {text}");
        JsonNode error = JsonNode.Parse(text)!["error"]!;
        Assert.Equal(["message", "type", "param", "code"], error.AsObject().Select(property => property.Key));
        Assert.NotEmpty((string)error["message"]!);
        Assert.Equal(param, (string?)error["param"]);
        Assert.Equal(code, (string?)error["code"]);
    }
}
