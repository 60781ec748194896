using System.Globalization;
using System.Net;
using System.Text;

namespace HelixFlow.Agents.Texts;

/// <summary>The text of a document as a reader sees it, which knows where each of its characters stands in the source.</summary>
/// <remarks>Immutable. Positions are UTF-16 code units, as JavaScript and .NET count them.</remarks>
internal sealed class SourceText
{
    // Elements that begin a new line, and those whose content nobody reads (HTML Living Standard, section 15.3).
    private static readonly HashSet<string> _blocks = new(StringComparer.OrdinalIgnoreCase)
    {
        "address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
        "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
    };

    private static readonly HashSet<string> _hidden = new(StringComparer.OrdinalIgnoreCase) { "script", "style", "template", "noscript", "svg", "title" };

    private readonly int[]? _origins; // [character of the text] its place in the source; null when text and source are the same

    private SourceText(string text, int[]? origins)
    {
        Text = text;
        _origins = origins;
    }

    public string Text { get; }

    /// <summary>A text that is read as it is: plain, or Markdown.</summary>
    public static SourceText Plain(string source) => new(source, null);

    /// <summary>
    /// What an HTML document shows: no tags, comments, scripts or styles, character references resolved, runs of white space as one space or line
    /// break.
    /// </summary>
    public static SourceText Html(string source)
    {
        var text = new StringBuilder(source.Length);
        var origins = new List<int>(source.Length);
        int at = 0;
        while (at < source.Length)
        {
            if (source[at] == '<' && TagEnd(source, at) is > 0 and var end)
            {
                string name = NameOf(source, at);
                at = _hidden.Contains(name) && source[at + 1] != '/' ? ElementEnd(source, end, name) : end;
                if (_blocks.Contains(name))
                {
                    Break(text, origins, at);
                }
            }
            else if (source[at] == '&' && Reference(source, at) is { } reference)
            {
                foreach (char c in reference.Text)
                {
                    Add(text, origins, c, at);
                }

                at += reference.Length;
            }
            else
            {
                Add(text, origins, source[at], at);
                at++;
            }
        }

        return new SourceText(text.ToString(), [.. origins, source.Length]);
    }

    /// <summary>Where a character of the text stands in the source; of the text's end, the source's.</summary>
    public int OriginOf(int position) => _origins is null ? position : _origins[position];

    private static void Add(StringBuilder text, List<int> origins, char c, int at)
    {
        if (char.IsWhiteSpace(c))
        {
            if (text.Length == 0 || char.IsWhiteSpace(text[^1]))
            {
                return;
            }

            c = ' ';
        }

        text.Append(c);
        origins.Add(at);
    }

    private static void Break(StringBuilder text, List<int> origins, int at)
    {
        if (text.Length > 0 && text[^1] == ' ')
        {
            text[^1] = '\n';
        }
        else if (text.Length > 0 && text[^1] != '\n')
        {
            text.Append('\n');
            origins.Add(at);
        }
    }

    /// <summary>The place after a tag or comment that begins at a place; 0 when none does, as in "1 &lt; 2".</summary>
    private static int TagEnd(string source, int at)
    {
        if (source.AsSpan(at).StartsWith("<!--", StringComparison.Ordinal))
        {
            int close = source.IndexOf("-->", at + 4, StringComparison.Ordinal);
            return close < 0 ? source.Length : close + 3;
        }

        if (at + 1 >= source.Length || !(char.IsAsciiLetter(source[at + 1]) || source[at + 1] is '/' or '!' or '?'))
        {
            return 0;
        }

        char quote = '\0';
        for (int i = at + 1; i < source.Length; i++)
        {
            char c = source[i];
            if (quote != '\0')
            {
                quote = c == quote ? '\0' : quote;
            }
            else if (c is '"' or '\'' && source[i - 1] is '=' or ' ')
            {
                quote = c;
            }
            else if (c == '>')
            {
                return i + 1;
            }
        }

        return source.Length;
    }

    private static string NameOf(string source, int at)
    {
        int start = at + (at + 1 < source.Length && source[at + 1] == '/' ? 2 : 1);
        int end = start;
        while (end < source.Length && char.IsAsciiLetterOrDigit(source[end]))
        {
            end++;
        }

        return source[start..end];
    }

    private static int ElementEnd(string source, int from, string name)
    {
        int close = source.IndexOf("</" + name, from, StringComparison.OrdinalIgnoreCase);
        return close < 0 ? source.Length : TagEnd(source, close) is > 0 and var end ? end : source.Length;
    }

    private static (string Text, int Length)? Reference(string source, int at)
    {
        const int Longest = 34; // the longest name of a character reference, with & and ;
        int end = source.IndexOf(';', at, Math.Min(Longest, source.Length - at));
        if (end < 0)
        {
            return null;
        }

        string reference = source[at..(end + 1)];
        string decoded = WebUtility.HtmlDecode(reference);
        return decoded == reference || decoded.Length == 0 || char.GetUnicodeCategory(decoded[0]) == UnicodeCategory.Control ? null : (decoded, reference.Length);
    }
}
