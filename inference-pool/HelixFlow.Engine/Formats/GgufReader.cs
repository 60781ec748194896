using System.Buffers.Binary;
using System.Runtime.CompilerServices;
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

    /// <summary>Moves over length-prefixed strings.</summary>
    /// <remarks>Vocabularies have half a million of them, and it runs once: optimised at once, since tiering would come too late.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void SkipStrings(ulong count, string what)
    {
        byte* start = _start;
        long position = Position;
        long end = file.Length;
        for (ulong i = 0; i < count; i++)
        {
            if (end - position < 8)
            {
                throw Error(position, $"the file ends inside {what}, at element {i} of {count}");
            }

            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start + position, 8));
            if (length > (ulong)(end - position - 8) || length > int.MaxValue)
            {
                throw Error(position, $"{what} claims a string of {length} bytes, but the file has only {end - position - 8} bytes left");
            }

            position += 8 + (long)length;
        }

        Position = position;
    }

    /// <summary>Reads strings that <see cref="SkipStrings"/> has walked; bytes that are not UTF-8 become U+FFFD.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void ReadStrings(Span<string> strings)
    {
        byte* start = _start;
        long position = Position;
        long end = file.Length;
        for (int i = 0; i < strings.Length; i++)
        {
            // Checked again, since another process may have written to the file in the meantime.
            ulong length = end - position >= 8
                ? BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start + position, 8))
                : ulong.MaxValue;
            if (length > (ulong)(end - position - 8) || length > int.MaxValue)
            {
                throw Error(position, "a string changed while the file was open");
            }

            strings[i] = Encoding.UTF8.GetString(start + position + 8, (int)length);
            position += 8 + (long)length;
        }
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
