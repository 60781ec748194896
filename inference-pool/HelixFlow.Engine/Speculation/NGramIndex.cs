using System.Diagnostics;
using System.Numerics;

namespace HelixFlow.Engine.Speculation;

/// <summary>Where the latest tokens of a sequence occurred in it before: what followed there is the guess at what follows here.</summary>
/// <remarks>
/// <para>Prompt lookup (Saxena 2023; the matcher of LZ77). A match, once found, is followed for as long as it predicts what comes; else the latest
/// occurrence of the last 4, 3 or 2 tokens is looked up, the longest first. Each length has a direct-mapped table that keeps the newest
/// occurrence; a hit is compared token by token, so that a collision can only hide a match.</para>
/// <para>Every token costs a fixed number of operations, and nothing is allocated but doublings of the tables. Owned by the engine thread.</para>
/// </remarks>
internal sealed class NGramIndex
{
    /// <summary>Tokens that have to agree.</summary>
    public const int Shortest = 2;

    /// <summary>Longer matches are not told apart.</summary>
    public const int LongestCounted = 64;

    private const int Longest = 4; // tokens of the longest n-gram that is looked up
    private const int Tables = Longest - Shortest + 1;

    private int[] _ends = new int[Tables * 64]; // [n - Shortest, hash]: where the newest such n-gram ends; 0 for none
    private int _mask = 63;

    /// <summary>Tokens taken in so far.</summary>
    public int Count { get; private set; }

    /// <summary>Length of the match, in tokens; 0 when there is none.</summary>
    public int MatchLength { get; private set; }

    /// <summary>The position whose token is the guess at the next one, when there is a match.</summary>
    public int Source { get; private set; }

    /// <summary>Takes in one more token.</summary>
    /// <param name="tokens">The sequence's tokens, the new one at <see cref="Count"/>; earlier ones do not change.</param>
    /// <returns>Whether it was the guess.</returns>
    public bool Add(ReadOnlySpan<int> tokens)
    {
        Debug.Assert(tokens.Length > Count);
        int token = tokens[Count++];
        bool hit = MatchLength > 0 && tokens[Source] == token;
        if (hit)
        {
            Source++;
            MatchLength = Math.Min(MatchLength + 1, LongestCounted);
        }
        else
        {
            MatchLength = 0;
        }

        if (Count * 2 > _mask)
        {
            Grow(tokens[..Count]);
        }

        Enter(tokens[..Count], findMatch: MatchLength < Longest);
        return hit;
    }

    /// <summary>Looks the n-grams at the end of the tokens up, if there is no good match already, and enters them.</summary>
    private void Enter(ReadOnlySpan<int> tokens, bool findMatch)
    {
        int longest = Math.Min(Longest, tokens.Length);
        Span<uint> hashes = stackalloc uint[Longest + 1];
        uint hash = 0;
        for (int n = 1; n <= longest; n++)
        {
            hash = (BitOperations.RotateLeft(hash, 5) ^ (uint)tokens[^n]) * 0x9E3779B1;
            hashes[n] = hash ^ (hash >> 15);
        }

        for (int n = longest; n >= Shortest; n--)
        {
            ref int end = ref _ends[((n - Shortest) * (_mask + 1)) + (int)(hashes[n] & (uint)_mask)];
            if (findMatch && n > MatchLength && end > 0 && tokens[(end - n)..end].SequenceEqual(tokens[^n..]))
            {
                Source = end;
                MatchLength = LengthOf(tokens, end, n);
                findMatch = false;
            }

            end = tokens.Length;
        }
    }

    private static int LengthOf(ReadOnlySpan<int> tokens, int end, int length)
    {
        int most = Math.Min(end, LongestCounted);
        while (length < most && tokens[end - 1 - length] == tokens[tokens.Length - 1 - length])
        {
            length++;
        }

        return length;
    }

    /// <summary>Makes room for four times the tokens, and enters those again that were entered.</summary>
    private void Grow(ReadOnlySpan<int> tokens)
    {
        int slots = (int)BitOperations.RoundUpToPowerOf2((uint)tokens.Length * 4);
        _ends = new int[Tables * slots];
        _mask = slots - 1;
        for (int count = Shortest; count < tokens.Length; count++)
        {
            Enter(tokens[..count], findMatch: false);
        }
    }
}
