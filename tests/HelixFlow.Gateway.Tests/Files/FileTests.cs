using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Files;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using static HelixFlow.Gateway.Tests.Files.FileClient;

namespace HelixFlow.Gateway.Tests.Files;

/// <summary>/v1/files.</summary>
public class FileTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    [Fact]
    public async Task A_file_comes_back_as_it_was_sent()
    {
        await using GatewayServer server = await StartServerAsync();
        byte[] bytes = new byte[300_000];
        new Random(5).NextBytes(bytes);

        JsonElement file = await JsonAsync(await server.Client.PostAsync("/v1/files", Form("user_data", "grüße x.bin", bytes)));
        string id = file.GetProperty("id").GetString()!;
        using HttpResponseMessage content = await server.Client.GetAsync($"/v1/files/{id}/content");

        Assert.StartsWith("file-", id, StringComparison.Ordinal);
        Assert.Equal("file", file.GetProperty("object").GetString());
        Assert.Equal("grüße x.bin", file.GetProperty("filename").GetString());
        Assert.Equal(bytes.Length, file.GetProperty("bytes").GetInt64());
        Assert.Equal("processed", file.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, file.GetProperty("expires_at").ValueKind);
        Assert.Equal(bytes, await content.Content.ReadAsByteArrayAsync());
        Assert.Equal("application/octet-stream", content.Content.Headers.ContentType!.MediaType);
        Assert.Equal(file.ToString(), (await GetAsync(server.Client, $"/v1/files/{id}")).ToString());
    }

    [Fact]
    public async Task A_range_of_a_file_can_be_had()
    {
        await using GatewayServer server = await StartServerAsync();
        string id = (await UploadAsync(server.Client, "0123456789", "user_data", "x.txt")).GetProperty("id").GetString()!;

        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/files/{id}/content") { Headers = { Range = new RangeHeaderValue(3, 5) } };
        using HttpResponseMessage part = await server.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
        Assert.Equal("345", await part.Content.ReadAsStringAsync());
        Assert.Equal(10, part.Content.Headers.ContentRange!.Length);
    }

    [Fact]
    public async Task The_purpose_may_stand_before_or_behind_the_file()
    {
        await using GatewayServer server = await StartServerAsync();
        var before = new MultipartFormDataContent { { new StringContent("evals"), "purpose" }, { new ByteArrayContent([1, 2]), "file", "a" } };

        Assert.Equal("evals", (await JsonAsync(await server.Client.PostAsync("/v1/files", before))).GetProperty("purpose").GetString());
        Assert.Equal("evals", (await UploadAsync(server.Client, "x", "evals")).GetProperty("purpose").GetString());
    }

    [Theory]
    [InlineData(null, "a.jsonl", 400, "purpose", "Missing required parameter: 'purpose'.")]
    [InlineData("world_domination", "a.jsonl", 400, "purpose", "'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'")]
    [InlineData("batch_output", "a.jsonl", 400, "purpose", "'batch_output' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'")]
    [InlineData("batch", "a.csv", 400, "file", "Invalid file format for Batch API. Must be .jsonl")]
    public async Task A_file_without_a_right_purpose_is_refused_and_leaves_nothing(string? purpose, string name, int status, string param, string message)
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName };
        await using (GatewayServer server = await StartServerAsync(options))
        {
            (int actual, string text, string? actualParam, _) = await ErrorAsync(await server.Client.PostAsync("/v1/files", Form(purpose, name, [1])));

            Assert.Equal((status, message, param), (actual, text, actualParam));
            Assert.Empty(Blobs(options));
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task A_file_for_batches_needs_no_extension_but_no_wrong_one_either()
    {
        await using GatewayServer server = await StartServerAsync();

        Assert.Equal("batch", (await UploadAsync(server.Client, "x", "batch", "no-extension")).GetProperty("purpose").GetString());
    }

    [Fact]
    public async Task Forms_that_are_none_are_refused()
    {
        await using GatewayServer server = await StartServerAsync();
        var noName = new MultipartFormDataContent { { new StringContent("text"), "file" }, { new StringContent("batch"), "purpose" } };
        var broken = new ByteArrayContent("--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhalf"u8.ToArray());
        broken.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data; boundary=b");
        var none = new MultipartFormDataContent { { new StringContent("batch"), "purpose" } };

        Assert.Equal(415, (await ErrorAsync(await server.PostAsync("/v1/files", "{}"))).Status);
        Assert.Equal((400, "file"), Of(await ErrorAsync(await server.Client.PostAsync("/v1/files", noName))));
        Assert.Equal((400, null), Of(await ErrorAsync(await server.Client.PostAsync("/v1/files", broken))));
        Assert.Equal((400, "file"), Of(await ErrorAsync(await server.Client.PostAsync("/v1/files", none))));

        static (int, string?) Of((int Status, string Message, string? Param, string? Code) error) => (error.Status, error.Param);
    }

    [Fact]
    public async Task A_file_that_is_too_large_is_refused_and_leaves_nothing()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName, Files = new FileStoreOptions { MaxFileBytes = 1000 } };
        await using (GatewayServer server = await StartServerAsync(options))
        {
            (int status, _, string? param, string? code) = await ErrorAsync(await server.Client.PostAsync("/v1/files", Form("user_data", "a", new byte[1001])));

            Assert.Equal((413, "file", "file_too_large"), (status, param, code));
            Assert.Empty(Blobs(options));
            Assert.Equal(1000, (await JsonAsync(await server.Client.PostAsync("/v1/files", Form("user_data", "a", new byte[1000])))).GetProperty("bytes").GetInt64());
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task Files_are_listed_page_by_page_in_both_orders()
    {
        await using GatewayServer server = await StartServerAsync();
        var ids = new List<string>();
        for (int i = 0; i < 7; i++)
        {
            ids.Add((await UploadAsync(server.Client, $"{i}", i % 2 == 0 ? "evals" : "user_data", $"{i}.txt")).GetProperty("id").GetString()!);
        }

        JsonElement all = await GetAsync(server.Client, "/v1/files");
        Assert.Equal(Enumerable.Reverse(ids), Ids(all));
        Assert.Equal((ids[^1], ids[0], false), (all.GetProperty("first_id").GetString(), all.GetProperty("last_id").GetString(), all.GetProperty("has_more").GetBoolean()));
        Assert.Equal([ids[1], ids[3], ids[5]], Ids(await GetAsync(server.Client, "/v1/files?order=asc&purpose=user_data")));

        var paged = new List<string>();
        string after = "";
        bool more = true;
        while (more)
        {
            JsonElement page = await GetAsync(server.Client, "/v1/files?order=asc&limit=3" + after);
            paged.AddRange(Ids(page));
            more = page.GetProperty("has_more").GetBoolean();
            after = "&after=" + page.GetProperty("last_id").GetString();
        }

        Assert.Equal(ids, paged);
    }

    [Theory]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=10001", "limit")]
    [InlineData("limit=x", "limit")]
    [InlineData("order=up", "order")]
    public async Task Wrong_parameters_of_lists_are_refused(string query, string param)
    {
        await using GatewayServer server = await StartServerAsync();

        (int status, _, string? actual, _) = await ErrorAsync(await server.Client.GetAsync("/v1/files?" + query));

        Assert.Equal((400, param), (status, actual));
    }

    [Fact]
    public async Task A_file_of_another_project_is_not_there()
    {
        await using GatewayServer server = await StartServerAsync();
        using HttpClient other = Other(server);
        string id = (await UploadAsync(server.Client, "secret", "user_data", "x.txt")).GetProperty("id").GetString()!;

        (int Status, string Message, string? Param, string? Code) expected = (404, $"No such File object: {id}", "id", null);
        Assert.Equal(expected, await ErrorAsync(await other.GetAsync($"/v1/files/{id}")));
        Assert.Equal(expected, await ErrorAsync(await other.GetAsync($"/v1/files/{id}/content")));
        Assert.Equal(expected, await ErrorAsync(await other.DeleteAsync($"/v1/files/{id}")));
        Assert.Empty(Ids(await GetAsync(other, "/v1/files")));
        Assert.Equal(404, (await ErrorAsync(await other.GetAsync($"/v1/files?after={id}"))).Status);
        Assert.Equal("secret", await server.Client.GetStringAsync($"/v1/files/{id}/content"));
    }

    [Fact]
    public async Task Equal_content_is_kept_until_the_last_file_with_it_is_deleted()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName };
        await using (GatewayServer server = await StartServerAsync(options))
        {
            string first = (await UploadAsync(server.Client, "same", "user_data", "a.txt")).GetProperty("id").GetString()!;
            string second = (await UploadAsync(server.Client, "same", "user_data", "b.txt")).GetProperty("id").GetString()!;
            Assert.Single(Blobs(options));

            JsonElement deleted = await JsonAsync(await server.Client.DeleteAsync($"/v1/files/{first}"));
            Assert.Equal((first, true, "file"), (deleted.GetProperty("id").GetString(), deleted.GetProperty("deleted").GetBoolean(), deleted.GetProperty("object").GetString()));
            Assert.Equal("same", await server.Client.GetStringAsync($"/v1/files/{second}/content"));

            await JsonAsync(await server.Client.DeleteAsync($"/v1/files/{second}"));
            Assert.Empty(Blobs(options));
            Assert.Equal(404, (await ErrorAsync(await server.Client.DeleteAsync($"/v1/files/{second}"))).Status);
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task A_file_expires_when_its_time_has_come_and_then_leaves_the_disk()
    {
        var time = new ManualTime();
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName };
        await using (GatewayServer server = await StartServerAsync(options, time: time))
        {
            JsonElement brief = await UploadAsync(server.Client, "brief", "user_data", "a.txt", ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "3600"));
            JsonElement batch = await UploadAsync(server.Client, "batch");
            JsonElement lasting = await UploadAsync(server.Client, "lasting", "user_data", "c.txt");
            Assert.Equal(ManualTime.StartInUnixSeconds + 3600, brief.GetProperty("expires_at").GetInt64());
            Assert.Equal(ManualTime.StartInUnixSeconds + (30 * 24 * 3600), batch.GetProperty("expires_at").GetInt64());

            time.Advance(TimeSpan.FromHours(1));
            Assert.Equal(404, (await ErrorAsync(await server.Client.GetAsync($"/v1/files/{brief.GetProperty("id").GetString()}"))).Status);
            Assert.Equal([lasting.GetProperty("id").GetString(), batch.GetProperty("id").GetString()], Ids(await GetAsync(server.Client, "/v1/files")));
            for (int round = 0; Blobs(options).Length > 2; round++)
            {
                Assert.True(round < 3000, "the expired file stays on the disk");
                time.Advance(TimeSpan.FromMinutes(1)); // again: the sweeper may not have been waiting yet
                await Task.Delay(10);
            }
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Theory]
    [InlineData("created_at", "3599", "expires_after.seconds")]
    [InlineData("created_at", "2592001", "expires_after.seconds")]
    [InlineData("created_at", "soon", "expires_after.seconds")]
    [InlineData("updated_at", "3600", "expires_after.anchor")]
    public async Task A_wrong_time_to_expire_is_refused(string anchor, string seconds, string param)
    {
        await using GatewayServer server = await StartServerAsync();

        using HttpResponseMessage response = await server.Client.PostAsync(
            "/v1/files", Form("user_data", "a", [1], ("expires_after[anchor]", anchor), ("expires_after[seconds]", seconds)));

        (int status, _, string? actual, _) = await ErrorAsync(response);
        Assert.Equal((400, param), (status, actual));
    }

    [Fact]
    public async Task A_disk_that_is_full_is_said_so_and_nothing_stays_of_the_file()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName };
        IReadOnlyList<SchemaScript> scripts = SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/gateway");
        await using (GatewayServer server = await StartServerAsync(
            options, configure: services => services.AddSingleton<IDatabase>(_ => SqliteDatabase.Open(Path.Combine(options.DataFolder, "gateway.db"), scripts, maxBytes: 1 << 18))))
        {
            string name = new('n', 1000);
            int stored = 0;
            (int Status, string Message, string? Param, string? Code)? refusal = null;
            for (int i = 0; refusal is null; i++)
            {
                Assert.True(i < 1000, "the disk is never full");
                using HttpResponseMessage response = await server.Client.PostAsync("/v1/files", Form("user_data", name, Encoding.UTF8.GetBytes($"{i}")));
                refusal = response.IsSuccessStatusCode ? null : await ErrorAsync(response);
                stored += response.IsSuccessStatusCode ? 1 : 0;
            }

            Assert.Equal((507, "insufficient_storage"), (refusal.Value.Status, refusal.Value.Code));
            Assert.Equal(stored, Ids(await GetAsync(server.Client, "/v1/files")).Count());
            Assert.Equal(stored, Blobs(options).Length);
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task Many_clients_that_store_and_delete_the_same_content_never_lose_a_file_that_is_there()
    {
        await using GatewayServer server = await StartServerAsync();
        int lost = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => ComeAndGoAsync()));

        Assert.Empty(Ids(await GetAsync(server.Client, "/v1/files")));
        Assert.True(lost < 72);

        async Task ComeAndGoAsync()
        {
            for (int i = 0; i < 12; i++)
            {
                using HttpResponseMessage created = await server.Client.PostAsync("/v1/files", Form("user_data", "x", Encoding.UTF8.GetBytes("the same for all")));
                if (created.StatusCode == HttpStatusCode.ServiceUnavailable)
                {
                    Interlocked.Increment(ref lost); // refused, which its client tries again
                    continue;
                }

                string id = (await JsonAsync(created)).GetProperty("id").GetString()!;
                Assert.Equal("the same for all", await server.Client.GetStringAsync($"/v1/files/{id}/content"));
                await JsonAsync(await server.Client.DeleteAsync($"/v1/files/{id}"));
            }
        }
    }

    private static string[] Blobs(GatewayOptions options) => Directory.GetFiles(Path.Combine(options.DataFolder, "blobs"), "*", SearchOption.AllDirectories);

    private static IEnumerable<string> Ids(JsonElement list) => list.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("id").GetString()!);
}
