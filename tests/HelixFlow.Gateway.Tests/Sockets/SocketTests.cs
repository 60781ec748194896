using System.Net;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Sockets;

/// <summary>What holds for every socket, whatever is spoken over it.</summary>
public sealed class SocketTests
{
    private const string Path = "/v1/realtime?model=org/model";
    private const string Ask = """{"type": "response.create", "response": {"instructions": "Hi", "conversation": "none"}}""";

    [Theory]
    [InlineData(Path, null, HttpStatusCode.Unauthorized)]
    [InlineData(Path, "wrong", HttpStatusCode.Unauthorized)]
    [InlineData(Path, "narrow", HttpStatusCode.Forbidden)]
    [InlineData("/v1/realtime?model=nope", "right", HttpStatusCode.NotFound)]
    [InlineData("/v1/realtime", "right", HttpStatusCode.BadRequest)]
    [InlineData("/v1/realtime?model=org/model&intent=transcription", "right", HttpStatusCode.BadRequest)]
    public async Task A_socket_that_may_not_be_opened_is_refused_with_a_status(string path, string? key, HttpStatusCode expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (key is not null)
        {
            socket.Options.SetRequestHeader("Authorization", "Bearer " + key);
        }

        var address = new UriBuilder(new Uri(server.Client.BaseAddress!, path)) { Scheme = "ws" };
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(address.Uri, CancellationToken.None));

