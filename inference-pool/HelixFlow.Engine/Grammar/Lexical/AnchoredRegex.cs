namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>A part of a pattern, with what it matches only at the start or the end of the text kept apart. Immutable.</summary>
internal readonly struct AnchoredRegex
{
    private const int AtStart = 1;
    private const int AtEnd = 2;

    private readonly int[] _matches; // [anchors] -> expression

    private AnchoredRegex(int[] matches)
    {
        _matches = matches;
    }

    public static AnchoredRegex Start { get; } = new([RegexPool.Nothing, RegexPool.Empty, RegexPool.Nothing, RegexPool.Nothing]);

    public static AnchoredRegex End { get; } = new([RegexPool.Nothing, RegexPool.Nothing, RegexPool.Empty, RegexPool.Nothing]);

    public static AnchoredRegex Plain(int expression) => new([expression, RegexPool.Nothing, RegexPool.Nothing, RegexPool.Nothing]);

    /// <summary>Matches of whole texts.</summary>
    public int Any(RegexPool pool) => pool.Or(_matches);

    /// <summary>Texts with a match somewhere, <paramref name="anyText"/> around it.</summary>
    public int Search(RegexPool pool, int anyText)
    {
        int[] matches = _matches;
        return pool.Or([.. Enumerable.Range(0, 4).Select(anchors => pool.Concat(
            (anchors & AtStart) != 0 ? RegexPool.Empty : anyText,
            matches[anchors],
            (anchors & AtEnd) != 0 ? RegexPool.Empty : anyText))]);
    }

    public AnchoredRegex Or(AnchoredRegex other, RegexPool pool)
    {
        int[] left = _matches;
        return new AnchoredRegex([.. Enumerable.Range(0, 4).Select(anchors => pool.Or(left[anchors], other._matches[anchors]))]);
    }

    public AnchoredRegex Concat(AnchoredRegex next, RegexPool pool)
    {
        int[] sums = [RegexPool.Nothing, RegexPool.Nothing, RegexPool.Nothing, RegexPool.Nothing];
        for (int left = 0; left < 4; left++)
        {
            for (int right = 0; right < 4; right++)
            {
                // What stands before a start anchor, or after an end anchor, must be empty.
                int first = (right & AtStart) != 0 ? EmptyPart(_matches[left], pool) : _matches[left];
                int second = (left & AtEnd) != 0 ? EmptyPart(next._matches[right], pool) : next._matches[right];
                sums[left | right] = pool.Or(sums[left | right], pool.Concat(first, second));
            }
        }

        return new AnchoredRegex(sums);
    }

    /// <summary>Null when an anchor would be repeated.</summary>
    public AnchoredRegex? Repeat(int min, int max, RegexPool pool)
    {
        if (_matches.AsSpan(1).ContainsAnyExcept(RegexPool.Nothing))
        {
            return (min, max) switch
            {
                (1, 1) => this,
                (0, 1) => Or(Plain(RegexPool.Empty), pool),
                _ => null,
            };
        }

        return Plain(pool.Repeat(_matches[0], min, max));
    }

    private static int EmptyPart(int expression, RegexPool pool) => pool.IsNullable(expression) ? RegexPool.Empty : RegexPool.Nothing;
}
