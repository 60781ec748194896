using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Cli.Hosting;

/// <summary>HTTP/1.1 and HTTP/2 on one port without TLS: who begins with HTTP/2's preface (RFC 9113, section 3.4) is served HTTP/2.</summary>
/// <remarks>
/// Kestrel serves both on one port only behind TLS, which negotiates the protocol. Here the port's HTTP/1.1 listener looks at the first bytes
/// of a connection and hands it, unread, to a second listener in the process that speaks HTTP/2 only.
/// </remarks>
internal sealed class Http2ByPreface : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private const int MostWaiting = 512;

    private static readonly byte[] _preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly Channel<HandedConnection> _handed = Channel.CreateBounded<HandedConnection>(MostWaiting);
    private readonly HandedEndPoint _endPoint = new();

    private Http2ByPreface()
    {
    }

    /// <summary>Lets the port of <paramref name="listen"/> serve both; it is called with how a listener is to be set up.</summary>
    public static void Listen(IWebHostBuilder host, Action<KestrelServerOptions, Action<ListenOptions>> listen)
    {
        var factory = new Http2ByPreface();
        host.ConfigureServices(services => services.AddSingleton<IConnectionListenerFactory>(factory));
        host.ConfigureKestrel(kestrel =>
        {
            listen(kestrel, listener =>
            {
                listener.Protocols = HttpProtocols.Http1;
                TimeSpan patience = kestrel.Limits.KeepAliveTimeout;
                listener.Use(next => connection => factory.ServeAsync(connection, next, patience));
            });
            kestrel.Listen(factory._endPoint, static listener => listener.Protocols = HttpProtocols.Http2);
        });
    }

    public bool CanBind(EndPoint endpoint) => endpoint == _endPoint;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IConnectionListener>(new HandedListener(_handed, _endPoint));

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next, TimeSpan patience)
    {
        bool isHttp2;
        try
        {
            using var limit = new CancellationTokenSource(patience);
            isHttp2 = await BeginsWithPrefaceAsync(connection.Transport.Input, limit.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            connection.Abort(new ConnectionAbortedException("The connection sent nothing."));
            return;
        }

        var handed = new HandedConnection(connection);
        if (isHttp2 && _handed.Writer.TryWrite(handed))
        {
            await handed.Served;
        }
        else if (isHttp2)
        {
            connection.Abort(new ConnectionAbortedException("Too many connections wait, or the server shuts down."));
        }
        else
        {
            await next(connection);
        }
    }

    // Leaves everything unread.
    private static async ValueTask<bool> BeginsWithPrefaceAsync(PipeReader input, CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await input.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> begin = result.Buffer.Slice(0, Math.Min(_preface.Length, result.Buffer.Length));
            bool agrees = begin.ToArray().AsSpan().SequenceEqual(_preface.AsSpan(0, (int)begin.Length));
            bool isDecided = !agrees || begin.Length == _preface.Length || result.IsCompleted;
            input.AdvanceTo(result.Buffer.Start, isDecided ? result.Buffer.Start : result.Buffer.End);
            if (isDecided)
            {
                return agrees && begin.Length == _preface.Length;
            }
        }
    }

    private sealed class HandedEndPoint : EndPoint
    {
        public override string ToString() => "http://handed";
    }

    private sealed class HandedListener(Channel<HandedConnection> handed, EndPoint endPoint) : IConnectionListener
    {
        public EndPoint EndPoint => endPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await handed.Reader.WaitToReadAsync(cancellationToken) && handed.Reader.TryRead(out HandedConnection? connection) ? connection : null;

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            handed.Writer.TryComplete();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
