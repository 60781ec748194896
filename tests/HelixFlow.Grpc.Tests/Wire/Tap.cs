using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace HelixFlow.Grpc.Tests.Wire;

/// <summary>What was said on one plain HTTP/2 connection.</summary>
internal sealed class Tap
{
    public MessageFlags FromClient { get; } = new(hasPreface: true);

    public MessageFlags FromServer { get; } = new(hasPreface: false);

    /// <summary>A handler for a channel whose connection is tapped; for one connection.</summary>
    public SocketsHttpHandler CreateHandler() => new()
    {
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new TappedStream(new NetworkStream(socket, ownsSocket: true), FromServer, FromClient);
        },
    };

    /// <summary>Taps each connection that a server accepts, and tells of it; requests find it among their features.</summary>
    public static void Listen(ListenOptions options, Action<Tap> accepted) => options.Use(next => async connection =>
    {
        var tap = new Tap();
        connection.Features.Set(tap);
        accepted(tap);
        IDuplexPipe transport = connection.Transport;
        await using var stream = new TappedStream(new PipeStream(transport), tap.FromClient, tap.FromServer);
        connection.Transport = new StreamPipe(PipeReader.Create(stream), PipeWriter.Create(stream));
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = transport;
        }
    });

    private sealed record StreamPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    /// <summary>A connection's pipes as a stream.</summary>
    private sealed class PipeStream(IDuplexPipe pipe) : PlainStream
    {
        private readonly Stream _input = pipe.Input.AsStream(leaveOpen: true);
        private readonly Stream _output = pipe.Output.AsStream(leaveOpen: true);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _input.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _output.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => _output.FlushAsync(cancellationToken);
    }

    /// <summary>Passes bytes on and shows them to the tap: what is read before the reader gets it, what is written before it is sent.</summary>
    private sealed class TappedStream(Stream inner, MessageFlags reads, MessageFlags writes) : PlainStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await inner.ReadAsync(buffer, cancellationToken);
            reads.Read(buffer.Span[..read]);
            return read;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            writes.Read(buffer.Span);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        protected override void Dispose(bool disposing)
        {
            inner.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>A stream that is read and written asynchronously.</summary>
internal abstract class PlainStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

    public abstract override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
