using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;

namespace HelixFlow.Gateway.Tests.StoredCompletions;

public class StoredCompletionTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task A_completion_is_kept_only_when_that_is_asked_for()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode kept = await server.SendAsync(HttpMethod.Post, Path, """{"model":"m","store":true,"metadata":{"a":"b"},"temperature":0.5,"messages":[{"role":"user","content":"hi"}]}""");
        JsonNode lost = await server.SendAsync(HttpMethod.Post, Path, """{"model":"m","messages":[{"role":"user","content":"hi"}]}""");

        JsonNode found = await server.GetAsync($"{Path}/{kept["id"]}");
        foreach (string same in (string[])["id", "object", "created", "model", "choices", "usage"])
        {
            Assert.Equal(kept[same]!.ToJsonString(), found[same]!.ToJsonString());
        }

        Assert.Equal(("b", 0.5), ((string?)found["metadata"]!["a"], (double)found["temperature"]!));
        JsonNode error = await server.FailAsync(404, HttpMethod.Get, $"{Path}/{lost["id"]}");
        Assert.Equal(($"Completion {lost["id"]} not found", "completion_id", "not_found"), ((string?)error["message"], (string?)error["param"], (string?)error["code"]));
        Assert.Equal("invalid_type", (string?)(await server.FailAsync(400, HttpMethod.Post, Path, """{"model":"m","metadata":{"a":1},"messages":[{"role":"user","content":"hi"}]}"""))["code"]);
    }

    [Fact]
    public async Task A_streamed_one_is_kept_as_the_whole_it_adds_up_to()
    {
        await using GatewayServer server = await StartServerAsync();
        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","store":true,"stream":true,"messages":[{"role":"user","content":"hi"}]}""");
        string text = await response.Content.ReadAsStringAsync();
        string id = (string)JsonNode.Parse(text.Split('\n')[0]["data: ".Length..])!["id"]!;

        JsonNode found = await server.GetAsync($"{Path}/{id}");

        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.Equal(("Hello world", "stop"), ((string?)found["choices"]![0]!["message"]!["content"], (string?)found["choices"]![0]!["finish_reason"]));
        Assert.Equal(5, (int)found["usage"]!["total_tokens"]!);
    }

    [Fact]
    public async Task They_are_listed_in_pages_by_model_and_metadata()
    {
        await using GatewayServer server = await StartServerAsync();
        var ids = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            string body = $$$"""{"model":"m{{{i % 2}}}","store":true,"metadata":{"n":"{{{i}}}","all":"yes"},"messages":[{"role":"user","content":"{{{i}}}"}]}""";
            ids.Add((string)(await server.SendAsync(HttpMethod.Post, Path, body))["id"]!);
        }

        async Task<string[]> ListAsync(string query) => [.. (await server.GetAsync($"{Path}?{query}"))["data"]!.AsArray().Select(item => (string)item!["id"]!)];

        Assert.Equal(ids, await ListAsync(""));
        Assert.Equal(ids[..2], await ListAsync("limit=2"));
        Assert.Equal(ids[2..4], await ListAsync($"limit=2&after={ids[1]}"));
        Assert.Equal([ids[4], ids[3]], await ListAsync("limit=2&order=desc"));
        Assert.Equal([ids[1], ids[3]], await ListAsync("model=m1"));
        Assert.Equal([ids[3]], await ListAsync("metadata[n]=3&metadata[all]=yes"));
        Assert.Empty(await ListAsync("metadata[n]=3&metadata[all]=no"));
        Assert.True((bool)(await server.GetAsync(Path + "?limit=4"))["has_more"]!);
        Assert.False((bool)(await server.GetAsync(Path + "?limit=5"))["has_more"]!);
        Assert.Equal("after", (string?)(await server.FailAsync(400, HttpMethod.Get, Path + "?after=chatcmpl-none"))["param"]);
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "second");
        Assert.Empty(await ListAsync(""));
    }

    [Fact]
    public async Task Metadata_can_be_changed_and_the_completion_deleted()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode kept = await server.SendAsync(HttpMethod.Post, Path, """{"model":"m","store":true,"messages":[{"role":"user","content":"hi"}]}""");
        string path = $"{Path}/{kept["id"]}";

        JsonNode changed = await server.SendAsync(HttpMethod.Post, path, """{"metadata":{"a":"c"}}""");

        Assert.Equal("c", (string?)changed["metadata"]!["a"]);
        Assert.Equal(changed.ToJsonString(), (await server.GetAsync(path)).ToJsonString());
        Assert.Equal("metadata", (string?)(await server.FailAsync(400, HttpMethod.Post, path, "{}"))["param"]);
        Assert.Equal($$"""{"id":"{{kept["id"]}}","object":"chat.completion.deleted","deleted":true}""", (await server.SendAsync(HttpMethod.Delete, path)).ToJsonString());
        await server.FailAsync(404, HttpMethod.Get, path);
        await server.FailAsync(404, HttpMethod.Post, path, """{"metadata":{}}""");
        await server.FailAsync(404, HttpMethod.Delete, path);
        await server.FailAsync(404, HttpMethod.Get, path + "/messages");
    }

    [Fact]
    public async Task A_refusal_among_its_messages_is_told_as_a_part_and_as_a_field()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode kept = await server.SendAsync(
            HttpMethod.Post,
            Path,
            """{"model":"m","store":true,"messages":[{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]},{"role":"assistant","content":null,"refusal":"Never."},{"role":"user","content":"x"}]}""");

        JsonArray all = (await server.GetAsync($"{Path}/{kept["id"]}/messages"))["data"]!.AsArray();

        Assert.Equal("""[{"type":"refusal","refusal":"No."}]""", all[0]!["content_parts"]!.ToJsonString());
        Assert.Equal(("", null), ((string?)all[0]!["content"], (string?)all[0]!["refusal"]));
        Assert.Equal((null, "Never."), ((string?)all[1]!["content"], (string?)all[1]!["refusal"]));
    }

    [Fact]
    public async Task Its_messages_are_listed_in_pages()
    {
        await using GatewayServer server = await StartServerAsync();
        JsonNode kept = await server.SendAsync(
            HttpMethod.Post, Path, """{"model":"m","store":true,"messages":[{"role":"system","content":"Be brief."},{"role":"user","name":"Ann","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]}]}""");

        JsonNode all = await server.GetAsync($"{Path}/{kept["id"]}/messages");
        JsonNode last = await server.GetAsync($"{Path}/{kept["id"]}/messages?order=desc&limit=1");

        Assert.Equal(
            $$"""[{"id":"{{kept["id"]}}-0","role":"system","content":"Be brief.","content_parts":null,"name":null,"refusal":null},{"id":"{{kept["id"]}}-1","role":"user","content":"hi","content_parts":[{"type":"text","text":"h"},{"type":"text","text":"i"}],"name":"Ann","refusal":null}]""",
            all["data"]!.ToJsonString());
        Assert.Equal((kept["id"] + "-1", true), ((string?)last["first_id"], (bool)last["has_more"]!));
    }
}
