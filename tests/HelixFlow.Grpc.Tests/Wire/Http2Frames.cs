using System.Buffers.Binary;
using System.Net.Sockets;

namespace HelixFlow.Grpc.Tests.Wire;

/// <summary>The frame types of HTTP/2 (RFC 9113) that the tests use.</summary>
internal enum FrameType : byte
{
    Data = 0,
    Headers = 1,
    ResetStream = 3,
    Settings = 4,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
}

internal sealed record Frame(FrameType Type, byte Flags, int Stream, byte[] Payload)
{
    public const byte EndStream = 1;
    public const byte Ack = 1;
    public const byte EndHeaders = 4;
    private const byte Padded = 8;
    private const byte Prioritised = 32;

    public bool EndsStream => Type is FrameType.Data or FrameType.Headers && (Flags & EndStream) != 0;

    /// <summary>The payload of a HEADERS or DATA frame without padding and priority.</summary>
    public ReadOnlySpan<byte> Content
    {
        get
        {
            ReadOnlySpan<byte> content = Payload;
            if ((Flags & Padded) != 0)
            {
                content = content[1..^content[0]];
            }

            return Type == FrameType.Headers && (Flags & Prioritised) != 0 ? content[5..] : content;
        }
    }
}

/// <summary>Frames over a socket: either side of HTTP/2, without any of its rules. One reader and one writer at a time.</summary>
internal sealed class Http2Frames(Socket socket) : IDisposable
{
    private const int HeaderSize = 9;
    private const int MostPayload = 16384;

    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();
    private readonly NetworkStream _stream = new(socket, ownsSocket: true);

    /// <summary>Begins a connection as its client, without a header table.</summary>
    public async Task StartClientAsync(CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(Preface, cancellationToken);
        const byte HeaderTableSize = 1;
        await SendAsync(FrameType.Settings, 0, 0, (byte[])[0, HeaderTableSize, 0, 0, 0, 0], cancellationToken);
    }

    /// <summary>Begins a connection as its server; false when the client does not speak HTTP/2 or has gone.</summary>
    public async Task<bool> StartServerAsync(CancellationToken cancellationToken)
    {
        byte[] preface = new byte[Preface.Length];
        if (await _stream.ReadAtLeastAsync(preface, preface.Length, throwOnEndOfStream: false, cancellationToken) < preface.Length || !preface.SequenceEqual(Preface))
        {
            return false;
        }

        await SendAsync(FrameType.Settings, 0, 0, ReadOnlyMemory<byte>.Empty, cancellationToken);
        return true;
    }

    /// <summary>The next frame; null when the peer has closed the connection.</summary>
    public async Task<Frame?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            byte[] header = new byte[HeaderSize];
            if (await _stream.ReadAtLeastAsync(header, HeaderSize, throwOnEndOfStream: false, cancellationToken) < HeaderSize)
            {
                return null;
            }

            byte[] payload = new byte[(header[0] << 16) | (header[1] << 8) | header[2]];
            await _stream.ReadExactlyAsync(payload, cancellationToken);
            return new Frame((FrameType)header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)) & int.MaxValue, payload);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Answers what a connection must answer whatever it is for: settings and pings; true when the frame was of these.</summary>
    public async Task<bool> AnswerAsync(Frame frame, CancellationToken cancellationToken)
    {
        switch (frame.Type)
        {
            case FrameType.Settings or FrameType.Ping when (frame.Flags & Frame.Ack) == 0:
                await SendAsync(frame.Type, Frame.Ack, 0, frame.Type == FrameType.Ping ? frame.Payload : [], cancellationToken);
                return true;
            case FrameType.Settings or FrameType.Ping or FrameType.WindowUpdate:
                return true;
            default:
                return false;
        }
    }

    public Task SendHeadersAsync(int stream, IEnumerable<(string Name, string Value)> headers, bool end, CancellationToken cancellationToken) =>
        SendAsync(FrameType.Headers, (byte)(Frame.EndHeaders | (end ? Frame.EndStream : 0)), stream, Hpack.Encode(headers), cancellationToken);

    /// <summary>Bytes as DATA frames of the usual size; no care is taken of flow control.</summary>
    public async Task SendDataAsync(int stream, ReadOnlyMemory<byte> bytes, bool end, CancellationToken cancellationToken)
    {
        do
        {
            ReadOnlyMemory<byte> part = bytes[..Math.Min(MostPayload, bytes.Length)];
            bytes = bytes[part.Length..];
            await SendAsync(FrameType.Data, end && bytes.IsEmpty ? Frame.EndStream : (byte)0, stream, part, cancellationToken);
        }
        while (!bytes.IsEmpty);
    }

    public Task ResetAsync(int stream, uint error, CancellationToken cancellationToken) =>
        SendAsync(FrameType.ResetStream, 0, stream, BigEndian(error), cancellationToken);

    public Task GoAwayAsync(int lastStream, uint error, CancellationToken cancellationToken) =>
        SendAsync(FrameType.GoAway, 0, 0, (byte[])[.. BigEndian((uint)lastStream), .. BigEndian(error)], cancellationToken);

    public ValueTask SendRawAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _stream.WriteAsync(bytes, cancellationToken);

    public void Dispose() => _stream.Dispose();

    private async Task SendAsync(FrameType type, byte flags, int stream, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[HeaderSize + payload.Length];
        frame[0] = (byte)(payload.Length >> 16);
        frame[1] = (byte)(payload.Length >> 8);
        frame[2] = (byte)payload.Length;
        frame[3] = (byte)type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsMemory(HeaderSize));
        await _stream.WriteAsync(frame, cancellationToken);
    }

    private static byte[] BigEndian(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
}
