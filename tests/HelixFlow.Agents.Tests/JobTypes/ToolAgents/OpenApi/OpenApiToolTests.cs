using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Agents.OpenApi;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents.OpenApi;

public sealed class OpenApiToolTests
{
    private static readonly ToolOptions _local = new() { Allowed = ["127.0.0.1"] };

    [Fact]
    public async Task Operations_become_requests()
    {
        await using Shop shop = await Shop.StartAsync();
        (_, JsonElement output) = await RunAsync(
            shop, _local,
            ("shop_getItem", """{"id":"a/b ü","fields":["name","price"],"tags":["x","y"],"id_query":7,"X-Trace":"t"}"""),
            ("shop_putItem", """{"id":"1","body":{"name":"tea","price":2.5}}"""),
            ("shop_deleteItem", """{"id":"1"}"""),
            ("shop_createOrder", """{"body":{"item":"tea","count":2}}"""),
            ("shop_getItem", """{"id":"none"}"""));

        Assert.Equal(
            ["""shop_getItem ok: {"name":"tea"}""", """shop_putItem ok: {"name":"tea"}""", "shop_deleteItem ok: (status 204, no content)", """shop_createOrder ok: {"order":1}""", "shop_getItem error: Status 404 Not Found\nno such item"],
            output.Outcomes());
        Assert.Equal(["recorded", "idempotent", "idempotent", "unsafe", "recorded"], output.GetProperty("transcript").EnumerateArray().Where(static entry => entry.Text("kind") == "call").Select(static entry => entry.Text("effect")));
        Dictionary<string, (string Line, string? Key, string? Authorization, string Body)> requests = shop.Requests.ToDictionary(static request => request.Line);
        Assert.Contains("GET /items/a%2Fb%20%C3%BC?fields=name&fields=price&tags=x%2Cy&id=7", requests.Keys);
        Assert.Equal("""{"name":"tea","price":2.5}""", requests["PUT /items/1"].Body);
        Assert.EndsWith("/turn/1/call/2", requests["PUT /items/1"].Key, StringComparison.Ordinal);
        Assert.EndsWith("/turn/1/call/3", requests["DELETE /items/1"].Key, StringComparison.Ordinal);
        Assert.Null(requests["POST /orders"].Key);
    }

    [Theory]
    [InlineData("""{"id":".."}""", "must not be empty")]
    [InlineData("""{"id":""}""", "must not be empty")]
    [InlineData("""{"id":"1","X-Trace":"a\r\nHost: evil"}""", "characters that a header cannot have")]
    [InlineData("""{"fields":["name"]}""", "'/id' is missing")]
    [InlineData("""{"id":"1","session":"s"}""", "'/session' is not known")]
    public async Task Arguments_that_would_make_another_request_are_refused(string arguments, string reason)
    {
        await using Shop shop = await Shop.StartAsync();
        (_, JsonElement output) = await RunAsync(shop, _local, ("shop_getItem", arguments));

        Assert.Contains(reason, Assert.Single(output.Outcomes()), StringComparison.Ordinal);
        Assert.Empty(shop.Requests);
    }

    [Fact]
    public async Task Answers_are_bounded_in_size_and_time_and_redirects_are_not_followed()
    {
        await using Shop shop = await Shop.StartAsync();
        (_, JsonElement output) = await RunAsync(
            shop, _local with { CallTimeoutMs = 300, MaxAnswerBytes = 100_000 }, ("shop_big", "{}"), ("shop_slow", "{}"), ("shop_away", "{}"), ("shop_picture", "{}"));

        string[] outcomes = output.Outcomes();
        Assert.EndsWith("[shortened: 8000 of 100000 characters]", outcomes[0], StringComparison.Ordinal);
        Assert.Equal("shop_slow error: 127.0.0.1 took longer than 300 ms.", outcomes[1]);
        Assert.Equal("shop_away error: Status 302 Found, which leads to http://169.254.169.254/latest", outcomes[2]);
        Assert.Equal("shop_picture ok: (10 bytes of image/png)", outcomes[3]);
    }

