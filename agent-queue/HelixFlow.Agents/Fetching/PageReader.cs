using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Fetching;

/// <summary>From what a host sends to the text that people read.</summary>
internal static partial class PageReader
{
    /// <summary>What is asked for.</summary>
    public const string Accept =
        "text/html, application/xhtml+xml, text/plain;q=0.9, text/markdown;q=0.9, application/json;q=0.5, application/xml;q=0.5, text/*;q=0.5";

    private const int LongestTitle = 300;

    /// <summary>Whether there is text to read in content of this type.</summary>
    public static bool CanRead(string mediaType) =>
        mediaType.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || IsMarkup(mediaType) ||
        mediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) || mediaType.EndsWith("+json", StringComparison.OrdinalIgnoreCase);

    /// <summary>Refuses what has no text before it is read. Content without a type is read, and judged by how it begins.</summary>
    /// <exception cref="FetchException">It has none.</exception>
    public static void Check(MediaTypeHeaderValue? type)
    {
        if (type?.MediaType is { } mediaType && !CanRead(mediaType))
        {
            throw new FetchException(FetchFailure.ContentType, $"Content of the type {mediaType} is not read here.");
        }
    }

    /// <summary>The page.</summary>
    /// <exception cref="FetchException">It is not text, or has none.</exception>
    public static WebPage Read(string url, ReadOnlySpan<byte> bytes, string? mediaType, string? charset, DateTimeOffset now)
    {
        string source = TextDecoding.Page(bytes, charset);
        if (mediaType is null && source.AsSpan(0, Math.Min(source.Length, 512)).Contains('\0'))
        {
            throw new FetchException(FetchFailure.ContentType, "It is not text, and does not say what else.");
        }

        string type = mediaType?.ToLowerInvariant() ?? (Markup().IsMatch(source) ? "text/html" : "text/plain");
        bool isMarkup = IsMarkup(type);
        string title = isMarkup ? HtmlTitle(source) : type == "text/markdown" ? MarkdownTitle(source) : "";
        string text = Tidy(isMarkup ? SourceText.Html(source).Text : source);
        return string.IsNullOrWhiteSpace(text) ? throw new FetchException(FetchFailure.Empty, "It has no text.")
            : new WebPage(url, title, text, HashOf(text), type, now);
    }

    /// <summary>The hash by which a page's text is known.</summary>
    public static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static bool IsMarkup(string mediaType) =>
        mediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase) || mediaType.EndsWith("/xml", StringComparison.OrdinalIgnoreCase) ||
        mediaType.EndsWith("+xml", StringComparison.OrdinalIgnoreCase);

    private static string HtmlTitle(string source)
    {
        Match title = Title().Match(source);
        return title.Success ? Short(SourceText.Html(title.Groups["title"].Value).Text) : "";
    }

    private static string MarkdownTitle(string source)
    {
        Match heading = Heading().Match(source);
        return heading.Success ? Short(heading.Groups["title"].Value) : "";
    }

    private static string Short(string title)
    {
        string line = title.ReplaceLineEndings(" ").Trim();
        return line.Length <= LongestTitle ? line : line[..(char.IsHighSurrogate(line[LongestTitle - 1]) ? LongestTitle - 1 : LongestTitle)];
    }

    // Line ends in one form; halves of surrogate pairs and control characters, which no text has, replaced.
    private static string Tidy(string text)
    {
        char[] tidy = text.ReplaceLineEndings("\n").ToCharArray();
        for (int i = 0; i < tidy.Length; i++)
        {
            if (i + 1 < tidy.Length && char.IsSurrogatePair(tidy[i], tidy[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(tidy[i]) || (char.IsControl(tidy[i]) && tidy[i] is not ('\n' or '\t')))
            {
                tidy[i] = '\uFFFD';
            }
        }

        return new string(tidy);
    }

    [GeneratedRegex("<title[^>]{0,200}>(?<title>[^<]{0,2000})", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex Title();

    [GeneratedRegex(@"^#{1,2}[ \t]+(?<title>[^\r\n]{1,500})", RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\A\s*<(!doctype|html|head|body|\?xml)", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex Markup();
}
