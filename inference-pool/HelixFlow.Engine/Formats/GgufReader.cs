using System.Buffers.Binary;
using System.Text;

namespace HelixFlow.Engine.Formats;

/// <summary>Walks a mapped GGUF file front to back; every read is checked against the end of the file first.</summary>
internal unsafe ref struct GgufReader(MappedFile file, long position)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte* _start = file.Start;

    public long Position { get; private set; } = position;

    public readonly long Remaining => file.Length - Position;

    public uint ReadUInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public ulong ReadUInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    public ReadOnlySpan<byte> Take(int bytes, string what)
    {
        Require(bytes, what);
        var span = new ReadOnlySpan<byte>(_start + Position, bytes);
        Position += bytes;
        return span;
    }

    /// <summary>Moves over <paramref name="count"/> values of <paramref name="size"/> bytes.</summary>
    public void Skip(ulong count, int size, string what)
    {
        if (count > (ulong)Remaining / (ulong)size)
        {
            throw Error(Position, $"{what} claims {count} values of {size} bytes, but the file has only {Remaining} bytes left");
        }

        Position += (long)count * size;
    }

    /// <summary>A length-prefixed UTF-8 string of at most <paramref name="maxBytes"/> bytes.</summary>
    public string ReadString(int maxBytes, string what)
    {
        long at = Position;
        ReadOnlySpan<byte> bytes = ReadStringBytes(what);
        if (bytes.Length > maxBytes)
        {
            throw Error(at, $"{what} is {bytes.Length} bytes long; at most {maxBytes} are allowed");
        }

        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new ModelFormatException(file.Path, at, $"{what} is not valid UTF-8", e);
        }
    }

    /// <summary>The bytes of a length-prefixed string.</summary>
    public ReadOnlySpan<byte> ReadStringBytes(string what)
    {
        long at = Position;
        ulong length = ReadUInt64(what);
        if (length > (ulong)Remaining || length > int.MaxValue)
        {
            throw Error(at, $"{what} claims a string of {length} bytes, but the file has only {Remaining} bytes left");
        }

        return Take((int)length, what);
    }

    public readonly ModelFormatException Error(long at, string reason) => new(file.Path, at, reason);

    private readonly void Require(int bytes, string what)
    {
        if (bytes > Remaining)
        {
            throw Error(Position, $"the file ends inside {what}: {bytes} bytes needed, {Remaining} left");
        }
    }
}