    [Fact]
    public async Task Private_addresses_are_refused_unless_they_are_allowed()
    {
        await using Shop shop = await Shop.StartAsync();
        (_, JsonElement output) = await RunAsync(shop, new ToolOptions(), ("shop_getItem", """{"id":"1"}"""), ("shop_createOrder", """{"body":{"item":"tea","count":2}}"""));

        Assert.All(output.Outcomes(), static outcome => Assert.Contains("may not be reached", outcome, StringComparison.Ordinal));
        Assert.Empty(shop.Requests);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_to_the_model_as_nothing_was_sent()
    {
        Shop shop = await Shop.StartAsync();
        JsonObject tool = shop.Tool();
        await shop.DisposeAsync();
        (_, JsonElement output) = await AgentRuns.RunAsync(
            AgentRuns.Model([("shop_createOrder", """{"body":{"item":"tea","count":2}}""")]), new JsonObject { ["goal"] = "Buy.", ["tools"] = new JsonArray(tool) }, _local);

        Assert.Equal("shop_createOrder error: 127.0.0.1 cannot be reached, or broke off.", Assert.Single(output.Outcomes()));
    }

    [Fact]
    public async Task An_unsafe_call_without_an_answer_parks_the_job_until_somebody_decides()
    {
        await using Shop shop = await Shop.StartAsync();
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("shop_slowPost", "{}")]);
        using var tools = AgentRuns.Tools(_local with { CallTimeoutMs = 200 });
        string id = await AgentRuns.RequestAsync(host, model, new JsonObject { ["goal"] = "Buy.", ["tools"] = new JsonArray(shop.Tool()) }, tools);
        RunRecord run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Parked));
        Assert.Contains("Nobody knows whether it took place", run.Error!.Message, StringComparison.Ordinal);

        await host.Journal.DecideStepAsync("p", id, "turn/1/call/1", """{"content":"It was placed.","is_error":false}"""u8.ToArray(), "Ann", AgentHost.Token);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));

        Assert.Equal("shop_slowPost ok: It was placed.", Assert.Single(JsonElement.Parse(await host.OutputAsync(id)).Outcomes()));
        Assert.Single(shop.Requests);
    }

    [Fact]
    public async Task A_post_that_is_declared_idempotent_has_a_key_and_is_no_mystery_after_a_timeout()
    {
        await using Shop shop = await Shop.StartAsync();
        JsonObject tool = shop.Tool();
        tool["idempotent"] = new JsonArray("slowPost");
        (_, JsonElement output) = await AgentRuns.RunAsync(
            AgentRuns.Model([("shop_slowPost", "{}")]), new JsonObject { ["goal"] = "Buy.", ["tools"] = new JsonArray(tool) }, _local with { CallTimeoutMs = 200 });

        Assert.Equal("shop_slowPost error: 127.0.0.1 took longer than 200 ms.", Assert.Single(output.Outcomes()));
        Assert.EndsWith("/turn/1/call/1", Assert.Single(shop.Requests).Key, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_go_to_their_server_and_nowhere_else()
    {
        await using Shop shop = await Shop.StartAsync();
        ToolOptions options = _local with { Secrets = new Dictionary<string, ToolSecret> { ["shop"] = new() { Environment = "SHOP_KEY", Origins = [shop.Url] } } };
        JsonObject tool = shop.Tool();
        tool["auth"] = new JsonObject { ["secret"] = "shop" };
        var input = new JsonObject { ["goal"] = "Look.", ["tools"] = new JsonArray(tool) };
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("shop_echo", "{}")]);
        using (var tools = AgentRuns.Tools(options, static name => name == "SHOP_KEY" ? "hush-hush" : null))
        {
            string id = await AgentRuns.RequestAsync(host, model, input, tools);
            await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
            Assert.Equal("shop_echo ok: you sent Bearer [secret]", Assert.Single(JsonElement.Parse(await host.OutputAsync(id)).Outcomes()));
        }

        Assert.Equal("Bearer hush-hush", Assert.Single(shop.Requests).Authorization);
        tool["document"] = shop.Document("http://127.0.0.1:1/");
        Assert.Equal("secret_not_for_server", await CodeAsync(input, options));
        tool["document"] = shop.Document();
        Assert.Equal("unknown_secret", await CodeAsync(input, options)); // the variable is not set
        Assert.Equal("unknown_secret", await CodeAsync(input, _local));
        Assert.Equal("unknown_secret", await CodeAsync(input, options with { Secrets = new Dictionary<string, ToolSecret> { ["shop"] = new() { Environment = "X", Origins = [shop.Url], Projects = ["q"] } } }));
    }

    [Theory]
    [InlineData("""{"type":"openapi"}""")]
    [InlineData("""{"type":"openapi","document":"openapi: 3.0.0"}""")]
    [InlineData("""{"type":"openapi","document":{"swagger":"2.0"}}""")]
    [InlineData("""{"type":"openapi","document":{"openapi":"3.1.0","servers":[{"url":"/v1"}]}}""")]
    [InlineData("""{"type":"openapi","server":"ftp://x","document":{"openapi":"3.1.0"}}""")]
    [InlineData("""{"type":"openapi","server":"http://u:p@x","document":{"openapi":"3.1.0"}}""")]
    [InlineData("""{"type":"openapi","server":"http://x","only":["nothing"],"document":{"openapi":"3.1.0"}}""")]
    [InlineData("""{"type":"openapi","server":"http://x","only":["a"],"document":{"openapi":"3.1.0","paths":{"/{x}":{"get":{"operationId":"a"}}}}}""")]
    [InlineData("""{"type":"openapi","server":"http://x","document":{"openapi":"3.1.0","paths":{"/x":{"$ref":"other.json"}}}}""")]
    [InlineData("""{"type":"openapi","server":"http://x","document":{"openapi":"3.1.0","paths":{"/x":{"$ref":"#/paths/~1x"}}}}""")]
    public async Task A_document_that_will_not_do_fails_the_job(string tool) =>
        Assert.Equal("invalid_openapi", await CodeAsync(new JsonObject { ["goal"] = "x", ["tools"] = new JsonArray(JsonNode.Parse(tool)) }, _local));

    [Fact]
    public async Task A_path_cannot_lead_to_another_server()
    {
        await using Shop shop = await Shop.StartAsync();
        JsonNode tool = JsonNode.Parse("""{"type":"openapi","server":"http://api.example","document":{"openapi":"3.1.0","paths":{"@127.0.0.1/x":{"get":{"operationId":"a"}}}}}""")!;
        (_, JsonElement output) = await AgentRuns.RunAsync(AgentRuns.Model([("a", "{}")]), new JsonObject { ["goal"] = "x", ["tools"] = new JsonArray(tool) }, _local);

        Assert.Equal("a error: The call was not made: Its path leads to another server.", Assert.Single(output.Outcomes()));
    }

    [Fact]
    public async Task Schemas_stand_alone_and_say_what_the_document_says()
    {
        await using Shop shop = await Shop.StartAsync();
        List<OpenApiOperation> operations = OpenApiDocument.Operations(shop.Document(), null, [], out Dictionary<string, string> unusable);

        Assert.Equal("Its body is no JSON.", unusable["upload"]);
        JsonElement order = operations.Find(static operation => operation.Name == "createOrder")!.Arguments.GetProperty("properties").GetProperty("body");
        Assert.Equal(["item", "count"], order.GetProperty("required").EnumerateArray().Select(static name => name.GetString()));
        Assert.Equal("""{"type":"integer"}""", order.GetProperty("properties").GetProperty("count").GetRawText());
        Assert.DoesNotContain("$ref", order.GetRawText(), StringComparison.Ordinal);
        JsonElement item = operations.Find(static operation => operation.Name == "putItem")!.Arguments.GetProperty("properties").GetProperty("body");
        Assert.Equal("""{"type":"object","properties":{"name":{"type":"string"},"price":{"type":"number","exclusiveMinimum":0}},"required":["name"]}""", item.GetRawText());
        Assert.Equal("""{"type":["integer","null"]}""", operations.Find(static operation => operation.Name == "getItem")!.Arguments.GetProperty("properties").GetProperty("id_query").GetRawText());
    }

    [Fact]
    public async Task Whatever_the_document_there_are_operations_or_a_refusal()
    {
        await using Shop shop = await Shop.StartAsync();
        string whole = shop.Document().ToJsonString();
        var random = new Random(21);
        for (int round = 0; round < 3000; round++)
        {
            // Words of the document change places: mostly it stays JSON, and is no longer what it was.
            string[] words = whole.Split('"');
            for (int i = 0; i < 1 + random.Next(4); i++)
            {
                words[(random.Next(words.Length / 2) * 2) + 1] = words[(random.Next(words.Length / 2) * 2) + 1];
            }

            try
            {
                JsonObject document = OpenApiDocument.Parse(JsonSerializer.SerializeToElement(string.Join('"', words)));
                _ = OpenApiDocument.ServerOf(document);
                Assert.All(OpenApiDocument.Operations(document, null, [], out _), static operation => Assert.Equal(JsonValueKind.Object, operation.Arguments.ValueKind));
            }
            catch (FormatException)
            {
                // As it should be.
            }
        }
    }

    private static Task<(RunRecord Run, JsonElement Output)> RunAsync(Shop shop, ToolOptions options, params (string, string)[] calls) =>
        AgentRuns.RunAsync(AgentRuns.Model(calls), new JsonObject { ["goal"] = "Go shopping.", ["tools"] = new JsonArray(shop.Tool()) }, options);

    private static async Task<string?> CodeAsync(JsonObject input, ToolOptions options)
    {
        await using var host = new AgentHost();
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model(), input, options);
        Assert.Equal(RunState.Dead, run.State);
        return run.Error?.Code;
    }
}
