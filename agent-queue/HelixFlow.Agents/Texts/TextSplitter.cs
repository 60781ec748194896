namespace HelixFlow.Agents.Texts;

/// <summary>A part of a text.</summary>
/// <param name="Start">Its first character, in UTF-16 code units.</param>
/// <param name="End">The place after its last one.</param>
internal sealed record TextSpan(int Start, int End);

/// <summary>Splits a text into parts that fit a model, at the ends of paragraphs where there are some, else of sentences, lines or words.</summary>
internal static class TextSplitter
{
    private const double FirstGuess = 3; // characters per token; corrected by what is counted
    private const int LeastCharacters = 16;

    /// <summary>Parts that cover the text without gaps or overlaps, each with at most <paramref name="most"/> tokens by <paramref name="count"/>.</summary>
    /// <exception cref="InvalidOperationException">Even a few characters have more tokens than that.</exception>
    public static async Task<List<TextSpan>> SplitAsync(string text, int most, Func<string, CancellationToken, Task<int>> count, CancellationToken cancellationToken)
    {
        var parts = new List<TextSpan>();
        double perToken = FirstGuess;
        int start = 0;
        while (start < text.Length)
        {
            int wanted = Math.Max(LeastCharacters, (int)(most * perToken));
            while (true)
            {
                int end = EndOf(text, start, wanted);
                int tokens = await count(text[start..end], cancellationToken).ConfigureAwait(false);
                if (tokens <= most)
                {
                    parts.Add(new TextSpan(start, end));
                    perToken = Math.Clamp((double)(end - start) / Math.Max(1, tokens), 0.5, 20);
                    start = end;
                    break;
                }

                if (end - start <= LeastCharacters)
                {
                    throw new InvalidOperationException($"{end - start} characters have {tokens} tokens, and {most} at most have room.");
                }

                wanted = Math.Clamp((int)((end - start) * 0.95 * most / tokens), LeastCharacters, end - start - 1);
            }
        }

        return parts;
    }

    /// <summary>The best place to end a part of about so many characters, within the last third of it.</summary>
    internal static int EndOf(string text, int start, int wanted)
    {
        if (text.Length - start <= wanted)
        {
            return text.Length;
        }

        int limit = start + wanted;
        int least = limit - (wanted / 3);
        foreach (Func<string, int, bool> isEnd in (Func<string, int, bool>[])[IsParagraphEnd, IsSentenceEnd, static (text, i) => text[i - 1] == '\n', static (text, i) => char.IsWhiteSpace(text[i - 1])])
        {
            for (int i = limit; i > least; i--)
            {
                if (isEnd(text, i))
                {
                    return i;
                }
            }
        }

        return char.IsLowSurrogate(text[limit]) && limit - 1 > start ? limit - 1 : limit;
    }

    private static bool IsParagraphEnd(string text, int i) => i >= 2 && text[i - 1] == '\n' && text[i - 2] == '\n';

    private static bool IsSentenceEnd(string text, int i) =>
        (i >= 2 && char.IsWhiteSpace(text[i - 1]) && text[i - 2] is '.' or '!' or '?' or '…') || text[i - 1] is '。' or '！' or '？';
}
