using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Conversations;

public class ConversationTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Path = "/v1/conversations";

    [Fact]
    public async Task A_conversation_is_made_changed_read_and_deleted()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode made = await server.SendAsync(HttpMethod.Post, Path, """{"metadata":{"topic":"a"},"items":[{"type":"message","role":"user","content":"hi"}]}""");
        string path = $"{Path}/{made["id"]}";
        JsonNode changed = await server.SendAsync(HttpMethod.Post, path, """{"metadata":{"topic":"b"}}""");

        Assert.Equal(["id", "object", "created_at", "metadata"], made.AsObject().Select(pair => pair.Key));
        Assert.Equal(("conversation", "a", "b"), ((string?)made["object"], (string?)made["metadata"]!["topic"], (string?)changed["metadata"]!["topic"]));
        Assert.Equal(changed.ToJsonString(), (await server.GetAsync(path)).ToJsonString());
        Assert.Equal($$"""{"id":"{{made["id"]}}","object":"conversation.deleted","deleted":true}""", (await server.SendAsync(HttpMethod.Delete, path)).ToJsonString());
        Assert.Equal($"Conversation with id '{made["id"]}' not found.", (string?)(await server.FailAsync(404, HttpMethod.Get, path))["message"]);
        await server.FailAsync(404, HttpMethod.Get, path + "/items");
        await server.FailAsync(404, HttpMethod.Delete, path);
    }

    [Fact]
    public async Task Another_project_does_not_see_it()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.SendAsync(HttpMethod.Post, Path, """{"items":[{"role":"user","content":"hi"}]}""");
        string path = $"{Path}/{made["id"]}";
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "second");

        await server.FailAsync(404, HttpMethod.Get, path);
        await server.FailAsync(404, HttpMethod.Post, path, """{"metadata":{}}""");
        await server.FailAsync(404, HttpMethod.Delete, path);
        await server.FailAsync(404, HttpMethod.Get, path + "/items");
        await server.FailAsync(404, HttpMethod.Post, path + "/items", """{"items":[{"role":"user","content":"x"}]}""");
        await server.FailAsync(404, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":"x","conversation":"{{made["id"]}}"}""");
    }

    [Fact]
    public async Task Items_are_added_at_the_end_listed_found_and_deleted()
    {
        await using GatewayServer server = await StartServerAsync();
        string path = $"{Path}/{(await server.SendAsync(HttpMethod.Post, Path, "{}"))["id"]}";

        JsonNode added = await server.SendAsync(HttpMethod.Post, path + "/items", """{"items":[{"role":"user","content":"1"},{"role":"assistant","content":"2"},{"role":"user","content":"3"}]}""");
        string second = (string)added["data"]![1]!["id"]!;

        Assert.Equal(["1", "2", "3"], Texts(added));
        Assert.Equal(["3", "2", "1"], Texts(await server.GetAsync(path + "/items")));
        Assert.Equal(["1", "2"], Texts(await server.GetAsync(path + "/items?order=asc&limit=2")));
        Assert.Equal(["1"], Texts(await server.GetAsync($"{path}/items?after={second}")));
        Assert.Equal(added["data"]![1]!.ToJsonString(), (await server.GetAsync($"{path}/items/{second}")).ToJsonString());
        Assert.Equal("conversation", (string?)(await server.SendAsync(HttpMethod.Delete, $"{path}/items/{second}"))["object"]);
        await server.FailAsync(404, HttpMethod.Get, $"{path}/items/{second}");
        await server.FailAsync(404, HttpMethod.Delete, $"{path}/items/{second}");
        Assert.Equal(["3", "1"], Texts(await server.GetAsync(path + "/items")));
        string tooMany = string.Join(',', Enumerable.Repeat("""{"role":"user","content":"x"}""", 21));
        Assert.Equal("array_above_max_length", (string?)(await server.FailAsync(400, HttpMethod.Post, path + "/items", $$"""{"items":[{{tooMany}}]}"""))["code"]);
    }

    [Fact]
    public async Task A_response_answers_a_conversation_and_adds_its_input_and_output_to_it()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.SendAsync(HttpMethod.Post, Path, """{"items":[{"role":"user","content":"1"}]}""");

        JsonNode response = await server.CreateAsync($$$"""{"model":"m","input":"2","conversation":{"id":"{{{made["id"]}}}"} }""");
        await server.StreamAsync($$"""{"model":"m","input":"3","stream":true,"conversation":"{{made["id"]}}"}""");

        Assert.Equal((string?)made["id"], (string?)response["conversation"]!["id"]);
        Assert.Equal(["1", "2", "Hello world", "3"], JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string?)message!["content"]));
        Assert.Equal(["1", "2", "Hello world", "3", "Hello world"], Texts(await server.GetAsync($"{Path}/{made["id"]}/items?order=asc")));
    }

    [Fact]
    public async Task A_response_that_fails_adds_nothing()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode made = await server.SendAsync(HttpMethod.Post, Path, "{}");
        server.Pool.Script = (_, _) => new[] { ScriptedPool.Prompt(), ScriptedPool.Token("x"), new GenerateEvent { Finish = new Finish { Reason = FinishReason.Error, Error = "broken" } } }.ToAsyncEnumerable();

        await server.FailAsync(500, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":"2","conversation":"{{made["id"]}}"}""");

        Assert.Empty(Texts(await server.GetAsync($"{Path}/{made["id"]}/items")));
    }

    [Theory]
    [InlineData(16, 64, 512, null)]
    [InlineData(17, 64, 512, "object_above_max_properties")]
    [InlineData(1, 65, 512, "string_above_max_length")]
    [InlineData(1, 64, 513, "string_above_max_length")]
    public async Task Metadata_has_limits(int pairs, int keyLength, int valueLength, string? code)
    {
        await using GatewayServer server = await StartServerAsync();
        var metadata = new JsonObject(Enumerable.Range(0, pairs).Select(i => KeyValuePair.Create(new string('k', keyLength - 2) + i.ToString("00", null), (JsonNode?)new string('v', valueLength))));
        string body = new JsonObject { ["metadata"] = metadata }.ToJsonString();

        if (code is null)
        {
            Assert.Equal(pairs, (await server.SendAsync(HttpMethod.Post, Path, body))["metadata"]!.AsObject().Count);
        }
        else
        {
            Assert.Equal(code, (string?)(await server.FailAsync(400, HttpMethod.Post, Path, body))["code"]);
        }
    }

    private static IEnumerable<string?> Texts(JsonNode list) => list["data"]!.AsArray().Select(item => (string?)item!["content"]![0]!["text"]);
}
