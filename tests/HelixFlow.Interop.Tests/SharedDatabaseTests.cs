using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using HelixFlow.TestServers;

namespace HelixFlow.Interop.Tests;

/// <summary>Two server processes on one PostgreSQL database and one folder.</summary>
public sealed class SharedDatabaseTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_one_process_begins_another_knows_and_goes_on_with_when_the_first_is_killed()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync();
        string shared = Directory.CreateTempSubdirectory("helixflow-shared-").FullName;
        try
        {
            string[] arguments = ["--database", postgres.ConnectionString(), "--shared-folder", shared];
            await using Server first = await Server.StartAsync(arguments: arguments);
            await using Server second = await Server.StartAsync(arguments: arguments);
            using HttpClient one = first.CreateClient(), other = second.CreateClient();

            JsonNode response = await PostAsync(one, "/v1/responses", """{"model":"helix-tiny","input":"What is HelixFlow?","max_output_tokens":16}""");
            Assert.Equal(response.ToJsonString(), (await other.GetFromJsonAsync<JsonNode>($"/v1/responses/{response["id"]}", Token))!.ToJsonString());

            using var form = new MultipartFormDataContent { { new StringContent("user_data"), "purpose" } };
            var content = new ByteArrayContent("Shared."u8.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue("text/plain") } };
            form.Add(content, "file", "a.txt");
            using HttpResponseMessage uploaded = await one.PostAsync("/v1/files", form, Token);
            string file = (string)(await uploaded.Content.ReadFromJsonAsync<JsonNode>(Token))!["id"]!;
            Assert.Equal("Shared.", await other.GetStringAsync($"/v1/files/{file}/content", Token));

            JsonNode job = await PostAsync(one, "/api/v1/agent/jobs", """{"type":"analyse-data","input":{"data":"a,b\n1,2\n3,4\n"}}""");
            await UntilAsync(other, $"/api/v1/agent/jobs/{job["id"]}", "state", "succeeded");

            // As many as one process does at a time and more: some have not begun when it is killed.
            var left = new List<string>();
            for (int i = 0; i < 4; i++)
            {
                left.Add((string)(await PostAsync(one, "/v1/responses", """{"model":"helix-tiny","input":"Go on.","background":true,"max_output_tokens":400,"ignore_eos":true}"""))["id"]!);
            }

            first.Kill();
            foreach (string id in left)
            {
                JsonNode ended = await UntilAsync(other, $"/v1/responses/{id}", "status", "completed", "incomplete");
                Assert.Null(ended["error"]);
            }
        }
        finally
        {
            Directory.Delete(shared, recursive: true);
        }
    }

    private static async Task<JsonNode> PostAsync(HttpClient client, string path, string body)
    {
        using HttpResponseMessage response = await client.PostAsync(path, new StringContent(body, System.Text.Encoding.UTF8, "application/json"), Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private static async Task<JsonNode> UntilAsync(HttpClient client, string path, string field, params string[] ends)
    {
        JsonNode now = "";
        for (int look = 0; look < 3000; look++)
        {
            now = (await client.GetFromJsonAsync<JsonNode>(path, Token))!;
            if (ends.Contains((string?)now[field]))
            {
                return now;
            }

            await Task.Delay(100, Token);
        }

        throw new TimeoutException($"{path} stays {now}");
    }
}
