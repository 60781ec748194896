using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>What is kept of responses, and what later ones build on it.</summary>
public class StoredResponseTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Path = ResponseClient.Path;

    [Fact]
    public async Task A_response_is_found_again_until_it_is_deleted_and_by_its_project_only()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.CreateAsync("""{"model":"m","input":"hi"}""");
        string path = $"{Path}/{made["id"]}";

        Assert.Equal(made.ToJsonString(), (await server.GetAsync(path)).ToJsonString());
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "second");
        JsonNode error = await server.FailAsync(404, HttpMethod.Get, path);
        Assert.Equal($"Response with id '{made["id"]}' not found.", (string?)error["message"]);
        await server.FailAsync(404, HttpMethod.Get, path + "/input_items");
        await server.FailAsync(404, HttpMethod.Post, path + "/cancel");
        await server.FailAsync(404, HttpMethod.Delete, path);
        await server.FailAsync(400, HttpMethod.Post, Path, $$"""{"model":"m","input":"x","previous_response_id":"{{made["id"]}}"}""");

        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "right");
        Assert.Equal($$"""{"id":"{{made["id"]}}","object":"response.deleted","deleted":true}""", (await server.SendAsync(HttpMethod.Delete, path)).ToJsonString());
        await server.FailAsync(404, HttpMethod.Get, path);
        await server.FailAsync(404, HttpMethod.Delete, path);
    }

    [Fact]
    public async Task A_response_continues_what_came_before_it_even_when_that_is_deleted_later()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode first = await server.CreateAsync("""{"model":"m","input":"1","instructions":"Not for the next."}""");
        JsonNode second = await server.CreateAsync($$"""{"model":"m","input":"2","previous_response_id":"{{first["id"]}}"}""");
        await server.SendAsync(HttpMethod.Delete, $"{Path}/{first["id"]}");

        await server.CreateAsync($$"""{"model":"m","input":"3","previous_response_id":"{{second["id"]}}"}""");

        Assert.Equal(["1", "Hello world", "2", "Hello world", "3"], Contents(server));
        await server.FailAsync(400, HttpMethod.Post, Path, $$"""{"model":"m","input":"x","previous_response_id":"{{first["id"]}}"}""");
        JsonNode items = await server.GetAsync($"{Path}/{second["id"]}/input_items?order=asc");
        Assert.Equal(["1", "Hello world", "2"], items["data"]!.AsArray().Select(item => (string?)item!["content"]![0]!["text"]));
    }

    [Fact]
    public async Task A_call_of_one_response_is_answered_in_the_next()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = (_, _) => Events(
            ScriptedPool.Prompt(), new GenerateEvent { Token = new TokenChunk { Reasoning = "Look.", ToolCalls = { new ToolCallDelta { Name = "f", Arguments = "{}" } } } }, ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage() });
        JsonNode called = await server.CreateAsync("""{"model":"m","input":"?","tools":[{"type":"function","name":"f"}]}""");
        string callId = (string)called["output"]![1]!["call_id"]!;

        JsonNode missing = await server.FailAsync(400, HttpMethod.Post, Path, $$"""{"model":"m","input":"x","previous_response_id":"{{called["id"]}}"}""");
        await server.CreateAsync($$"""{"model":"m","input":[{"type":"function_call_output","call_id":"{{callId}}","output":"42"}],"previous_response_id":"{{called["id"]}}"}""");

        Assert.Equal($"No tool output found for function call {callId}.", (string?)missing["message"]);
        JsonNode messages = JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!;
        Assert.Equal(["user", "assistant", "tool"], messages.AsArray().Select(message => (string?)message!["role"]));
        Assert.Equal(("Look.", "42"), ((string?)messages[1]!["reasoning_content"], (string?)messages[2]!["content"]));
    }

    [Fact]
    public async Task Input_items_are_listed_in_pages()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.CreateAsync("""{"model":"m","input":[{"role":"user","content":"1"},{"role":"user","content":"2"},{"role":"user","content":"3"}]}""");
        string path = $"{Path}/{made["id"]}/input_items";

        JsonNode newest = await server.GetAsync(path + "?limit=2");
        JsonNode rest = await server.GetAsync($"{path}?limit=2&after={newest["last_id"]}");
        JsonNode ascending = await server.GetAsync(path + "?order=asc&limit=1");

        Assert.Equal(["3", "2"], Texts(newest));
        Assert.Equal(["1"], Texts(rest));
        Assert.Equal(["1"], Texts(ascending));
        Assert.Equal((true, false, true), ((bool)newest["has_more"]!, (bool)rest["has_more"]!, (bool)ascending["has_more"]!));
        Assert.Equal((string?)newest["data"]![0]!["id"], (string?)newest["first_id"]);
        foreach ((string query, string param) in ((string, string)[])[("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=msg_none", "after")])
        {
            Assert.Equal(param, (string?)(await server.FailAsync(400, HttpMethod.Get, $"{path}?{query}"))["param"]);
        }
    }

    [Fact]
    public async Task A_reference_stands_for_an_item_that_is_stored()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.CreateAsync("""{"model":"m","input":"hi"}""");

        await server.CreateAsync($$"""{"model":"m","input":[{"type":"item_reference","id":"{{made["output"]![0]!["id"]}}"},{"role":"user","content":"more"}]}""");

        Assert.Equal(["Hello world", "more"], Contents(server));
        await server.FailAsync(404, HttpMethod.Post, Path, """{"model":"m","input":[{"type":"item_reference","id":"msg_none"}]}""");
    }

    [Fact]
    public async Task A_stored_stream_is_sent_again_from_any_place()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = (_, _) => Many(100);
        List<JsonNode> live = await server.StreamAsync("""{"model":"m","input":"hi","stream":true}""");
        string id = (string)live[0]["response"]!["id"]!;

        for (int after = -1; after < live.Count; after += 20)
        {
            List<JsonNode> again = await server.ResumeAsync(id, after < 0 ? null : after);
            Assert.Equal(live.Skip(after + 1).Select(next => next.ToJsonString()), again.Select(next => next.ToJsonString()));
        }

        Assert.Empty(await server.ResumeAsync(id, live.Count + 5));
        JsonNode whole = await server.CreateAsync("""{"model":"m","input":"hi"}""");
        await server.FailAsync(400, HttpMethod.Get, $"{Path}/{whole["id"]}?stream=true");
        await server.FailAsync(400, HttpMethod.Get, $"{Path}/{id}?starting_after=3");
        await server.FailAsync(400, HttpMethod.Get, $"{Path}/{id}?stream=true&starting_after=x");
        await server.FailAsync(400, HttpMethod.Post, $"{Path}/{id}/cancel");
    }

    [Fact]
    public async Task A_client_that_leaves_ends_its_response_in_the_foreground()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = server.Pool.Hang;
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent("""{"model":"m","input":"hi","stream":true}""", null, "application/json") };
        string id;
        using (HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            await reader.ReadLineAsync();
            id = (string)JsonNode.Parse((await reader.ReadLineAsync())!["data: ".Length..])!["response"]!["id"]!;
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await server.WaitForAsync(id, "cancelled");
    }

    [Fact]
    public async Task What_is_old_is_swept_unless_something_younger_builds_on_it()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(new GatewayOptions { SweepInterval = TimeSpan.FromMinutes(1), KeepAliveInterval = TimeSpan.FromDays(1000), HeldCommentInterval = TimeSpan.FromDays(1000) }, time: time);
        JsonNode old = await server.CreateAsync("""{"model":"m","input":"1"}""");
        JsonNode needed = await server.CreateAsync("""{"model":"m","input":"2"}""");
        JsonNode conversation = await server.SendAsync(HttpMethod.Post, "/v1/conversations", "{}");
        JsonNode completion = await server.SendAsync(HttpMethod.Post, "/v1/chat/completions", """{"model":"m","store":true,"messages":[{"role":"user","content":"hi"}]}""");
        time.Advance(TimeSpan.FromDays(25));
        JsonNode young = await server.CreateAsync($$"""{"model":"m","input":"3","previous_response_id":"{{needed["id"]}}"}""");
        time.Advance(TimeSpan.FromDays(10));

        await UntilGoneAsync(server, time, $"{Path}/{old["id"]}");
        await UntilGoneAsync(server, time, "/v1/chat/completions/" + completion["id"]);
        await server.GetAsync($"{Path}/{needed["id"]}");
        await server.GetAsync($"{Path}/{young["id"]}");
        await server.GetAsync("/v1/conversations/" + conversation["id"]);
    }

    private static async Task UntilGoneAsync(GatewayServer server, ManualTime time, string path)
    {
        for (int attempt = 0; attempt < 600; attempt++)
        {
            using HttpResponseMessage response = await server.Client.GetAsync(path);
            if ((int)response.StatusCode == 404)
            {
                return;
            }

            time.Advance(TimeSpan.FromMinutes(1));
            await Task.Delay(50);
        }

        Assert.Fail(path + " is still there");
    }

    private static IAsyncEnumerable<GenerateEvent> Many(int tokens) => Events(
        [ScriptedPool.Prompt(), .. Enumerable.Range(0, tokens).Select(i => ScriptedPool.Token(" t" + i)), ScriptedPool.Finish(), new GenerateEvent { Usage = new Usage { CompletionTokens = (uint)tokens } }]);

    private static IAsyncEnumerable<GenerateEvent> Events(params GenerateEvent[] events) => events.ToAsyncEnumerable();

    private static IEnumerable<string?> Contents(GatewayServer server) =>
        JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string?)message!["content"]);

    private static IEnumerable<string?> Texts(JsonNode list) => list["data"]!.AsArray().Select(item => (string?)item!["content"]![0]!["text"]);
}
