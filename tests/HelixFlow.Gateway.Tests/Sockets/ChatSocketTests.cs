using System.Net.WebSockets;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Schemas;

namespace HelixFlow.Gateway.Tests.Sockets;

/// <summary>Chat completions over a socket: the same chunks as in a stream, one message each.</summary>
public sealed class ChatSocketTests
{
    private const string Path = "/v1/chat/completions";
    private const string Ask = """{"model": "org/model", "messages": [{"role": "user", "content": "Hello"}]}""";

    [Fact]
    public async Task Requests_follow_one_another_and_each_ends_with_done()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, Path);
        var ids = new HashSet<string>();
        for (int round = 0; round < 3; round++)
        {
            List<JsonNode> chunks = await AskAsync(client, Ask.Replace("\"model\":", "\"stream_options\": {\"include_usage\": true}, \"stream\": true, \"model\":", StringComparison.Ordinal));

            Assert.Equal("""{"done":true}""", chunks[^1].ToJsonString());
            Assert.All(chunks[..^1], chunk => Assert.Equal("chat.completion.chunk", (string?)chunk["object"]));
            Assert.Equal("Hello world", string.Concat(chunks[..^2].Select(chunk => (string?)chunk["choices"]![0]!["delta"]!["content"])));
            Assert.Equal("assistant", (string?)chunks[0]["choices"]![0]!["delta"]!["role"]);
            Assert.Equal("stop", (string?)chunks[^3]["choices"]![0]!["finish_reason"]);
            Assert.Equal(5, (int)chunks[^2]["usage"]!["total_tokens"]!);
            Assert.True(ids.Add((string)Assert.Single(chunks[..^1].Select(chunk => (string)chunk["id"]!).Distinct())));
        }
    }

    [Fact]
    public async Task A_whole_completion_is_one_message_and_may_be_stored()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, Path);

        List<JsonNode> answer = await AskAsync(client, Ask.Replace("\"model\":", "\"stream\": false, \"store\": true, \"model\":", StringComparison.Ordinal));

        Assert.Equal(("chat.completion", "Hello world", true), ((string?)answer[0]["object"], (string?)answer[0]["choices"]![0]!["message"]!["content"], (bool)answer[1]["done"]!));
        JsonNode stored = await server.GetAsync($"{Path}/{answer[0]["id"]}");
        Assert.Equal("Hello world", (string?)stored["choices"]![0]!["message"]!["content"]);
    }

    [Fact]
    public async Task Errors_are_messages_and_the_socket_goes_on()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, Path);
        foreach ((string message, string? param) in ((string, string?)[])[("{}", "model"), ("[1]", null), ("nonsense", null), ("""{"cancel": true}""", "cancel"), (Ask.Replace("user", "nobody", StringComparison.Ordinal), "messages[0].role")])
        {
            await client.SendAsync(message);
            JsonNode error = (await client.ReceiveAsync())!["error"]!;
            Assert.Equal(["message", "type", "param", "code"], error.AsObject().Select(pair => pair.Key));
            Assert.Equal(("invalid_request_error", param), ((string?)error["type"], (string?)error["param"]));
        }

        server.Pool.Script = (_, _) => ScriptedAnswers.Refuse(new InferenceException(InferenceError.Overloaded, "busy"));
        await client.SendAsync(Ask);
        Assert.Equal("engine_overloaded", (string?)(await client.ReceiveAsync())!["error"]!["code"]);
        server.Pool.Script = (_, cancellationToken) => ScriptedAnswers.FailAfterOneToken(new InvalidOperationException("secret"), cancellationToken);
        List<JsonNode> broken = await AskAsync(client, Ask);
        Assert.Equal("server_error", (string?)broken[^1]["error"]!["type"]);
        Assert.DoesNotContain("secret", broken[^1].ToJsonString(), StringComparison.Ordinal);
        server.Pool.Script = (_, _) => ScriptedAnswers.Words("Fine");
        Assert.True((bool)(await AskAsync(client, Ask))[^1]["done"]!);
        await client.CloseAsync();
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
    }

    [Fact]
    public async Task One_runs_at_a_time_and_can_be_cancelled()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { RequestsPerMinute = 2 });
        server.Pool.Script = server.Pool.Hang;
        await using SocketClient client = await SocketClient.OpenAsync(server, Path);
        await client.SendAsync(Ask);
        await client.ReceiveAsync();
        Assert.Equal("Begin", (string?)(await client.ReceiveAsync())!["choices"]![0]!["delta"]!["content"]);
        await client.SendAsync(Ask);
        Assert.Equal("request_in_progress", (string?)(await client.ReceiveAsync())!["error"]!["code"]);

        await client.SendAsync("""{"cancel": true}""");

        Assert.Equal("""{"done":true,"cancelled":true}""", (await client.ReceiveAsync())!.ToJsonString());
        await server.Pool.Left.Task;
        server.Pool.Script = (_, _) => ScriptedAnswers.Words("Again");
        Assert.True((bool)(await AskAsync(client, Ask))[^1]["done"]!);
        await client.SendAsync(Ask);
        Assert.Equal("rate_limit_exceeded", (string?)(await client.ReceiveAsync())!["error"]!["code"]);
    }

    private static async Task<List<JsonNode>> AskAsync(SocketClient client, string body)
    {
        await client.SendAsync(body);
        var messages = new List<JsonNode>();
        do
        {
            messages.Add((await client.ReceiveAsync())!);
        }
        while (messages[^1]["done"] is null && messages[^1]["error"] is null);
        return messages;
    }
}
