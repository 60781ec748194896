using System.Text.Json;
using HelixFlow.Gateway.Tests.Files;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using static HelixFlow.Gateway.Tests.VectorStores.StoreClient;

namespace HelixFlow.Gateway.Tests.VectorStores;

/// <summary>/v1/vector_stores.</summary>
public class VectorStoreTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    [Fact]
    public async Task A_store_begins_as_openai_shows_it_and_can_be_changed_and_deleted()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartAsync(time: time);

        JsonElement store = await CreateAsync(server, """{"name":"n","description":"d","metadata":{"k":"v"},"expires_after":{"anchor":"last_active_at","days":7}}""");

        string[] names =
            ["id", "object", "created_at", "name", "description", "usage_bytes", "file_counts", "status", "expires_after", "expires_at", "last_active_at", "metadata"];
        Assert.Equal(names, store.EnumerateObject().Select(static property => property.Name));
        Assert.StartsWith("vs_", IdOf(store), StringComparison.Ordinal);
        Assert.Equal(("vector_store", "completed"), (store.GetProperty("object").GetString(), store.GetProperty("status").GetString()));
        Assert.Equal(ManualTime.StartInUnixSeconds + (7 * 86400), store.GetProperty("expires_at").GetInt64());

        JsonElement changed = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{IdOf(store)}", """{"name":"m","expires_after":null}"""));
        Assert.Equal(("m", "v"), (changed.GetProperty("name").GetString(), changed.GetProperty("metadata").GetProperty("k").GetString()));
        Assert.False(changed.TryGetProperty("expires_after", out _));

        JsonElement deleted = await FileClient.JsonAsync(await server.Client.DeleteAsync($"{Stores}/{IdOf(store)}"));
        Assert.True(deleted.GetProperty("deleted").GetBoolean());
        Assert.Equal(404, (await FileClient.ErrorAsync(await server.Client.GetAsync($"{Stores}/{IdOf(store)}"))).Status);
    }

    [Fact]
    public async Task A_project_sees_its_own_stores_alone()
    {
        await using GatewayServer server = await StartAsync();
        string id = IdOf(await CreateAsync(server));
        using HttpClient other = FileClient.Other(server);

        Assert.Equal(404, (await FileClient.ErrorAsync(await other.GetAsync($"{Stores}/{id}"))).Status);
        Assert.Equal(0, (await FileClient.GetAsync(other, Stores)).GetProperty("data").GetArrayLength());
        Assert.Equal(id, IdOf((await FileClient.GetAsync(server.Client, Stores)).GetProperty("data")[0]));
    }

    [Fact]
    public async Task A_list_pages_after_and_before_an_object_in_both_orders()
    {
        await using GatewayServer server = await StartAsync();
        var ids = new List<string>();
        for (int i = 0; i < 7; i++)
        {
            ids.Add(IdOf(await CreateAsync(server)));
        }

        async Task<(string[] Ids, bool More)> List(string query)
        {
            JsonElement page = await FileClient.GetAsync(server.Client, Stores + query);
            return ([.. page.GetProperty("data").EnumerateArray().Select(IdOf)], page.GetProperty("has_more").GetBoolean());
        }

        Assert.Equal(Enumerable.Reverse(ids), (await List("")).Ids);
        Assert.Equal((Joined(ids[..3]), true), Shape(await List("?order=asc&limit=3")));
        Assert.Equal((Joined(ids[3..6]), true), Shape(await List($"?order=asc&limit=3&after={ids[2]}")));
        Assert.Equal((Joined(ids[6..]), false), Shape(await List($"?order=asc&limit=3&after={ids[5]}")));
        Assert.Equal((Joined(ids[2..5]), true), Shape(await List($"?order=asc&limit=3&before={ids[5]}")));
        Assert.Equal((Joined([ids[6], ids[5]]), false), Shape(await List($"?limit=3&before={ids[4]}")));
        Assert.Equal(400, (await FileClient.ErrorAsync(await server.Client.GetAsync(Stores + "?after=vs_none"))).Status);

        static string Joined(IEnumerable<string> parts) => string.Join(' ', parts);

        static (string Ids, bool More) Shape((string[] Ids, bool More) page) => (string.Join(' ', page.Ids), page.More);
    }

    [Fact]
    public async Task A_file_is_read_and_found_by_its_words()
    {
        await using GatewayServer server = await StartAsync();
        JsonElement store = await FilledAsync(server, "Otters hold hands while they sleep.", "Basalt is a dark volcanic rock.");
        Assert.Equal(2, store.GetProperty("file_counts").GetProperty("completed").GetInt32());
        Assert.True(store.GetProperty("usage_bytes").GetInt64() > 0);

        JsonElement page = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{IdOf(store)}/search", """{"query":"dark volcanic rock"}"""));

        Assert.Equal("vector_store.search_results.page", page.GetProperty("object").GetString());
        Assert.Equal("dark volcanic rock", page.GetProperty("search_query")[0].GetString());
        JsonElement best = page.GetProperty("data")[0];
        Assert.Equal("Basalt is a dark volcanic rock.", best.GetProperty("content")[0].GetProperty("text").GetString());
        Assert.Equal(1.0, best.GetProperty("score").GetDouble(), 6);
        Assert.Equal("notes.txt", best.GetProperty("filename").GetString());
        double[] scores = [.. page.GetProperty("data").EnumerateArray().Select(static result => result.GetProperty("score").GetDouble())];
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.All(scores, static score => Assert.InRange(score, 0, 1));

        Assert.Equal(1, (await SearchAsync(server, IdOf(store), """{"query":["otters","basalt"],"max_num_results":1}""")).GetArrayLength());
        Assert.Equal(1, (await SearchAsync(server, IdOf(store), """{"query":"dark volcanic rock","ranking_options":{"score_threshold":1}}""")).GetArrayLength());
    }

    [Fact]
    public async Task A_file_that_is_removed_or_deleted_is_not_found_any_more()
    {
        await using GatewayServer server = await StartAsync();
        string store = IdOf(await CreateAsync(server));
        string first = await UploadAsync(server, "Otters hold hands.");
        string second = await UploadAsync(server, "Otters eat urchins.");
        await AddAsync(server, store, first);
        await AddAsync(server, store, second);
        Assert.Equal(2, (await SearchAsync(server, store, """{"query":"otters"}""")).GetArrayLength());

        await FileClient.JsonAsync(await server.Client.DeleteAsync($"{Stores}/{store}/files/{first}"));
        JsonElement left = Assert.Single((await SearchAsync(server, store, """{"query":"otters"}""")).EnumerateArray());
        Assert.Equal(second, left.GetProperty("file_id").GetString());

        await FileClient.JsonAsync(await server.Client.DeleteAsync("/v1/files/" + second));
        Assert.Equal(0, (await SearchAsync(server, store, """{"query":"otters"}""")).GetArrayLength());
        Assert.Equal(0, (await FileClient.GetAsync(server.Client, $"{Stores}/{store}")).GetProperty("file_counts").GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task Words_of_one_store_are_not_found_in_another_one()
    {
        await using GatewayServer server = await StartAsync();
        await FilledAsync(server, "Otters hold hands.");
        JsonElement other = await FilledAsync(server, "Basalt is dark.");

        JsonElement found = Assert.Single((await SearchAsync(server, IdOf(other), """{"query":"otters s1 \" OR scope : s1"}""")).EnumerateArray());

        Assert.Equal("Basalt is dark.", found.GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Theory]
    [InlineData("paper.pdf", "%PDF-1.7", "unsupported_file")]
    [InlineData("notes.txt", "%PDF-1.7", "unsupported_file")]
    [InlineData("sheet.xlsx", "PK", "unsupported_file")]
    [InlineData("notes.txt", " \n ", "invalid_file")]
    [InlineData("notes.txt", "a\0b", "invalid_file")]
    public async Task What_is_no_text_fails_with_a_reason(string filename, string content, string code)
    {
        await using GatewayServer server = await StartAsync();
        string store = IdOf(await CreateAsync(server));

        JsonElement file = await AddAsync(server, store, await UploadAsync(server, content, filename));

        Assert.Equal(("failed", code), (file.GetProperty("status").GetString(), file.GetProperty("last_error").GetProperty("code").GetString()));
        JsonElement failed = await FileClient.GetAsync(server.Client, $"{Stores}/{store}/files?filter=failed");
        Assert.Equal(1, failed.GetProperty("data").GetArrayLength());
        Assert.Equal(0, (await FileClient.GetAsync(server.Client, $"{Stores}/{store}/files?filter=completed")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task Attributes_filter_a_search_and_can_be_changed()
    {
        await using GatewayServer server = await StartAsync();
        string store = IdOf(await CreateAsync(server));
        string file = await UploadAsync(server, "Otters hold hands.");
        JsonElement added = await AddAsync(server, store, file, ""","attributes":{"year":2020,"kind":"animal","draft":false},"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":200,"chunk_overlap_tokens":50}}""");
        Assert.Equal(200, added.GetProperty("chunking_strategy").GetProperty("static").GetProperty("max_chunk_size_tokens").GetInt32());
        const string Query = """{"query":"otters","filters":{"type":"and","filters":[{"type":"gte","key":"year","value":2021},{"type":"in","key":"kind","value":["animal","plant"]}]}}""";
        Assert.Equal(0, (await SearchAsync(server, store, Query)).GetArrayLength());

        await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/files/{file}", """{"attributes":{"year":2021,"kind":"animal"}}"""));

        JsonElement found = Assert.Single((await SearchAsync(server, store, Query)).EnumerateArray());
        Assert.Equal(2021, found.GetProperty("attributes").GetProperty("year").GetInt32());
    }

    [Fact]
    public async Task A_batch_counts_its_files_and_can_be_cancelled()
    {
        await using GatewayServer server = await StartAsync();
        var held = new TaskCompletionSource();
        server.Pool.Embeds = async (request, token) =>
        {
            await held.Task.WaitAsync(token);
            return Embed(request);
        };
        string store = IdOf(await CreateAsync(server));
        string bad = await UploadAsync(server, "PK", "a.zip");
        string[] files = [await UploadAsync(server, "one"), await UploadAsync(server, "two"), await UploadAsync(server, "three"), bad];
        JsonElement batch = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/file_batches", $$$"""{"file_ids":{{{JsonSerializer.Serialize(files)}}},"attributes":{"a":1}}"""));
        Assert.Equal(("vector_store.files_batch", "in_progress"), (batch.GetProperty("object").GetString(), batch.GetProperty("status").GetString()));
        Assert.Equal(4, batch.GetProperty("file_counts").GetProperty("total").GetInt32());

        JsonElement cancelled = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/file_batches/{IdOf(batch)}/cancel", ""));
        held.SetResult();

        Assert.Equal("cancelled", cancelled.GetProperty("status").GetString());
        Assert.Equal(0, cancelled.GetProperty("file_counts").GetProperty("in_progress").GetInt32());
        JsonElement listed = await FileClient.GetAsync(server.Client, $"{Stores}/{store}/file_batches/{IdOf(batch)}/files?order=asc");
        Assert.Equal(files, listed.GetProperty("data").EnumerateArray().Select(IdOf));
        string[] again = files[..2];
        batch = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/file_batches", $$$"""{"files":[{"file_id":"{{{again[0]}}}","attributes":{"b":2}},{"file_id":"{{{again[1]}}}"}]}"""));
        batch = await UntilAsync(server, $"{Stores}/{store}/file_batches/{IdOf(batch)}", static now => now.GetProperty("status").GetString() != "in_progress");
        Assert.Equal(("completed", 2), (batch.GetProperty("status").GetString(), batch.GetProperty("file_counts").GetProperty("completed").GetInt32()));
    }

    [Fact]
    public async Task After_a_restart_reading_goes_on_and_makes_each_vector_once()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-vectors-").FullName };
        string text = string.Concat(Enumerable.Range(0, 9000).Select(static i => $"word{i} "));
        var made = new List<string>();
        string store;
        string file;
        await using (GatewayServer first = await StartAsync(options))
        {
            var second = new TaskCompletionSource();
            first.Pool.Embeds = async (request, token) =>
            {
                if (made.Count > 0)
                {
                    second.TrySetResult();
                    await Task.Delay(Timeout.Infinite, token);
                }

                made.AddRange(request.Inputs.Select(static input => input.Text));
                return Embed(request);
            };
            store = IdOf(await CreateAsync(first));
            file = await UploadAsync(first, text);
            await FileClient.JsonAsync(await first.PostAsync(
                $"{Stores}/{store}/files", $$$"""{"file_id":"{{{file}}}","chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":0} } }"""));
            await second.Task.WaitAsync(TimeSpan.FromMinutes(5));
        }

        Assert.Equal(32, made.Count);
        await using (GatewayServer second = await StartServerAsync(options, isReady: false))
        {
            Embed(second.Pool);
            second.Pool.Embeds = (request, _) =>
            {
                made.AddRange(request.Inputs.Select(static input => input.Text));
                return ValueTask.FromResult(Embed(request));
            };
            second.IsReady = true; // nothing is read before
            JsonElement read = await UntilAsync(second, $"{Stores}/{store}/files/{file}", static now => now.GetProperty("status").GetString() != "in_progress");

            Assert.Equal("completed", read.GetProperty("status").GetString());
            Assert.Equal(text, string.Concat(made)); // no overlap, so every chunk once and in order is the text
            Assert.Equal(1, (await SearchAsync(second, store, """{"query":"word8999","max_num_results":1}""")).GetArrayLength());
            JsonElement content = await FileClient.GetAsync(second.Client, $"{Stores}/{store}/files/{file}/content");
            Assert.Equal(text, content.GetProperty("data")[0].GetProperty("text").GetString());
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task A_model_that_does_not_answer_is_tried_again_and_one_that_refuses_fails_the_file()
    {
        await using GatewayServer server = await StartAsync(new GatewayOptions { VectorStores = new() { RetryDelay = TimeSpan.FromMilliseconds(1) } });
        int calls = 0;
        server.Pool.Embeds = (request, _) => Interlocked.Increment(ref calls) < 3
            ? throw new InferenceException(InferenceError.Overloaded, "full")
            : ValueTask.FromResult(Embed(request));
        string store = IdOf(await CreateAsync(server));
        Assert.Equal("completed", (await AddAsync(server, store, await UploadAsync(server, "one"))).GetProperty("status").GetString());
        Assert.Equal(3, calls);

        server.Pool.Embeds = (_, _) => throw new InferenceException(InferenceError.InvalidArgument, "no such thing");
        JsonElement failed = await AddAsync(server, store, await UploadAsync(server, "two"));
        Assert.Equal(("server_error", "no such thing"), (failed.GetProperty("last_error").GetProperty("code").GetString(), failed.GetProperty("last_error").GetProperty("message").GetString()));
    }

    [Fact]
    public async Task A_store_expires_after_it_was_last_active()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartAsync(time: time);
        string store = IdOf(await CreateAsync(server, """{"expires_after":{"anchor":"last_active_at","days":1}}"""));
        string file = await UploadAsync(server, "one");
        time.Advance(TimeSpan.FromHours(20));
        await SearchAsync(server, store, """{"query":"one"}""");
        time.Advance(TimeSpan.FromHours(20));
        Assert.Equal("completed", (await FileClient.GetAsync(server.Client, $"{Stores}/{store}")).GetProperty("status").GetString());
        time.Advance(TimeSpan.FromHours(5));

        Assert.Equal("expired", (await FileClient.GetAsync(server.Client, $"{Stores}/{store}")).GetProperty("status").GetString());
        Assert.Equal((400, "vector_store_expired"), await BriefAsync(await server.PostAsync($"{Stores}/{store}/search", """{"query":"one"}""")));
        Assert.Equal((400, "vector_store_expired"), await BriefAsync(await server.PostAsync($"{Stores}/{store}/files", $$"""{"file_id":"{{file}}"}""")));
    }

    [Fact]
    public async Task Without_a_model_files_are_refused_with_what_to_configure()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Models = [];
        string store = IdOf(await CreateAsync(server));
        string file = await UploadAsync(server, "one");

        (int status, string message, _, string? code) = await FileClient.ErrorAsync(await server.PostAsync($"{Stores}/{store}/files", $$"""{"file_id":"{{file}}"}"""));

        Assert.Equal((400, "embedding_model_not_configured"), (status, code));
        Assert.Contains("--embedding-model", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", """{"name":5}""")]
    [InlineData("", """{"expires_after":{"anchor":"created_at","days":1}}""")]
    [InlineData("", """{"expires_after":{"anchor":"last_active_at","days":366}}""")]
    [InlineData("", """{"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":99,"chunk_overlap_tokens":0}}}""")]
    [InlineData("", """{"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":51}}}""")]
    [InlineData("", """{"chunking_strategy":{"type":"clever"}}""")]
    [InlineData("/search", "{}")]
    [InlineData("/search", """{"query":[]}""")]
    [InlineData("/search", """{"query":""}""")]
    [InlineData("/search", """{"query":"a","rewrite_query":true}""")]
    [InlineData("/search", """{"query":"a","max_num_results":51}""")]
    [InlineData("/search", """{"query":"a","ranking_options":{"ranker":"best"}}""")]
    [InlineData("/search", """{"query":"a","ranking_options":{"score_threshold":1.5}}""")]
    [InlineData("/search", """{"query":"a","filters":{"type":"like","key":"a","value":"b"}}""")]
    [InlineData("/search", """{"query":"a","filters":{"type":"gt","key":"a","value":true}}""")]
    [InlineData("/search", """{"query":"a","filters":{"type":"in","key":"a","value":"b"}}""")]
    [InlineData("/search", """{"query":"a","filters":{"type":"and","filters":[]}}""")]
    [InlineData("/files", """{"file_id":"f","attributes":{"a":null}}""")]
    [InlineData("/file_batches", "{}")]
    [InlineData("/file_batches", """{"file_ids":["a"],"files":[{"file_id":"a"}]}""")]
    public async Task Wrong_fields_are_refused(string path, string body)
    {
        await using GatewayServer server = await StartAsync();
        string store = IdOf(await CreateAsync(server));

        (int status, _, string? param, _) = await FileClient.ErrorAsync(await server.PostAsync(path.Length == 0 ? Stores : $"{Stores}/{store}{path}", body));

        Assert.Equal(400, status);
        Assert.NotNull(param);
    }

    private async Task<GatewayServer> StartAsync(GatewayOptions? options = null, TimeProvider? time = null)
    {
        GatewayServer server = await StartServerAsync(options, time: time);
        Embed(server.Pool);
        return server;
    }

    private static async Task<(int Status, string? Code)> BriefAsync(HttpResponseMessage response)
    {
        (int status, _, _, string? code) = await FileClient.ErrorAsync(response);
        return (status, code);
    }
}
