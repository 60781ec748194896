using System.Buffers;
using System.Text;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>Characters that mean nothing in strings and texts: all but control characters and those that end strings, escape, or begin markers of calls.</summary>
internal static class PlainCharacters
{
    /// <summary>Whether an ASCII character is plain.</summary>
    public static bool IsPlain(byte value) => value is >= 0x20 and < 0x80 and not ((byte)'"' or (byte)'\\' or (byte)'<' or (byte)'[' or (byte)'`');

    /// <summary>How many characters these bytes are; -1 unless they are whole characters, all of them plain.</summary>
    public static int Count(ReadOnlySpan<byte> bytes)
    {
        int count = 0;
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int length) != OperationStatus.Done
                || (rune.IsAscii && !IsPlain((byte)rune.Value)))
            {
                return -1;
            }

            count++;
            bytes = bytes[length..];
        }

        return count;
    }
}
