using System.Text;
using System.Text.RegularExpressions;

namespace HelixFlow.Agents.Fetching;

/// <summary>From bytes to text, when it is not certain in which encoding they are.</summary>
internal static partial class TextDecoding
{
    private const int Prescanned = 1024; // as the HTML standard has it

    /// <summary>
    /// A page's text: by its byte order mark, by what the header says, by what the page says of itself, as UTF-8 when it is that, else as
    /// windows-1252.
    /// </summary>
    /// <param name="bytes">The page.</param>
    /// <param name="charset">The encoding that the header names; null when it names none.</param>
    public static string Page(ReadOnlySpan<byte> bytes, string? charset)
    {
        Encoding encoding =
            bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? Encoding.UTF8
            : bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) ? Encoding.Unicode
            : bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]) ? Encoding.BigEndianUnicode
            : Named(charset) ?? Declared(bytes) ?? (System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8 : Named("windows-1252")!);
        return encoding.GetString(bytes).TrimStart('\uFEFF');
    }

    /// <summary>Text that is UTF-8 by its standard, whatever its sender says.</summary>
    public static string Utf8(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);

    private static Encoding? Declared(ReadOnlySpan<byte> bytes)
    {
        Match match = Declaration().Match(Encoding.Latin1.GetString(bytes[..Math.Min(Prescanned, bytes.Length)]));

        // What could be read as ASCII so far is no UTF-16, whatever it says.
        return match.Success && Named(match.Groups["name"].Value) is { } encoding ? (encoding is UnicodeEncoding ? Encoding.UTF8 : encoding) : null;
    }

    private static Encoding? Named(string? name)
    {
        string known = name?.Trim(' ', '"', '\'').ToLowerInvariant() ?? "";
        if (known.Length == 0 || known.StartsWith("utf-7", StringComparison.Ordinal) || known == "csutf7")
        {
            return null;
        }

        // Browsers read these names as their supersets, and so do pages' authors.
        known = known is "iso-8859-1" or "latin1" or "us-ascii" or "ascii" ? "windows-1252" : known == "gb2312" ? "gbk" : known == "utf8" ? "utf-8" : known;
        try
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(known) ?? Encoding.GetEncoding(known);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    [GeneratedRegex(
        """<meta[^>]{0,400}?charset\s*=\s*["']?\s*(?<name>[a-zA-Z0-9_:.-]{1,40})|^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["'](?<name>[a-zA-Z0-9_:.-]{1,40})""",
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex Declaration();
}
