using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>Python's ways to lay out text.</summary>
internal static class TextLayout
{
    /// <summary>textwrap.wrap on each line, as Jinja's wordwrap calls it.</summary>
    public static string Wrap(string text, int width, bool breaksWords, string between)
    {
        var lines = new List<string>();
        foreach (string line in text.Split('\n'))
        {
            int before = lines.Count;
            var current = new StringBuilder();
            foreach (string word in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                string rest = word;
                int room = width - (current.Length > 0 ? current.Length + 1 : 0);
                if (current.Length > 0 && rest.Length > room && !(breaksWords && rest.Length > width && room > 0))
                {
                    lines.Add(current.ToString());
                    current.Clear();
                    room = width;
                }

                while (breaksWords && rest.Length > room)
                {
                    lines.Add((current.Length > 0 ? current + " " : "") + rest[..room]);
                    current.Clear();
                    rest = rest[room..];
                    room = width;
                }

                current.Append(current.Length > 0 ? " " : "").Append(rest);
            }

            if (current.Length > 0 || lines.Count == before)
            {
                lines.Add(current.ToString());
            }
        }

        return Methods.Join(between, lines);
    }

    /// <summary>Spaces up to the next column that is a multiple of the size.</summary>
    public static string ExpandTabs(string text, int size)
    {
        var result = new StringBuilder();
        int column = 0;
        foreach (char c in text)
        {
            if (c == '\t')
            {
                int spaces = size == 0 ? 0 : size - (column % size);
                RenderContext.CheckLength(result.Length + (double)spaces);
                result.Append(' ', spaces);
                column += spaces;
                continue;
            }

            result.Append(c);
            column = c is '\n' or '\r' ? 0 : column + 1;
        }

        return result.ToString();
    }
}
