using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;

namespace HelixFlow.Grpc.Tests.Wire;

/// <summary>Messages as bytes, right and wrong.</summary>
internal static class GrpcBytes
{
    public static byte[] Message(IMessage message) => Message(message.ToByteArray());

    /// <summary>A frame with a flag and a length of the caller's choice.</summary>
    public static byte[] Message(byte[] payload, byte flag = 0, uint? length = null)
    {
        byte[] bytes = new byte[5 + payload.Length];
        bytes[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), length ?? (uint)payload.Length);
        payload.CopyTo(bytes, 5);
        return bytes;
    }

    public static byte[] Gzip(byte[] payload)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            gzip.Write(payload);
        }

        return target.ToArray();
    }
}
