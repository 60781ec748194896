using System.Globalization;

namespace HelixFlow.Gateway.Requests;

/// <summary>Looks at the \u escapes of JSON text.</summary>
internal static class JsonEscapes
{
    private const int EscapeLength = 6;

    /// <summary>
    /// Where the first \u escape stands that is half of a surrogate pair without its other half; null when there is none.
    /// Such an escape is valid JSON (RFC 8259, section 8.2) but names no character.
    /// </summary>
    public static int? FindLoneSurrogate(ReadOnlySpan<byte> json)
    {
        int position = 0;
        while (position < json.Length && json[position..].IndexOf((byte)'\\') is >= 0 and int offset)
        {
            position += offset;
            char unit = Unit(json[position..]);
            if (!char.IsSurrogate(unit))
            {
                // Any escape is two characters at least, so the second of "\\" does not begin another.
                position += 2;
            }
            else if (char.IsHighSurrogate(unit) && char.IsLowSurrogate(Unit(json[(position + EscapeLength)..])))
            {
                position += 2 * EscapeLength;
            }
            else
            {
                return position;
            }
        }

        return null;
    }

    // The UTF-16 unit of the \u escape that the text begins with; NUL when it begins with none.
    private static char Unit(ReadOnlySpan<byte> json) =>
        json.Length >= EscapeLength && json[0] == '\\' && json[1] == 'u'
        && ushort.TryParse(json[2..EscapeLength], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit)
            ? (char)unit
            : '\0';
}
