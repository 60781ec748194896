using System.Globalization;

namespace HelixFlow.Engine.Tokenization;

/// <summary>SentencePiece's tokens for single bytes, written <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
internal static class ByteTokens
{
    private static readonly string[] Texts =
        [.. Enumerable.Range(0, 256).Select(value => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"))];

    public static string Text(byte value) => Texts[value];

    public static bool TryParse(ReadOnlySpan<char> text, out byte value)
    {
        value = 0;
        return text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
            && byte.TryParse(text[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
