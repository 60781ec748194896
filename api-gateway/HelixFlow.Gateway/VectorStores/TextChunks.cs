namespace HelixFlow.Gateway.VectorStores;

/// <summary>Cuts a text into chunks of a number of tokens that overlap, at ends of lines, sentences or words where it can.</summary>
/// <remarks>
/// The text is first cut into short pieces, whose tokens are counted one by one; a chunk is a run of pieces. Tokens that would reach over the end of
/// a piece are counted as two, so a chunk has at most as many tokens as it may have.
/// </remarks>
internal static class TextChunks
{
    private const int LongestPiece = 100; // characters: about 25 tokens, a quarter of the smallest chunk

    /// <summary>A piece of the text and the tokens it has.</summary>
    public readonly record struct Piece(int Start, int Length, int Tokens);

    /// <summary>Where the pieces of a text begin and end; together they are the text.</summary>
    public static List<(int Start, int Length)> Cut(string text)
    {
        var pieces = new List<(int, int)>();
        int start = 0;
        while (start < text.Length)
        {
            int length = LengthAt(text.AsSpan(start));
            pieces.Add((start, length));
            start += length;
        }

        return pieces;
    }

    /// <summary>The chunks of the pieces: each at most <paramref name="strategy"/>'s size, but for a piece that is longer by itself.</summary>
    public static List<(int Start, int Length)> Gather(IReadOnlyList<Piece> pieces, ChunkingStrategy strategy)
    {
        var chunks = new List<(int, int)>();
        int first = 0;
        while (first < pieces.Count)
        {
            int end = first;
            int tokens = 0;
            while (end < pieces.Count && (end == first || tokens + pieces[end].Tokens <= strategy.MaxTokens))
            {
                tokens += pieces[end++].Tokens;
            }

            chunks.Add((pieces[first].Start, pieces[end - 1].Start + pieces[end - 1].Length - pieces[first].Start));
            if (end == pieces.Count)
            {
                break;
            }

            // The next one goes back as far as it may, but must bring something new.
            int next = end;
            int repeated = 0;
            while (next > first + 1 && repeated + pieces[next - 1].Tokens <= strategy.OverlapTokens && repeated + pieces[next - 1].Tokens + pieces[end].Tokens <= strategy.MaxTokens)
            {
                repeated += pieces[--next].Tokens;
            }

            first = next;
        }

        return chunks;
    }

    private static int LengthAt(ReadOnlySpan<char> text)
    {
        if (text.Length <= LongestPiece)
        {
            int line = text.IndexOf('\n');
            return line < 0 ? text.Length : line + 1;
        }

        ReadOnlySpan<char> window = text[..LongestPiece];
        int end = window.IndexOf('\n');
        if (end >= 0)
        {
            return end + 1;
        }

        for (int i = window.Length - 1; i > 0; i--)
        {
            if (window[i] == ' ' && window[i - 1] is '.' or '!' or '?' or ';')
            {
                return i; // the space begins the next piece, as most vocabularies have it
            }
        }

        int word = window.LastIndexOf(' ');
        return word > 0 ? word : char.IsHighSurrogate(window[^1]) ? LongestPiece - 1 : LongestPiece;
    }
}
