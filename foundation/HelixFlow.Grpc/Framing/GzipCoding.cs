using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Grpc.Core;

namespace Grpc.Framing;

/// <summary>The gzip message encoding.</summary>
internal static class GzipCoding
{
    private const int ChunkSize = 16 * 1024;

    // RFC 1952: a header of ten bytes, two bytes of an empty block, and a trailer of a checksum and a length.
    private const int LeastSize = 20;

    public static void Compress(ReadOnlySpan<byte> message, IBufferWriter<byte> output, CompressionLevel level)
    {
        using var target = new BufferStream(output);
        using var gzip = new GZipStream(target, level);
        gzip.Write(message);
    }

    /// <summary>Decompresses into <paramref name="output"/>, no further than <paramref name="mostBytes"/>: a small message may hold a huge one.</summary>
    /// <exception cref="RpcException">The message grows too large, or is not gzip.</exception>
    public static void Decompress(in ReadOnlySequence<byte> message, IBufferWriter<byte> output, int? mostBytes)
    {
        try
        {
            byte[] compressed = message.ToArray();
            if (compressed.Length < LeastSize)
            {
                throw new InvalidDataException("The gzip stream is too short.");
            }

            using var gzip = new GZipStream(new MemoryStream(compressed), CompressionMode.Decompress);
            long total = 0;
            while (true)
            {
                int read = gzip.Read(output.GetSpan(ChunkSize));
                if (read == 0)
                {
                    // GZipStream takes a stream that breaks off for one that ends: the length in the trailer tells them apart.
                    if (BinaryPrimitives.ReadUInt32LittleEndian(compressed.AsSpan(compressed.Length - sizeof(uint))) != (uint)total)
                    {
                        throw new InvalidDataException("The gzip stream breaks off.");
                    }

                    return;
                }

                output.Advance(read);
                if ((total += read) > mostBytes)
                {
                    throw new RpcException(new Status(StatusCode.ResourceExhausted, $"Received message decompresses to more than the most that is taken, {mostBytes} bytes."));
                }
            }
        }
        catch (InvalidDataException exception)
        {
            throw new RpcException(new Status(StatusCode.Internal, "The compressed message is not valid gzip.", exception));
        }
    }

    private sealed class BufferStream(IBufferWriter<byte> output) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer) => output.Write(buffer);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
