using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Anthropic;

/// <summary>Errors, keys and models as Anthropic's clients want them.</summary>
public sealed class AnthropicErrorTests
{
    private const string Path = "/v1/messages";
    private const string Hello = """{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}""";

    [Theory]
    [InlineData(InferenceError.InvalidArgument, 400, "invalid_request_error")]
    [InlineData(InferenceError.ContextLengthExceeded, 400, "invalid_request_error")]
    [InlineData(InferenceError.ModelNotFound, 404, "not_found_error")]
    [InlineData(InferenceError.Overloaded, 429, "rate_limit_error")]
    [InlineData(InferenceError.Unavailable, 529, "overloaded_error")]
    [InlineData(InferenceError.ModelUnavailable, 529, "overloaded_error")]
    [InlineData(InferenceError.DeadlineExceeded, 504, "timeout_error")]
    [InlineData(InferenceError.Unsupported, 400, "invalid_request_error")]
    [InlineData(InferenceError.Internal, 500, "api_error")]
    public async Task A_refusal_has_anthropics_status_and_type(InferenceError error, int status, string type)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => ScriptedAnswers.Refuse(new InferenceException(error, "no"));
        foreach (string body in (string[])[Hello, Hello.Replace("\"model\"", "\"stream\":true,\"model\"", StringComparison.Ordinal)])
        {
            using HttpResponseMessage response = await server.PostAsync(Path, body);

            await AssertErrorAsync(response, status, type);
            Assert.Equal(status is 429 or >= 500 ? "true" : "false", Assert.Single(response.Headers.GetValues("x-should-retry")));
        }
    }

    [Fact]
    public async Task Paths_methods_sizes_and_types_are_answered_in_anthropics_form()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 1000 });

        await AssertErrorAsync(await server.Client.GetAsync(Path + "/nothing"), 404, "not_found_error");
        await AssertErrorAsync(await server.Client.GetAsync(Path), 405, "invalid_request_error");
        await AssertErrorAsync(await server.PostAsync(Path, "{"), 400, "invalid_request_error");
        await AssertErrorAsync(await server.PostAsync(Path, $$"""{"model":"{{new string('m', 2000)}}"}"""), 413, "request_too_large");
        await AssertErrorAsync(await server.Client.PostAsync(Path, new StringContent("{}", Encoding.UTF8, "text/plain")), 415, "invalid_request_error");
        server.Client.DefaultRequestHeaders.Add("anthropic-version", "2023-06-01");
        await AssertErrorAsync(await server.Client.GetAsync("/v1/nothing"), 404, "not_found_error");
        await AssertErrorAsync(await server.Client.GetAsync("/v1/models/nothing"), 404, "not_found_error");
    }

    [Fact]
    public async Task A_request_to_keep_the_conversation_is_refused_as_clients_expect_who_then_send_it_whole()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, Hello.Replace("\"model\"", "\"thread\":{\"type\":\"create\"},\"model\"", StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(
            """{"error_code":"thread_unsupported_request","unsupported":["thread"]}""",
            JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!["details"]!.ToJsonString());
    }

    [Fact]
    public async Task The_key_may_stand_in_either_header()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string name, string value, int status, string? type) in ((string, string, int, string?)[])
            [("x-api-key", "right", 200, null), ("Authorization", "Bearer right", 200, null), ("x-api-key", "wrong", 401, "authentication_error"),
             ("x-api-key", " ", 401, "authentication_error"), ("x-other", "right", 401, "authentication_error"), ("x-api-key", "narrow", 403, "permission_error")])
        {
            using var client = new HttpClient { BaseAddress = server.Client.BaseAddress };
            client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
            using HttpResponseMessage response = await client.PostAsync(Path, new StringContent(Hello, Encoding.UTF8, "application/json"));
            Assert.Equal(status, (int)response.StatusCode);
            if (type is not null)
            {
                await AssertErrorAsync(response, status, type);
            }
        }
    }

    [Fact]
    public async Task Models_are_listed_in_the_form_of_who_asks()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Models = [.. Enumerable.Range(0, 3).Select(i => new ModelDescription { Name = $"m{i}", Created = 5, ContextLength = 64 })];
        Assert.Equal("list", (string?)JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!["object"]);
        server.Client.DefaultRequestHeaders.Add("anthropic-version", "2023-06-01");

        string all = await server.Client.GetStringAsync("/v1/models?limit=1");

        Assert.Equal("""{"data":[{"type":"model","id":"m0","display_name":"m0","created_at":"1970-01-01T00:00:05Z","max_input_tokens":64,"max_tokens":64}],"first_id":"m0","has_more":true,"last_id":"m0"}""", all);
        Assert.Equal(["m1", "m2"], await IdsAsync(server, "?after_id=m0"));
        Assert.Equal(["m1"], await IdsAsync(server, "?before_id=m2&limit=1"));
        Assert.Equal([], await IdsAsync(server, "?after_id=m2"));
        Assert.Equal("m1", (string?)JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/m1"))!["id"]);
        await AssertErrorAsync(await server.Client.GetAsync("/v1/models?limit=0"), 400, "invalid_request_error");
        await AssertErrorAsync(await server.Client.GetAsync("/v1/models?after_id=x"), 400, "invalid_request_error");
    }

    private static async Task<IEnumerable<string?>> IdsAsync(GatewayServer server, string query) =>
        JsonNode.Parse(await server.Client.GetStringAsync("/v1/models" + query))!["data"]!.AsArray().Select(model => (string?)model!["id"]);

    private static async Task AssertErrorAsync(HttpResponseMessage response, int status, string type)
    {
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(["type", "error", "request_id"], body.AsObject().Select(property => property.Key));
        Assert.Equal(["type", "message"], body["error"]!.AsObject().Select(property => property.Key));
        Assert.Equal(("error", type), ((string?)body["type"], (string?)body["error"]!["type"]));
        Assert.Equal((string?)body["request_id"], Assert.Single(response.Headers.GetValues("request-id")));
    }
}