        Assert.Equal(expected, socket.HttpStatusCode);
        Assert.True(socket.HttpResponseHeaders!.ContainsKey("x-request-id"));
        socket.Dispose();
    }

    [Fact]
    public async Task A_request_without_upgrade_is_told_so()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.Client.GetAsync(Path);

        Assert.Equal((HttpStatusCode.UpgradeRequired, "websocket"), (response.StatusCode, response.Headers.Upgrade.ToString()));
        Assert.Equal("upgrade_required", (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!["code"]);
    }

    [Fact]
    public async Task A_browser_brings_its_key_in_a_subprotocol()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        await using SocketClient client = await SocketClient.OpenAsync(server, Path, null, "realtime", "openai-insecure-api-key.right");

        await client.NextAsync("session.created");
        Assert.Equal("realtime", client.Subprotocol);
    }

    [Fact]
    public async Task A_message_may_come_in_pieces_and_not_be_too_large()
    {
        var options = new GatewayOptions();
        options.Sockets.MaxMessageBytes = 10_000;
        await using GatewayServer server = await GatewayServer.StartAsync(options);
        await using SocketClient client = await OpenAsync(server);
        byte[] update = Encoding.UTF8.GetBytes($$"""{"type": "session.update", "session": {"type": "realtime", "instructions": "{{new string('é', 4_900)}}"} }""");
        await client.SendAsync(update[..4_097], WebSocketMessageType.Text, isEnd: false);
        await client.SendAsync(update[4_097..], WebSocketMessageType.Text);

        Assert.Equal(4_900, ((string)(await client.NextAsync("session.updated"))["session"]!["instructions"]!).Length);
        await client.SendAsync(new byte[10_001].Select(_ => (byte)' ').ToArray(), WebSocketMessageType.Text);
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, await client.UntilClosedAsync());
    }

    [Fact]
    public async Task Bytes_that_are_no_text_close_the_socket()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await using SocketClient binary = await OpenAsync(server);
        await using SocketClient invalid = await OpenAsync(server);

        await binary.SendAsync("{}"u8.ToArray(), WebSocketMessageType.Binary);
        await invalid.SendAsync([(byte)'"', 0xff, (byte)'"'], WebSocketMessageType.Text);

        Assert.Equal(WebSocketCloseStatus.InvalidMessageType, await binary.UntilClosedAsync());
        Assert.Equal(WebSocketCloseStatus.InvalidPayloadData, await invalid.UntilClosedAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_leaves_ends_what_it_asked_for(bool isPolite)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = server.Pool.Hang;
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Ask);
        await client.UntilAsync("response.output_text.delta");

        if (isPolite)
        {
            await client.CloseAsync();
        }
        else
        {
            client.Abort();
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task A_slow_reader_holds_its_generation_back()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        int produced = 0;
        var endless = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        async IAsyncEnumerable<GenerateEvent> Flood([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            yield return ScriptedPool.Prompt();
            try
            {
                // 4 GiB, if nothing holds it back: far more than sockets' buffers take.
                for (; produced < 65_536; produced++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return ScriptedPool.Token(new string('x', 65_536));
                    await Task.Yield();
                }
            }
            finally
            {
                endless.TrySetResult();
            }
        }

        server.Pool.Script = (_, cancellationToken) => Flood(cancellationToken);
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Ask);
        await client.UntilAsync("response.output_text.delta");

        // Without a reader it comes to a stop; it is seen to stand when several looks in a row see the same.
        int last = -1;
        for (int same = 0; same < 20; same = Volatile.Read(ref produced) == last ? same + 1 : 0)
        {
            last = Volatile.Read(ref produced);
            await Task.Delay(50);
        }

        Assert.InRange(produced, 1, 60_000);
        client.Abort();
        await endless.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task A_stopping_server_lets_what_runs_end_and_says_that_it_goes_away()
    {
        var options = new GatewayOptions();
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using GatewayServer server = await GatewayServer.StartAsync(options);
        async IAsyncEnumerable<GenerateEvent> Wait()
        {
            yield return ScriptedPool.Prompt();
            yield return ScriptedPool.Token("Hello");
            await go.Task;
            yield return ScriptedPool.Finish();
        }

        server.Pool.Script = (_, _) => Wait();
        await using SocketClient idle = await OpenAsync(server);
        await using SocketClient client = await OpenAsync(server);
        await client.SendAsync(Ask);
        await client.UntilAsync("response.output_text.delta");

        Task stopping = server.StopAsync();
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, await idle.UntilClosedAsync());
        go.SetResult();
        List<JsonNode> events = await client.UntilAsync("response.done");
        Assert.Equal("completed", (string?)events[^1]["response"]!["status"]);
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, await client.UntilClosedAsync());
        await stopping.WaitAsync(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Silence_and_age_close_a_socket()
    {
        var time = new ManualTime();
        var options = new GatewayOptions();
        await using GatewayServer server = await GatewayServer.StartAsync(options, time: time);
        await using SocketClient silent = await OpenAsync(server);
        await Task.WhenAny(silent.ReceiveAsync(), AdvanceAsync(time, options.Sockets.IdleTimeout, () => silent.CloseStatus is not null));
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, silent.CloseStatus);

        options.Sockets.IdleTimeout = TimeSpan.FromDays(1);
        await using SocketClient old = await OpenAsync(server);
        Task<JsonNode> error = old.NextAsync("error");
        await AdvanceAsync(time, options.Sockets.MaxLifetime, () => error.IsCompleted);
        Assert.Equal("session_expired", (string?)(await error)["error"]!["code"]);
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, await old.UntilClosedAsync());
    }

    [Fact]
    public async Task A_thousand_damaged_events_leave_the_socket_usable()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var random = new Random(20261121);
        string[] seeds =
        [
            """{"type":"session.update","session":{"type":"realtime","instructions":"Be kind.","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"tool_choice":{"type":"function","name":"f"},"max_output_tokens":"inf","temperature":0.5,"truncation":"auto","reasoning":{"effort":"low"}}}""",
            """{"type":"conversation.item.create","previous_item_id":"root","item":{"id":"a","type":"message","role":"user","content":[{"type":"input_text","text":"Hello"}]}}""",
            """{"type":"conversation.item.create","item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}""",
            """{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"c","output":"1"}}""",
            """{"type":"response.create","response":{"conversation":"none","metadata":{"a":"b"},"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}],"output_modalities":["text"]}}""",
            """{"type":"response.cancel","response_id":"resp_1"}""",
            """{"type":"conversation.item.retrieve","item_id":"a"}""",
        ];
        await using SocketClient client = await OpenAsync(server);
        for (int round = 0; round < 1_000; round++)
        {
            await client.SendAsync(Mutation.Of(seeds[random.Next(seeds.Length)], random));

            // The answer to this marks the end of those to the event before it.
            await client.SendAsync($$"""{"type": "conversation.item.retrieve", "item_id": "none", "event_id": "mark-{{round}}"}""");
            JsonNode next;
            do
            {
                next = (await client.ReceiveAsync())!;
                Assert.True(next is not null, $"the socket was closed with {client.CloseStatus}");
                Assert.NotEqual("server_error", (string?)next["error"]?["type"]);
            }
            while ((string?)next["error"]?["event_id"] != $"mark-{round}");
        }

        await client.SendAsync("""{"type": "session.update", "session": {"type": "realtime", "tools": [], "tool_choice": "auto"}}""");
        await client.UntilAsync("session.updated");
        Assert.DoesNotContain(server.Log.Lines, line => line.Message.Contains("could not be dealt with", StringComparison.Ordinal));
    }

    /// <summary>A message over these sockets may begin something: whatever it was, it ends, and what is said right afterwards is answered.</summary>
    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"m","messages":[{"role":"user","content":"mark"}]}""", "\"done\"",
        """{"model":"m","messages":[{"role":"user","content":"Hello"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}],"tools":[{"type":"function","function":{"name":"f"}}],"n":2,"stream":true,"stream_options":{"include_usage":true},"logprobs":true,"response_format":{"type":"json_object"}}""",
        """{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"file","file":{"file_data":"YQ=="}}]}],"stream":false,"store":true,"metadata":{"a":"b"}}""",
        """{"cancel":true}""")]
    [InlineData("/v1/responses", """{"type":"response.create","model":"m","input":"mark","stream_id":"mark"}""", "response.completed",
        """{"type":"response.create","model":"m","input":"Hello","stream_id":"a","tools":[{"type":"function","name":"f"}],"text":{"format":{"type":"json_object"}},"reasoning":{"effort":"low"},"include":["message.output_text.logprobs"],"store":false}""",
        """{"type":"response.create","model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"Hello"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"},{"type":"file_search_call","queries":["a"],"results":[{"file_id":"f","filename":"a","score":0.5,"text":"t"}]}],"generate":false}""",
        """{"type":"response.create","model":"m","input":"Hello","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}""")]
    public async Task Hundreds_of_damaged_requests_each_end_and_leave_the_socket_usable(string path, string mark, string end, params string[] seeds)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var random = new Random(20261122);
        await using SocketClient client = await SocketClient.OpenAsync(server, path);
        for (int round = 0; round < 400; round++)
        {
            await client.SendAsync(Mutation.Of(seeds[random.Next(seeds.Length)], random));
            await client.SendAsync(mark);
            string? text;
            do
            {
                text = (await client.ReceiveAsync())?.ToJsonString();
                Assert.True(text is not null, $"the socket was closed with {client.CloseStatus}");
                Assert.DoesNotContain("server_error", text, StringComparison.Ordinal);
            }
            while (!IsMarked(text));
        }

        Assert.DoesNotContain(server.Log.Lines, line => line.Level >= Microsoft.Extensions.Logging.LogLevel.Error);

        // Chat takes one request at a time: it refuses the mark while what was damaged runs, and its end is an end as well.
        bool IsMarked(string text) => text.Contains(end, StringComparison.Ordinal) && (path == "/v1/chat/completions" || text.Contains("\"stream_id\":\"mark\"", StringComparison.Ordinal));
    }

    private static async Task<SocketClient> OpenAsync(GatewayServer server)
    {
        SocketClient client = await SocketClient.OpenAsync(server, Path);
        await client.NextAsync("session.created");
        return client;
    }

    // The socket's timers start at moments that a test does not see: the clock goes on until they have fired.
    private static async Task AdvanceAsync(ManualTime time, TimeSpan step, Func<bool> isDone)
    {
        for (int attempt = 0; attempt < 600 && !isDone(); attempt++)
        {
            time.Advance(step);
            await Task.Delay(20);
        }
    }
}
