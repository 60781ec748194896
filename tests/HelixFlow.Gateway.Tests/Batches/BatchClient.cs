using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Tests.Files;

namespace HelixFlow.Gateway.Tests.Batches;

/// <summary>Submits batches and reads what becomes of them, as clients do.</summary>
internal static class BatchClient
{
    public const string Chat = "/v1/chat/completions";
    public const string Model = "org/model";

    private static readonly string[] Final = ["failed", "completed", "expired", "cancelled"];

    /// <summary>A line of an input file.</summary>
    public static string Line(string id, string content = "Hello", string more = "") =>
        $$$"""{"custom_id":"{{{id}}}","method":"POST","url":"{{{Chat}}}","body":{"model":"{{{Model}}}","messages":[{"role":"user","content":"{{{content}}}"}]{{{more}}}}}""";

    public static IEnumerable<string> Lines(int count) => Enumerable.Range(0, count).Select(i => Line($"r{i}", $"prompt {i}"));

    public static async Task<JsonElement> SubmitAsync(GatewayServer server, IEnumerable<string> lines, string endpoint = Chat, string more = "")
    {
        JsonElement file = await FileClient.UploadAsync(server.Client, string.Join('\n', lines) + "\n");
        return await FileClient.JsonAsync(await CreateAsync(server, file.GetProperty("id").GetString()!, endpoint, "24h", more));
    }

    public static Task<HttpResponseMessage> CreateAsync(GatewayServer server, string file, string endpoint = Chat, string window = "24h", string more = "") =>
        server.PostAsync("/v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"{{endpoint}}","completion_window":"{{window}}"{{more}}}""");

    public static string IdOf(JsonElement batch) => batch.GetProperty("id").GetString()!;

    public static string StatusOf(JsonElement batch) => batch.GetProperty("status").GetString()!;

    public static (int Total, int Completed, int Failed) CountsOf(JsonElement batch)
    {
        JsonElement counts = batch.GetProperty("request_counts");
        return (counts.GetProperty("total").GetInt32(), counts.GetProperty("completed").GetInt32(), counts.GetProperty("failed").GetInt32());
    }

    public static Task<JsonElement> GetAsync(GatewayServer server, JsonElement batch) => FileClient.GetAsync(server.Client, $"/v1/batches/{IdOf(batch)}");

    /// <summary>Waits until the batch has ended.</summary>
    public static Task<JsonElement> EndAsync(GatewayServer server, JsonElement batch) => UntilAsync(server, batch, now => Final.Contains(StatusOf(now)));

    /// <summary>Waits until the batch is as it should be.</summary>
    public static async Task<JsonElement> UntilAsync(GatewayServer server, JsonElement batch, Func<JsonElement, bool> condition)
    {
        for (int round = 0; round < 6000; round++)
        {
            JsonElement now = await GetAsync(server, batch);
            if (condition(now))
            {
                return now;
            }

            await Task.Delay(10);
        }

        throw new TimeoutException($"The batch does not go on: {await GetAsync(server, batch)}\n{string.Join('\n', server.Log.Lines.TakeLast(10))}");
    }

    /// <summary>The lines of a result file; none when there is no file.</summary>
    public static async Task<List<JsonElement>> ResultsAsync(GatewayServer server, JsonElement batch, string file)
    {
        if (batch.GetProperty(file).GetString() is not { } id)
        {
            return [];
        }

        string text = Encoding.UTF8.GetString(await server.Client.GetByteArrayAsync($"/v1/files/{id}/content"));
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        return [.. text[..^1].Split('\n').Select(static line => JsonElement.Parse(line))];
    }

    public static IEnumerable<string> CustomIds(IEnumerable<JsonElement> results) => results.Select(line => line.GetProperty("custom_id").GetString()!);
}
