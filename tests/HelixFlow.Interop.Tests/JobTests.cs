using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Jobs in a real server process, over HTTP.</summary>
public sealed class JobTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_summary_is_submitted_followed_and_read()
    {
        await using Server server = await Server.StartAsync();
        using HttpClient client = server.CreateClient();
        string text = string.Join("\n\n", Enumerable.Range(1, 40).Select(static i => $"Paragraph {i}. The cat sat on the mat and the dog ran in the park."));
        JsonNode job = await SubmitAsync(client, new JsonObject { ["type"] = "summarise", ["input"] = new JsonObject { ["text"] = text, ["model"] = Server.Model, ["length"] = "short" } });

        List<string> kinds = await FollowAsync(client, job["id"]!.GetValue<string>());
        Assert.Equal(("requested", "succeeded"), (kinds[0], kinds[^1]));
        Assert.Contains("step_succeeded", kinds);
        JsonNode result = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{job["id"]}/result", Token))!;
        Assert.NotEmpty(result["summary"]!.GetValue<string>());
        JsonArray sections = result["sections"]!.AsArray();
        Assert.True(sections.Count > 1, "the text does not fit the small model's context at once");
        Assert.Equal(text.Length, sections[^1]!["end"]!.GetValue<int>());
        Assert.True(result["usage"]!["completion_tokens"]!.GetValue<int>() > 0);
        JsonNode steps = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{job["id"]}/steps", Token))!;
        Assert.Equal(result["usage"]!["calls"]!.GetValue<int>() + 1, steps["data"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_job_that_was_acknowledged_is_done_after_the_server_was_killed()
    {
        string data = Directory.CreateTempSubdirectory("helixflow-jobs-").FullName;
        try
        {
            string id;
            await using (Server first = await Server.StartAsync(data: data))
            {
                using HttpClient client = first.CreateClient();
                string text = string.Join(' ', Enumerable.Repeat("The quick brown fox jumps over the lazy dog.", 200));
                var body = new JsonObject
                {
                    ["type"] = "summarise", ["input"] = new JsonObject { ["text"] = text }, ["options"] = new JsonObject { ["lease_ms"] = 1000, ["backoff_ms"] = 1 },
                };
                id = (await SubmitAsync(client, body))["id"]!.GetValue<string>();
                first.Kill();
            }

            await using Server second = await Server.StartAsync(data: data);
            using HttpClient again = second.CreateClient();
            Assert.Equal("succeeded", (await FollowAsync(again, id))[^1]);
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    internal static async Task<JsonNode> SubmitAsync(HttpClient client, JsonObject job)
    {
        using HttpResponseMessage response = await client.PostAsJsonAsync("/api/v1/agent/jobs", job, Token);
        Assert.True(response.StatusCode == System.Net.HttpStatusCode.Created, await response.Content.ReadAsStringAsync(Token));
        return (await response.Content.ReadFromJsonAsync<JsonNode>(Token))!;
    }

    /// <summary>The kinds of a job's events until its end.</summary>
    internal static async Task<List<string>> FollowAsync(HttpClient client, string id)
    {
        using HttpResponseMessage response = await client.GetAsync($"/api/v1/agent/jobs/{id}/events", HttpCompletionOption.ResponseHeadersRead, Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
        var kinds = new List<string>();
        while (await reader.ReadLineAsync(Token) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                kinds.Add(line["event: ".Length..]);
            }
        }

        return kinds;
    }
}
