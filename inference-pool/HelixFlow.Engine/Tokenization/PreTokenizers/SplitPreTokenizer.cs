namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>What becomes of the matches of a pattern.</summary>
internal enum SplitBehavior
{
    /// <summary>They are dropped.</summary>
    Removed,

    /// <summary>Each is a piece.</summary>
    Isolated,

    /// <summary>Each ends the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>Each starts the piece after it.</summary>
    MergedWithNext,

    /// <summary>Neighbouring matches are one piece.</summary>
    Contiguous,
}

/// <summary>Cuts text at the matches of a pattern.</summary>
/// <param name="pattern">What to look for.</param>
/// <param name="behavior">What becomes of the matches.</param>
/// <param name="invert">The text between the matches takes their part.</param>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    // Matches that leave nothing between them are the same set of pieces, inverted or not, unless one side is dropped.
    public override WordScanner? Scanner =>
        pattern is ScannerPattern { Scanner: var scanner } && (behavior == SplitBehavior.Removed ? invert : behavior == SplitBehavior.Isolated)
            ? scanner
            : null;

    /// <summary>The text at which this cuts, if it is a fixed one.</summary>
    public string? Literal => pattern is LiteralPattern { Literal: var literal } && !invert ? literal : null;

    /// <summary>Makes every digit a piece and nothing else.</summary>
    public bool IsolatesDigits => pattern == ClassPattern.SingleDigits && behavior == SplitBehavior.Isolated && !invert;

    public override void Split(TextPiece piece, List<TextPiece> output)
    {
        var matches = new List<Range>();
        pattern.FindAll(piece.Text.Span, matches);
        var parts = new List<(int Start, int End, bool Match)>((matches.Count * 2) + 1);
        var at = 0;
        foreach (var match in matches)
        {
            AddPart(parts, at, match.Start.Value, invert);
            AddPart(parts, match.Start.Value, match.End.Value, !invert);
            at = match.End.Value;
        }

        AddPart(parts, at, piece.Text.Length, invert);
        var joined = behavior switch
        {
            SplitBehavior.Removed => parts.FindAll(part => !part.Match),
            SplitBehavior.MergedWithPrevious => Join(parts, static (left, right) => right.Match && !left.Match),
            SplitBehavior.MergedWithNext => JoinFromEnd(parts),
            SplitBehavior.Contiguous => Join(parts, static (left, right) => right.Match == left.Match),
            _ => parts,
        };
        foreach (var (start, end, _) in joined)
        {
            output.Add(piece.Slice(start, end - start));
        }
    }

    private static void AddPart(List<(int Start, int End, bool Match)> parts, int start, int end, bool match)
    {
        if (end > start)
        {
            parts.Add((start, end, match));
        }
    }

    // A joined piece counts as what its last part was.
    private static List<(int Start, int End, bool Match)> Join(
        List<(int Start, int End, bool Match)> parts,
        Func<(int Start, int End, bool Match), (int Start, int End, bool Match), bool> joins)
    {
        var result = new List<(int Start, int End, bool Match)>(parts.Count);
        foreach (var part in parts)
        {
            if (result.Count > 0 && joins(result[^1], part))
            {
                result[^1] = (result[^1].Start, part.End, part.Match);
            }
            else
            {
                result.Add(part);
            }
        }

        return result;
    }

    private static List<(int Start, int End, bool Match)> JoinFromEnd(List<(int Start, int End, bool Match)> parts)
    {
        var result = new List<(int Start, int End, bool Match)>(parts.Count);
        for (var at = parts.Count - 1; at >= 0; at--)
        {
            var part = parts[at];
            if (result.Count > 0 && part.Match && !result[^1].Match)
            {
                result[^1] = (part.Start, result[^1].End, true);
            }
            else
            {
                result.Add(part);
            }
        }

        result.Reverse();
        return result;
    }
}
