using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>What the tests of responses ask and read.</summary>
internal static class ResponseClient
{
    public const string Path = "/v1/responses";

    /// <summary>The answer to a request that must succeed.</summary>
    public static async Task<JsonNode> SendAsync(this GatewayServer server, HttpMethod method, string path, string? body = null)
    {
        (int status, JsonNode answer) = await server.TryAsync(method, path, body);
        Assert.True(status == 200, $"{status}: {answer}");
        return answer;
    }

    public static Task<JsonNode> CreateAsync(this GatewayServer server, string body) => server.SendAsync(HttpMethod.Post, Path, body);

    public static Task<JsonNode> GetAsync(this GatewayServer server, string path) => server.SendAsync(HttpMethod.Get, path);

    /// <summary>The error of a request that must fail with a status.</summary>
    public static async Task<JsonNode> FailAsync(this GatewayServer server, int expected, HttpMethod method, string path, string? body = null)
    {
        (int status, JsonNode answer) = await server.TryAsync(method, path, body);
        Assert.True(status == expected, $"{status}: {answer}");
        JsonNode error = answer["error"]!;
        Assert.Equal(["message", "type", "param", "code"], error.AsObject().Select(pair => pair.Key));
        return error;
    }

    /// <summary>All events of a stream; each has its type twice and its number once.</summary>
    public static async Task<List<JsonNode>> StreamAsync(this GatewayServer server, string body) => Read(await server.TextAsync(HttpMethod.Post, Path, body));

    public static async Task<List<JsonNode>> ResumeAsync(this GatewayServer server, string id, int? after = null) =>
        Read(await server.TextAsync(HttpMethod.Get, $"{Path}/{id}?stream=true{(after is null ? "" : "&starting_after=" + after)}", null), (after ?? -1) + 1);

    public static string[] TypesOf(IEnumerable<JsonNode> events) => [.. events.Select(next => (string)next["type"]!)];

    /// <summary>Asks for a response until it has a status; a bound in tries.</summary>
    public static async Task<JsonNode> WaitForAsync(this GatewayServer server, string id, string status)
    {
        for (int attempt = 0; attempt < 600; attempt++)
        {
            JsonNode response = await server.GetAsync($"{Path}/{id}");
            if ((string?)response["status"] == status)
            {
                return response;
            }

            await Task.Delay(50);
        }

        throw new TimeoutException($"{id} never became {status}: {await server.GetAsync($"{Path}/{id}")}");
    }

    private static async Task<(int Status, JsonNode Answer)> TryAsync(this GatewayServer server, HttpMethod method, string path, string? body)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage response = await server.Client.SendAsync(request);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    private static async Task<string> TextAsync(this GatewayServer server, HttpMethod method, string path, string? body)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage response = await server.Client.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        return text;
    }

    private static List<JsonNode> Read(string text, int first = 0)
    {
        var events = new List<JsonNode>();
        foreach (string frame in text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(frame => !frame.StartsWith(':')))
        {
            string[] lines = frame.Split('\n');
            Assert.Equal(2, lines.Length);
            JsonNode data = JsonNode.Parse(lines[1]["data: ".Length..])!;
            Assert.Equal("event: " + (string)data["type"]!, lines[0]);
            Assert.Equal(first + events.Count, (int)data["sequence_number"]!);
            events.Add(data);
        }

        return events;
    }
}
