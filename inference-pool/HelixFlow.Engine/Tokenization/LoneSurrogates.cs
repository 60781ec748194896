namespace HelixFlow.Engine.Tokenization;

/// <summary>Makes any UTF-16 valid before tokenisation.</summary>
internal static class LoneSurrogates
{
    private const char Replacement = '\uFFFD';

    /// <summary>The text itself, or a copy with U+FFFD in the place of each lone surrogate.</summary>
    public static ReadOnlySpan<char> Replace(ReadOnlySpan<char> text)
    {
        var first = Find(text, 0);
        if (first < 0)
        {
            return text;
        }

        var copy = text.ToArray();
        for (var at = first; at >= 0; at = Find(copy, at + 1))
        {
            copy[at] = Replacement;
        }

        return copy;
    }

    private static int Find(ReadOnlySpan<char> text, int from)
    {
        for (var at = from; at < text.Length; at++)
        {
            var skip = text[at..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (skip < 0)
            {
                break;
            }

            at += skip;
            if (at + 1 >= text.Length || !char.IsSurrogatePair(text[at], text[at + 1]))
            {
                return at;
            }

            at++;
        }

        return -1;
    }
}
