using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>A batch whose server is killed again and again.</summary>
public sealed class BatchDurabilityTests
{
    private const int Requests = 1000;
    private const int Kills = 4;
    private const int Seed = 20_26;

    [Fact]
    public async Task Each_result_is_there_exactly_once_however_often_the_server_is_killed()
    {
        string data = Directory.CreateTempSubdirectory("helixflow-batch-").FullName;
        var random = new Random(Seed);
        Server server = await Server.StartAsync(data: data);
        try
        {
            string id = await SubmitAsync(server);
            for (int kill = 0; kill < Kills; kill++)
            {
                // At once, or at any place on the way to the next quarter.
                int enough = kill == 0 ? 0 : random.Next(Requests * (kill - 1) / Kills, Requests * kill / Kills);
                await UntilAsync(server, id, batch => Completed(batch) >= enough);
                await server.DisposeAsync(); // SIGKILL
                server = await Server.StartAsync(data: data);
            }

            JsonNode ended = await UntilAsync(server, id, static batch => (string?)batch["status"] is "completed" or "failed" or "expired" or "cancelled");
            await CheckAsync(server, ended);
        }
        finally
        {
            await server.DisposeAsync();
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task<string> SubmitAsync(Server server)
    {
        var lines = new StringBuilder();
        for (int i = 0; i < Requests; i++)
        {
            lines.Append(CultureInfo.InvariantCulture, $$$"""{"custom_id":"r{{{i}}}","method":"POST","url":"/v1/completions","body":{"model":"{{{Server.Model}}}","prompt":"Item {{{i}}}","max_tokens":{{{1 + (i % 4)}}},"ignore_eos":true}}""").Append('\n');
        }

        using HttpClient client = server.CreateClient();
        using var form = new MultipartFormDataContent { { new ByteArrayContent(Encoding.UTF8.GetBytes(lines.ToString())), "file", "input.jsonl" }, { new StringContent("batch"), "purpose" } };
        JsonNode file = await ReadAsync(await client.PostAsync("/v1/files", form));
        JsonNode batch = await ReadAsync(await client.PostAsJsonAsync(
            "/v1/batches", new { input_file_id = (string?)file["id"], endpoint = "/v1/completions", completion_window = "24h" }));
        return (string)batch["id"]!;
    }

    private static async Task<JsonNode> UntilAsync(Server server, string id, Func<JsonNode, bool> condition)
    {
        using HttpClient client = server.CreateClient();
        for (int round = 0; round < 12_000; round++)
        {
            JsonNode batch = await ReadAsync(await client.GetAsync($"/v1/batches/{id}"));
            if (condition(batch))
            {
                return batch;
            }

            await Task.Delay(20);
        }

        throw new TimeoutException("The batch does not go on.");
    }

    private static async Task CheckAsync(Server server, JsonNode batch)
    {
        using HttpClient client = server.CreateClient();
        string output = await client.GetStringAsync($"/v1/files/{(string?)batch["output_file_id"]}/content");
        JsonNode[] results = [.. output.TrimEnd('\n').Split('\n').Select(static line => JsonNode.Parse(line)!)];

        Assert.Equal("completed", (string?)batch["status"]);
        Assert.Null(batch["error_file_id"]);
        Assert.Equal((Requests, Requests, 0), ((int)batch["request_counts"]!["total"]!, Completed(batch), (int)batch["request_counts"]!["failed"]!));
        Assert.Equal(Enumerable.Range(0, Requests).Select(static i => $"r{i}"), results.Select(static line => (string)line["custom_id"]!));
        Assert.Equal(Requests, results.Select(static line => (string)line["id"]!).Distinct().Count());
        Assert.All(results, static line => Assert.Equal(200, (int)line["response"]!["status_code"]!));

        int[] generated = [.. results.Select(static line => (int)line["response"]!["body"]!["usage"]!["completion_tokens"]!)];
        Assert.Equal(Enumerable.Range(0, Requests).Select(static i => 1 + (i % 4)), generated);
        Assert.Equal(generated.Sum(), (int)batch["usage"]!["output_tokens"]!);
        Assert.Equal(results.Sum(static line => (int)line["response"]!["body"]!["usage"]!["prompt_tokens"]!), (int)batch["usage"]!["input_tokens"]!);
    }

    private static int Completed(JsonNode batch) => (int)batch["request_counts"]!["completed"]!;

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            string text = await response.Content.ReadAsStringAsync();
            Assert.True(response.IsSuccessStatusCode, text);
            return JsonNode.Parse(text)!;
        }
    }
}
