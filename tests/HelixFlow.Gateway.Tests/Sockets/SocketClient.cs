using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests.Sockets;

/// <summary>A real WebSocket to a server under test.</summary>
internal sealed class SocketClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly ClientWebSocket _socket = new();
    private readonly byte[] _buffer = new byte[64 * 1024];

    private SocketClient()
    {
    }

    /// <summary>Why the server closed the socket; null while it has not.</summary>
    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    public string? Subprotocol => _socket.SubProtocol;

    /// <summary>Opens a socket.</summary>
    /// <param name="server">The server.</param>
    /// <param name="path">Path and query.</param>
    /// <param name="key">The key of the header Authorization; null for none.</param>
    /// <param name="subprotocols">Those that are offered.</param>
    public static async Task<SocketClient> OpenAsync(GatewayServer server, string path, string? key = "right", params string[] subprotocols)
    {
        var client = new SocketClient();
        client._socket.Options.CollectHttpResponseDetails = true;
        if (key is not null)
        {
            client._socket.Options.SetRequestHeader("Authorization", "Bearer " + key);
        }

        foreach (string name in subprotocols)
        {
            client._socket.Options.AddSubProtocol(name);
        }

        var address = new UriBuilder(new Uri(server.Client.BaseAddress!, path)) { Scheme = "ws" };
        using var patience = new CancellationTokenSource(Patience);
        await client._socket.ConnectAsync(address.Uri, patience.Token);
        return client;
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text);

    public async Task SendAsync(byte[] bytes, WebSocketMessageType type, bool isEnd = true)
    {
        using var patience = new CancellationTokenSource(Patience);
        await _socket.SendAsync(bytes, type, isEnd, patience.Token);
    }

    /// <summary>The next message; null when the server has closed the socket.</summary>
    public async Task<JsonNode?> ReceiveAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        using var text = new MemoryStream();
        while (true)
        {
            WebSocketReceiveResult received = await _socket.ReceiveAsync(_buffer, patience.Token);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            Assert.Equal(WebSocketMessageType.Text, received.MessageType);
            await text.WriteAsync(_buffer.AsMemory(0, received.Count), patience.Token);
            if (received.EndOfMessage)
            {
                return JsonNode.Parse(text.ToArray());
            }
        }
    }

    /// <summary>The next messages, down to the first of a type.</summary>
    public async Task<List<JsonNode>> UntilAsync(string type)
    {
        var events = new List<JsonNode>();
        while (await ReceiveAsync() is { } next)
        {
            events.Add(next);
            if ((string?)next["type"] == type)
            {
                return events;
            }
        }

        throw new InvalidOperationException($"the socket was closed ({CloseStatus}) before {type}; it said {string.Join(", ", events.Select(next => next.ToJsonString()))}");
    }

    /// <summary>The next message, which must be of a type.</summary>
    public async Task<JsonNode> NextAsync(string type)
    {
        JsonNode? next = await ReceiveAsync();
        Assert.True(type == (string?)next?["type"], $"{type} was expected, {next?.ToJsonString() ?? "the end"} came");
        return next!;
    }

    /// <summary>Sends a message and returns the error that it must cause.</summary>
    public async Task<JsonNode> FailAsync(string message)
    {
        await SendAsync(message);
        return (await NextAsync("error"))["error"]!;
    }

    /// <summary>Reads to the end; the server must close the socket.</summary>
    public async Task<WebSocketCloseStatus?> UntilClosedAsync()
    {
        while (await ReceiveAsync() is not null)
        {
        }

        using var patience = new CancellationTokenSource(Patience);
        await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", patience.Token);
        return CloseStatus;
    }

    /// <summary>Closes the socket as a client that has all it wants.</summary>
    public async Task CloseAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        await _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", patience.Token);
    }

    /// <summary>Cuts the connection.</summary>
    public void Abort() => _socket.Abort();

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
