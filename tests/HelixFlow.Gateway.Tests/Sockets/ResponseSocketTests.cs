using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Sockets;

/// <summary>The Responses API over a socket.</summary>
public sealed class ResponseSocketTests
{
    [Fact]
    public async Task The_events_are_those_of_a_stream()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, ResponseClient.Path);

        await client.SendAsync("""{"type": "response.create", "model": "org/model", "input": "Hi"}""");
        List<JsonNode> events = await client.UntilAsync("response.completed");
        List<JsonNode> streamed = await server.StreamAsync("""{"model": "org/model", "input": "Hi", "stream": true}""");

        Assert.Equal(ResponseClient.TypesOf(streamed), ResponseClient.TypesOf(events));
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(next => (int)next["sequence_number"]!));
        Assert.All(events, next => Assert.Null(next["stream_id"]));
        string id = (string)events[^1]["response"]!["id"]!;
        Assert.Equal("completed", (string?)(await server.GetAsync($"{ResponseClient.Path}/{id}"))["status"]);
    }

    [Fact]
    public async Task A_turn_continues_what_was_not_stored_as_long_as_the_socket_lasts()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, ResponseClient.Path);
        await client.SendAsync("""{"type": "response.create", "model": "org/model", "store": false, "generate": false, "instructions": "Be kind.", "input": [{"role": "user", "content": "First"}]}""");
        List<JsonNode> warm = await client.UntilAsync("response.completed");
        Assert.Null(server.Pool.Request);
        string id = (string)warm[^1]["response"]!["id"]!;
        foreach (string text in (string[])["Second", "Third"])
        {
            await client.SendAsync($$"""{"type": "response.create", "model": "org/model", "store": false, "previous_response_id": "{{id}}", "input": "{{text}}"}""");
            id = (string)(await client.UntilAsync("response.completed"))[^1]["response"]!["id"]!;
        }

        Assert.Equal(
            ["First", "Second", "Hello world", "Third"], JsonNode.Parse(server.Pool.Request!.Chat.MessagesJson)!.AsArray().Select(message => (string)message!["content"]!));
        Assert.Equal("store", (string?)(await client.FailAsync($$"""{"type": "response.create", "model": "org/model", "previous_response_id": "{{id}}", "input": "x"}"""))["param"]);
        await using SocketClient other = await SocketClient.OpenAsync(server, ResponseClient.Path);
        await other.SendAsync($$"""{"type": "response.create", "model": "org/model", "store": false, "previous_response_id": "{{id}}", "input": "x", "stream_id": "a"}""");
        JsonNode error = await other.NextAsync("error");
        Assert.Equal((400, "previous_response_not_found", "a"), ((int)error["status"]!, (string?)error["error"]!["code"], (string?)error["stream_id"]));
    }

    [Fact]
    public async Task Lanes_run_side_by_side_and_each_in_order()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var begun = new ConcurrentQueue<string>();
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        async IAsyncEnumerable<GenerateEvent> Meet(GenerateRequest request)
        {
            begun.Enqueue((string)JsonNode.Parse(request.Chat.MessagesJson)![0]!["content"]!);
            yield return ScriptedPool.Prompt();
            if (begun.Contains("a1") && begun.Contains("b1"))
            {
                both.TrySetResult();
            }

            await both.Task; // would wait for ever if one lane waited for the other
            yield return ScriptedPool.Token("Hello");
            yield return ScriptedPool.Finish();
        }

        server.Pool.Script = (request, _) => Meet(request);
        await using SocketClient client = await SocketClient.OpenAsync(server, ResponseClient.Path);
        foreach (string text in (string[])["a1", "a2", "b1", "b2"])
        {
            await client.SendAsync($$"""{"type": "response.create", "model": "org/model", "store": false, "input": "{{text}}", "stream_id": "{{text[0]}}"}""");
        }

        var events = new List<JsonNode>();
        for (int done = 0; done < 4; done++)
        {
            events.AddRange(await client.UntilAsync("response.completed"));
        }

        foreach (string lane in (string[])["a", "b"])
        {
            string[] ids = [.. events.Where(next => (string?)next["stream_id"] == lane && next["response"] is not null).Select(next => (string)next["response"]!["id"]!)];
            Assert.Equal(6, ids.Length);
            Assert.Equal([ids[0], ids[0], ids[0], ids[3], ids[3], ids[3]], ids);
            string[] order = [.. begun.Where(text => text.StartsWith(lane, StringComparison.Ordinal))];
            Assert.Equal([lane + "1", lane + "2"], order);
        }

        Assert.All(events, next => Assert.NotNull(next["stream_id"]));
    }

    [Theory]
    [InlineData("""{"type": "response.cancel"}""", "type", "invalid_value")]
    [InlineData("""{"type": "response.create", "input": "x"}""", "model", "missing_required_parameter")]
    [InlineData("""{"type": "response.create", "model": "org/model", "input": "x", "background": true}""", "background", "unsupported_value")]
    [InlineData("""{"type": "response.create", "model": "org/model", "input": "x", "stream_id": "a b"}""", "stream_id", "invalid_value")]
    [InlineData("""{"type": "response.create", "model": "org/model", "input": "x", "previous_response_id": "resp_x"}""", "previous_response_id", "previous_response_not_found")]
    [InlineData("{", null, null)]
    public async Task What_cannot_be_done_is_an_error_and_the_socket_goes_on(string message, string? param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient client = await SocketClient.OpenAsync(server, ResponseClient.Path);

        JsonNode error = await client.FailAsync(message);

        Assert.Equal((param, code), ((string?)error["param"], (string?)error["code"]));
        await client.SendAsync("""{"type": "response.create", "model": "org/model", "input": "Hi"}""");
        await client.UntilAsync("response.completed");
    }

    [Fact]
    public async Task Turns_and_lanes_have_bounds()
    {
        var options = new GatewayOptions();
        (options.Sockets.MaxResponses, options.Sockets.MaxLanes) = (2, 1);
        await using GatewayServer server = await GatewayServer.StartAsync(options);
        server.Pool.Script = server.Pool.Hang;
        await using SocketClient client = await SocketClient.OpenAsync(server, ResponseClient.Path);
        string Turn(string lane) => $$"""{"type": "response.create", "model": "org/model", "store": false, "input": "x", "stream_id": "{{lane}}"}""";
        await client.SendAsync(Turn("a"));
        await client.UntilAsync("response.output_text.delta");

        Assert.Equal("websocket_stream_limit_reached", (string?)(await client.FailAsync(Turn("b")))["code"]);
        await client.SendAsync(Turn("a"));
        Assert.Equal("websocket_stream_limit_reached", (string?)(await client.FailAsync(Turn("a")))["code"]);
        await client.CloseAsync();
        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }
}
