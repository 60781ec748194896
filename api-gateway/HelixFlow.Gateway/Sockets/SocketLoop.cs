using System.Net.WebSockets;
using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Limits;
using HelixFlow.Gateway.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Sockets;

/// <summary>Opens sockets, hands their messages to their sessions, and closes them: when the client does, breaks a rule, is silent for long, or when the server stops.</summary>
/// <remarks>Thread-safe. Messages are JSON objects as texts; they are not compressed, as secrets and what others chose may stand side by side in them.</remarks>
internal sealed partial class SocketLoop(RateLimits limits, GatewayOptions options, IHostApplicationLifetime host, TimeProvider time, ILogger<SocketLoop> logger)
{
    private readonly SocketOptions _options = options.Sockets;

    /// <summary>Refuses a request that does not ask for a socket.</summary>
    /// <exception cref="OpenAiException">It does not.</exception>
    public static void Require(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.Headers.Upgrade = "websocket";
            throw new OpenAiException(OpenAiError.UpgradeRequired(context.Request.Path));
        }
    }

    /// <summary>Serves a socket until its end.</summary>
    /// <param name="context">The request, which asks for a socket and was let through.</param>
    /// <param name="subprotocol">The subprotocol that is spoken; null when the client names none that is.</param>
    /// <param name="open">Makes the session.</param>
    public async Task RunAsync(HttpContext context, string? subprotocol, Func<SocketConnection, ProjectLimits?, SocketSession> open)
    {
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
        {
            SubProtocol = subprotocol,
            KeepAliveInterval = _options.PingInterval,
            KeepAliveTimeout = _options.PongTimeout,
            DangerousEnableCompression = false,
        });
        using var connection = new SocketConnection(socket, _options, time);
        await using CancellationTokenRegistration gone = context.RequestAborted.Register(static connection => ((SocketConnection)connection!).Abort(), connection);
        SocketSession session = open(connection, limits.AreSet ? limits.Of(BearerKey.ProjectOf(context)) : null);
        var end = new SocketEnd(WebSocketCloseStatus.InternalServerError, "The server had an error.", null);
        try
        {
            await session.OpenAsync();
            end = await ServeAsync(connection, session);
        }
        catch (OperationCanceledException) when (connection.Lost.IsCancellationRequested)
        {
            // The client has gone; nobody is told why.
        }
        catch (Exception exception)
        {
            Failed(logger, context.TraceIdentifier, exception);
        }

        await connection.CloseAsync(end.Status, end.Reason, end.Receiving);
        await session.DrainAsync(); // what runs sees that the client has gone
        (session as IDisposable)?.Dispose();
    }

    private async Task<SocketEnd> ServeAsync(SocketConnection connection, SocketSession session)
    {
        using var over = new CancellationTokenSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(host.ApplicationStopping);
        try
        {
            Task expiring = Task.Delay(_options.MaxLifetime, time, over.Token);
            Task stopping = Task.Delay(Timeout.InfiniteTimeSpan, stop.Token);
            Task<SocketMessage> receiving = connection.ReceiveAsync();
            while (true)
            {
                using var heard = new CancellationTokenSource();
                Task idling = receiving.IsCompleted ? Task.FromCanceled(new CancellationToken(true)) : Task.Delay(_options.IdleTimeout, time, heard.Token);
                Task first = receiving.IsCompleted && !stopping.IsCompleted && !expiring.IsCompleted ? receiving : await Task.WhenAny(stopping, expiring, receiving, idling);
                await heard.CancelAsync();
                if (first == stopping)
                {
                    await session.DrainAsync();
                    return new SocketEnd(WebSocketCloseStatus.EndpointUnavailable, "The server is shutting down.", receiving);
                }

                if (first == expiring)
                {
                    await session.ExpireAsync(_options.MaxLifetime);
                    return new SocketEnd(WebSocketCloseStatus.EndpointUnavailable, "The connection has lasted as long as it may.", receiving);
                }

                if (first == idling)
                {
                    if (session.IsBusy)
                    {
                        continue;
                    }

                    return new SocketEnd(WebSocketCloseStatus.EndpointUnavailable, "Nothing has been said for too long.", receiving);
                }

                SocketMessage message = await receiving;
                switch (message.Kind)
                {
                    case SocketMessageKind.Closed:
                        return new SocketEnd(WebSocketCloseStatus.NormalClosure, "", receiving);
                    case SocketMessageKind.Invalid:
                        return new SocketEnd(WebSocketCloseStatus.InvalidPayloadData, "", null);
                    case SocketMessageKind.Binary:
                        return new SocketEnd(WebSocketCloseStatus.InvalidMessageType, "Messages are JSON, in text frames.", null);
                    case SocketMessageKind.TooLarge:
                        return new SocketEnd(WebSocketCloseStatus.MessageTooBig, $"A message may have at most {_options.MaxMessageBytes} bytes.", null);
                    default:
                        await HandleAsync(session, message.Text);
                        receiving = connection.ReceiveAsync();
                        break;
                }
            }
        }
        finally
        {
            await over.CancelAsync();
            await stop.CancelAsync();
        }
    }

    // Errors never close the socket.
    private async Task HandleAsync(SocketSession session, ReadOnlyMemory<byte> text)
    {
        JsonDocument document;
        try
        {
            document = RequestBody.Parse(text);
        }
        catch (OpenAiException exception)
        {
            await session.RefuseAsync(exception.Error, default);
            return;
        }

        using (document)
        {
            try
            {
                await session.ReceiveAsync(document.RootElement);
            }
            catch (OpenAiException exception)
            {
                await session.RefuseAsync(exception.Error, document.RootElement);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                MessageFailed(logger, exception);
                await session.RefuseAsync(OpenAiError.Unexpected, document.RootElement);
            }
        }
    }

    [LoggerMessage(1070, LogLevel.Error, "The socket of request {RequestId} failed")]
    private static partial void Failed(ILogger logger, string requestId, Exception exception);

    [LoggerMessage(1071, LogLevel.Error, "A message of a socket could not be dealt with")]
    private static partial void MessageFailed(ILogger logger, Exception exception);

    private sealed record SocketEnd(WebSocketCloseStatus Status, string Reason, Task<SocketMessage>? Receiving);
}
