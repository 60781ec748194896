using System.Net.WebSockets;

namespace HelixFlow.Gateway.Sockets;

/// <summary>What came from a client.</summary>
internal enum SocketMessageKind
{
    Text,

    /// <summary>Bytes that claim to be no text.</summary>
    Binary,

    TooLarge,

    /// <summary>Against the protocol; the client has been told.</summary>
    Invalid,

    /// <summary>The client has closed the socket, or is gone.</summary>
    Closed,
}

/// <summary>A message from a client.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">A text in UTF-8; valid until the next message is received.</param>
internal readonly record struct SocketMessage(SocketMessageKind Kind, ReadOnlyMemory<byte> Text);

/// <summary>A WebSocket whose client may be slow or gone.</summary>
/// <remarks>
/// One reads, any number send: messages go out one after another, each sender waiting until the connection has taken its message, so that a slow
/// reader slows those down who produce and nothing piles up. Sending to a client that has gone ends with an
/// <see cref="OperationCanceledException"/> of <see cref="Lost"/>.
/// </remarks>
internal sealed class SocketConnection(WebSocket socket, SocketOptions options, TimeProvider time) : IDisposable
{
    private const int LeastBuffer = 4096;

    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly CancellationTokenSource _lost = new();
    private byte[] _buffer = new byte[LeastBuffer];

    /// <summary>Cancelled when the client is gone: nothing can be sent any more.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>The next message. Invalid UTF-8 and frames against the protocol close the socket with the code that RFC 6455 names.</summary>
    public async Task<SocketMessage> ReceiveAsync()
    {
        if (_buffer.Length > 16 * LeastBuffer)
        {
            _buffer = new byte[LeastBuffer]; // one large message must not hold its memory for as long as the socket lasts
        }

        int length = 0;
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult received = await socket.ReceiveAsync(_buffer.AsMemory(length), CancellationToken.None);
                length += received.Count;
                switch (received.MessageType)
                {
                    case WebSocketMessageType.Close:
                        return new SocketMessage(SocketMessageKind.Closed, default);
                    case WebSocketMessageType.Binary:
                        return new SocketMessage(SocketMessageKind.Binary, default);
                    case WebSocketMessageType.Text when length > options.MaxMessageBytes:
                        return new SocketMessage(SocketMessageKind.TooLarge, default);
                    case WebSocketMessageType.Text when received.EndOfMessage:
                        return new SocketMessage(SocketMessageKind.Text, _buffer.AsMemory(0, length));
                }

                if (length == _buffer.Length)
                {
                    Array.Resize(ref _buffer, 2 * length);
                }
            }
        }
        catch (WebSocketException) when (socket.State == WebSocketState.CloseSent)
        {
            return new SocketMessage(SocketMessageKind.Invalid, default);
        }
        catch (Exception exception) when (exception is WebSocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            Abort();
            return new SocketMessage(SocketMessageKind.Closed, default);
        }
    }

    /// <summary>Sends a text; returns when the connection has taken it.</summary>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> text)
    {
        await _sending.WaitAsync(Lost);
        try
        {
            ValueTask sending = socket.SendAsync(text, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            if (sending.IsCompletedSuccessfully)
            {
                await sending;
            }
            else
            {
                await sending.AsTask().WaitAsync(options.SendTimeout, time);
            }
        }
        catch (Exception exception) when (IsLoss(exception))
        {
            Abort();
            throw new OperationCanceledException("The client has gone.", exception, Lost);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Says that nothing more is sent, and waits for the client to say so too; cuts the connection when it does not.</summary>
    /// <param name="status">Why.</param>
    /// <param name="reason">Why, in words; at most 123 bytes.</param>
    /// <param name="receiving">What is being received; null when nothing is.</param>
    public async Task CloseAsync(WebSocketCloseStatus status, string reason, Task<SocketMessage>? receiving)
    {
        try
        {
            Task closing = CloseOutputAsync(status, reason);
            await closing.WaitAsync(options.CloseTimeout, time);
            await DiscardAsync(receiving).WaitAsync(options.CloseTimeout, time);
        }
        catch (Exception exception) when (IsLoss(exception) || exception is OperationCanceledException)
        {
            // It has gone, or takes too long: either way the connection ends here.
        }

        Abort();
    }

    /// <summary>Cuts the connection.</summary>
    public void Abort()
    {
        socket.Abort();
        try
        {
            _lost.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The connection has ended in this moment.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lost.Cancel();
        _lost.Dispose();
        _sending.Dispose();
    }

    private async Task CloseOutputAsync(WebSocketCloseStatus status, string reason)
    {
        await _sending.WaitAsync(Lost);
        try
        {
            if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            {
                await socket.CloseOutputAsync(status, reason, CancellationToken.None);
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    // A connection that is closed with unread bytes is reset, and the client may never see why it was closed.
    private async Task DiscardAsync(Task<SocketMessage>? receiving)
    {
        if (receiving is not null && (await receiving).Kind == SocketMessageKind.Closed)
        {
            return;
        }

        try
        {
            while (socket.State is WebSocketState.Open or WebSocketState.CloseSent)
            {
                if ((await socket.ReceiveAsync(_buffer.AsMemory(), CancellationToken.None)).MessageType == WebSocketMessageType.Close)
                {
                    return;
                }
            }
        }
        catch (WebSocketException)
        {
            // Frames cannot be told apart any more: the client reads why, and goes.
            await Task.Delay(Timeout.InfiniteTimeSpan, Lost);
        }
    }

    private static bool IsLoss(Exception exception) => exception is WebSocketException or TimeoutException or IOException or InvalidOperationException;
}
