using System.Net;
using System.Text;
using System.Text.Unicode;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>A file that cannot be read into a store, as a client is told.</summary>
internal sealed class IngestionException(string code, string message) : Exception(message)
{
    public const string Unsupported = "unsupported_file";
    public const string Invalid = "invalid_file";
    public const string Server = "server_error";

    /// <summary>One of the three.</summary>
    public string Code { get; } = code;
}

/// <summary>The text of a file: UTF-8, or UTF-16 with a byte order mark; of HTML what is outside of tags.</summary>
internal static class ExtractedText
{
    // What OpenAI takes, as far as it is text, and its common relatives. A name without an extension is judged by its content alone.
    private static readonly HashSet<string> _textual = new(StringComparer.OrdinalIgnoreCase)
    {
        "", ".txt", ".text", ".md", ".markdown", ".rst", ".log", ".html", ".htm", ".xhtml", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf",
        ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cs", ".css", ".go", ".java", ".js", ".jsx", ".mjs", ".cjs", ".kt", ".lua", ".php", ".pl", ".proto", ".ps1", ".py", ".r", ".rb", ".rs", ".scala",
        ".sh", ".bash", ".sql", ".swift", ".tex", ".ts", ".tsx", ".vb",
    };

    // The contents of these are not text to a reader.
    private static readonly string[] _hidden = ["script", "style", "template", "noscript"];

    private static readonly HashSet<string> _inline = new(StringComparer.OrdinalIgnoreCase)
    {
        "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "u", "var", "wbr",
    };

    /// <exception cref="IngestionException">It is no text, or of a kind that is not read.</exception>
    public static string Of(string filename, ReadOnlySpan<byte> bytes)
    {
        string extension = Path.GetExtension(filename);
        if (!_textual.Contains(extension) || bytes.StartsWith("%PDF-"u8))
        {
            throw new IngestionException(
                IngestionException.Unsupported, $"The file type of '{filename}' is not supported: files of text, Markdown, HTML, JSON, CSV and program code are. Extract its text first.");
        }

        string text = Decode(bytes);
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new IngestionException(IngestionException.Invalid, $"'{filename}' is binary, not text.");
        }

        if (extension.Equals(".html", StringComparison.OrdinalIgnoreCase) || extension.Equals(".htm", StringComparison.OrdinalIgnoreCase) || extension.Equals(".xhtml", StringComparison.OrdinalIgnoreCase))
        {
            text = WithoutTags(text);
        }

        return string.IsNullOrWhiteSpace(text) ? throw new IngestionException(IngestionException.Invalid, $"'{filename}' holds no text.") : text;
    }

    /// <summary>What HTML says without its tags, comments, scripts and styles; a tag that begins a block begins a line.</summary>
    public static string WithoutTags(string html)
    {
        var text = new StringBuilder(html.Length);
        int position = 0;
        while (position < html.Length)
        {
            int tag = html.IndexOf('<', position);
            if (tag < 0 || tag + 1 == html.Length)
            {
                break;
            }

            text.Append(html, position, tag - position);
            if (!char.IsAsciiLetter(html[tag + 1]) && html[tag + 1] is not ('/' or '!' or '?'))
            {
                text.Append('<');
                position = tag + 1;
                continue;
            }

            position = EndOfTag(html, tag);
            ReadOnlySpan<char> name = NameOf(html.AsSpan(tag, position - tag));
            if (!_inline.GetAlternateLookup<ReadOnlySpan<char>>().Contains(name) && text.Length > 0 && text[^1] != '\n')
            {
                text.Append('\n');
            }

            foreach (string hidden in _hidden)
            {
                if (html[tag + 1] != '/' && name.Equals(hidden, StringComparison.OrdinalIgnoreCase))
                {
                    int end = html.IndexOf("</" + hidden, position, StringComparison.OrdinalIgnoreCase);
                    position = end < 0 ? html.Length : end;
                }
            }
        }

        text.Append(html, Math.Min(position, html.Length), html.Length - Math.Min(position, html.Length));
        return WebUtility.HtmlDecode(text.ToString());
    }

    private static int EndOfTag(string html, int tag)
    {
        if (string.CompareOrdinal(html, tag, "<!--", 0, 4) == 0)
        {
            int comment = html.IndexOf("-->", tag + 4, StringComparison.Ordinal);
            return comment < 0 ? html.Length : comment + 3;
        }

        char quote = '\0';
        for (int i = tag + 1; i < html.Length; i++)
        {
            char c = html[i];
            if (quote != '\0')
            {
                quote = c == quote ? '\0' : quote;
            }
            else if (c is '"' or '\'' && html[i - 1] is '=' or ' ')
            {
                quote = c is '"' or '\'' ? c : quote;
            }
            else if (c == '>')
            {
                return i + 1;
            }
        }

        return html.Length;
    }

    private static ReadOnlySpan<char> NameOf(ReadOnlySpan<char> tag)
    {
        ReadOnlySpan<char> name = tag[1..].TrimStart('/');
        int length = 0;
        while (length < name.Length && char.IsAsciiLetterOrDigit(name[length]))
        {
            length++;
        }

        return name[..length];
    }

    private static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }
        else if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
        {
            return Utf16(bytes[2..], isBigEndian: bytes[0] == 0xFE);
        }

        return Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw new IngestionException(IngestionException.Invalid, "The file is neither UTF-8 nor UTF-16 with a byte order mark.");
    }

    private static string Utf16(ReadOnlySpan<byte> bytes, bool isBigEndian)
    {
        try
        {
            return new UnicodeEncoding(isBigEndian, byteOrderMark: false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new IngestionException(IngestionException.Invalid, "The file begins as UTF-16 and is not.");
        }
    }
}
