namespace HelixFlow.Engine.Tokenization;

/// <summary>GPT-2's printable stand-ins for the 256 byte values, in which byte-level vocabularies are written.</summary>
/// <remarks>Printable Latin-1 characters stand for themselves; the other 68 bytes take U+0100 and up, in order.</remarks>
internal static class ByteAlphabet
{
    private static readonly char[] Chars = MakeChars();
    private static readonly short[] Bytes = MakeBytes();

    public static char ToChar(byte value) => Chars[value];

    /// <summary>The byte a character stands for, or -1.</summary>
    public static int ToByte(char value) => value < Bytes.Length ? Bytes[value] : -1;

    private static char[] MakeChars()
    {
        var chars = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            chars[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF)
                ? (char)value
                : (char)next++;
        }

        return chars;
    }

    private static short[] MakeBytes()
    {
        var bytes = new short[256 + 68];
        bytes.AsSpan().Fill(-1);
        for (var value = 0; value < 256; value++)
        {
            bytes[Chars[value]] = (short)value;
        }

        return bytes;
    }
}
