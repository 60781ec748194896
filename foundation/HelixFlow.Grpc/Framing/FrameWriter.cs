using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Grpc.Core;

namespace Grpc.Framing;

/// <summary>Writes messages as length-prefixed frames: a flag byte (1: compressed), a four-byte length, the message.</summary>
/// <remarks>
/// One per direction of a call, used by one thread at a time. A message whose length its serializer announces goes straight into the output;
/// others, and those to be compressed, go through a buffer of the writer's own.
/// </remarks>
internal sealed class FrameWriter(int? mostBytes, CompressionLevel level) : SerializationContext
{
    public const int HeaderSize = 5;

    private ArrayBufferWriter<byte>? _message;
    private IBufferWriter<byte> _output = null!;
    private bool _compress;
    private bool _direct;
    private int? _announced;

    /// <exception cref="RpcException">The message is larger than the sender's own limit; nothing was written.</exception>
    public void Write<T>(Marshaller<T> marshaller, T message, IBufferWriter<byte> output, bool compress)
    {
        _output = output;
        _compress = compress;
        _direct = false;
        _announced = null;
        _message?.ResetWrittenCount();
        marshaller.ContextualSerializer(message, this);
    }

    public override void SetPayloadLength(int payloadLength)
    {
        CheckSize(payloadLength);
        _announced = payloadLength;
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (_announced is not { } length || _compress)
        {
            return _message ??= new ArrayBufferWriter<byte>();
        }

        _direct = true;
        WriteHeader(length, compressed: false);
        return _output;
    }

    public override void Complete()
    {
        if (_direct)
        {
            return;
        }

        Finish(_message is null ? [] : _message.WrittenSpan);
    }

    public override void Complete(byte[] payload) => Finish(payload);

    private void Finish(ReadOnlySpan<byte> message)
    {
        CheckSize(message.Length);
        if (!_compress)
        {
            WriteHeader(message.Length, compressed: false);
            _output.Write(message);
            return;
        }

        using var compressed = new PooledBuffer();
        GzipCoding.Compress(message, compressed, level);
        WriteHeader(compressed.Length, compressed: true);
        _output.Write(compressed.Written.Span);
    }

    private void WriteHeader(int length, bool compressed)
    {
        Span<byte> header = _output.GetSpan(HeaderSize);
        header[0] = compressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(header[1..], length);
        _output.Advance(HeaderSize);
    }

    private void CheckSize(int length)
    {
        if (length > mostBytes)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"Sending message has {length} bytes; the most that may be sent is {mostBytes}."));
        }
    }
}
