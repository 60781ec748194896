using System.Text;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Something that can be found in a text. Implementations are immutable and thread-safe.</summary>
internal abstract class TextPattern
{
    /// <summary>Appends all matches that are not empty, from left to right, none overlapping.</summary>
    public abstract void FindAll(ReadOnlySpan<char> text, List<Range> matches);

    /// <summary>Replaces all matches.</summary>
    public virtual string Replace(string text, string replacement)
    {
        var matches = new List<Range>();
        FindAll(text, matches);
        if (matches.Count == 0)
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        var at = 0;
        foreach (var match in matches)
        {
            result.Append(text, at, match.Start.Value - at).Append(replacement);
            at = match.End.Value;
        }

        return result.Append(text, at, text.Length - at).ToString();
    }
}

/// <summary>A fixed text.</summary>
internal sealed class LiteralPattern(string literal) : TextPattern
{
    public string Literal => literal;

    public override string Replace(string text, string replacement) => text.Replace(literal, replacement, StringComparison.Ordinal);

    public override void FindAll(ReadOnlySpan<char> text, List<Range> matches)
    {
        for (var at = 0; at < text.Length;)
        {
            var found = text[at..].IndexOf(literal, StringComparison.Ordinal);
            if (found < 0)
            {
                return;
            }

            matches.Add((at + found)..(at + found + literal.Length));
            at += found + literal.Length;
        }
    }
}

/// <summary>A pattern written by hand that matches everywhere.</summary>
internal sealed class ScannerPattern(WordScanner scanner) : TextPattern
{
    public WordScanner Scanner => scanner;

    public override void FindAll(ReadOnlySpan<char> text, List<Range> matches)
    {
        for (var at = 0; at < text.Length;)
        {
            var end = scanner.WordEnd(text, at);
            matches.Add(at..end);
            at = end;
        }
    }
}

/// <summary>Single characters, or runs of them, of one class.</summary>
internal sealed class ClassPattern(Func<Rune, bool> contains, bool runs) : TextPattern
{
    /// <summary>\p{N}</summary>
    public static readonly ClassPattern SingleDigits = new(Rune.IsNumber, runs: false);

    public override void FindAll(ReadOnlySpan<char> text, List<Range> matches)
    {
        var start = -1;
        var at = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var end = at + rune.Utf16SequenceLength;
            if (!contains(rune))
            {
                Close(at);
            }
            else if (runs)
            {
                start = start < 0 ? at : start;
            }
            else
            {
                matches.Add(at..end);
            }

            at = end;
        }

        Close(at);

        void Close(int end)
        {
            if (start >= 0)
            {
                matches.Add(start..end);
                start = -1;
            }
        }
    }
}
