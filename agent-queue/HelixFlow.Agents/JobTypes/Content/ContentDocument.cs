using System.Buffers;
using System.Net;
using System.Text;

namespace HelixFlow.Agents.JobTypes.Content;

/// <summary>Sections as one document.</summary>
internal static class ContentDocument
{
    private static readonly SearchValues<char> _sentenceEnds = SearchValues.Create(".!?…。！？");

    /// <summary>Puts title and sections together as <c>markdown</c>, <c>html</c> or <c>text</c>. What is put into HTML is escaped: a model's tags are text.</summary>
    public static string Assemble(string title, IReadOnlyList<ContentSection> sections, string format, bool hasHeadings)
    {
        var document = new StringBuilder();
        if (format == "html")
        {
            document.Append("<article>\n<h1>").Append(WebUtility.HtmlEncode(title)).Append("</h1>\n");
            foreach (ContentSection section in sections)
            {
                document.Append("<section>\n").Append(hasHeadings ? $"<h2>{WebUtility.HtmlEncode(section.Title)}</h2>\n" : "");
                foreach (string paragraph in section.Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                {
                    document.Append("<p>").Append(WebUtility.HtmlEncode(paragraph).Replace("\n", "<br>\n", StringComparison.Ordinal)).Append("</p>\n");
                }

                document.Append("</section>\n");
            }

            return document.Append("</article>\n").ToString();
        }

        (string ofTitle, string ofSection) = format == "markdown" ? ("# ", "## ") : ("", "");
        document.Append(ofTitle).Append(title).Append('\n');
        foreach (ContentSection section in sections)
        {
            document.Append('\n').Append(hasHeadings ? $"{ofSection}{section.Title}\n\n" : "").Append(section.Text).Append('\n');
        }

        return document.ToString();
    }

    /// <summary>What a model wrote as a section's text: without the heading that it repeats, and without the part of a sentence where it was cut.</summary>
    public static string Clean(string answer, string title, bool isCut)
    {
        string text = answer.ReplaceLineEndings("\n").Trim();
        int line = text.IndexOf('\n', StringComparison.Ordinal);
        string first = (line < 0 ? text : text[..line]).Trim('#', '*', ' ', ':', '"');
        if (line >= 0 && string.Equals(first, title.Trim(), StringComparison.OrdinalIgnoreCase))
        {
            text = text[(line + 1)..].Trim();
        }

        if (isCut && text.Length > 1)
        {
            int end = text.AsSpan(0, text.Length - 1).LastIndexOfAny(_sentenceEnds);
            text = end > text.Length / 2 ? text[..(end + 1)] : text;
        }

        return text;
    }

    /// <summary>Words of a text: runs of anything but white space that have a letter or a digit.</summary>
    public static int CountWords(string text)
    {
        int words = 0;
        bool isInside = false, isCounted = false;
        foreach (char c in text)
        {
            if (char.IsWhiteSpace(c))
            {
                isInside = false;
                continue;
            }

            isCounted = isInside && isCounted;
            isInside = true;
            if (!isCounted && char.IsLetterOrDigit(c))
            {
                isCounted = true;
                words++;
            }
        }

        return words;
    }

    /// <summary>The keywords that a document does not have, whatever their case.</summary>
    public static IReadOnlyList<string> Missing(IReadOnlyList<string> keywords, string document) =>
        [.. keywords.Where(keyword => !document.Contains(keyword, StringComparison.OrdinalIgnoreCase))];
}
