namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>
/// A vocabulary's tokens in trees: those of plain characters alone, which bodies of strings take without a look; others; and apart from both the few long ones,
/// because of which bounds of repetitions would matter from afar.
/// </summary>
/// <remarks>Immutable.</remarks>
internal sealed class VocabularyTree
{
    /// <summary>Bytes of the longest token that counts as short. Indentation and rules make most of the longer ones.</summary>
    public const int LongestShort = 32;

    private readonly TokenSet[] _upTo = new TokenSet[LongestShort + 1]; // [characters]

    /// <param name="bytes">[token]; null for none.</param>
    public VocabularyTree(byte[]?[] bytes)
    {
        Size = bytes.Length;
        List<int>[] byLength = [.. Enumerable.Range(0, LongestShort + 1).Select(_ => new List<int>())];
        var plain = new List<(int Token, byte[] Bytes)>();
        var rest = new List<(int Token, byte[] Bytes)>();
        var distant = new List<(int Token, byte[] Bytes)>();
        for (int token = 0; token < bytes.Length; token++)
        {
            if (bytes[token] is not { Length: > 0 } own)
            {
                continue;
            }

            if (own.Length > LongestShort)
            {
                distant.Add((token, own));
            }
            else if (Lexical.PlainCharacters.Count(own) is var count and >= 0)
            {
                byLength[count].Add(token);
                plain.Add((token, own));
            }
            else
            {
                rest.Add((token, own));
            }
        }

        for (int length = 0; length <= LongestShort; length++)
        {
            _upTo[length] = (length == 0 ? TokenSet.None : _upTo[length - 1]).Joined(byLength[length], Size);
        }

        Plain = TokenTrie.Of(plain);
        Rest = TokenTrie.Of(rest);
        Long = TokenTrie.Of(distant);
    }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; }

    /// <summary>Tokens of plain characters.</summary>
    public TokenTrie Plain { get; }

    /// <summary>Other short ones.</summary>
    public TokenTrie Rest { get; }

    /// <summary>Tokens of more than <see cref="LongestShort"/> bytes.</summary>
    public TokenTrie Long { get; }

    /// <summary>The plain tokens of at most so many characters.</summary>
    public TokenSet PlainUpTo(int characters) => _upTo[Math.Min(characters, LongestShort)];

    /// <summary>The longest token that a text begins with; -1 for none.</summary>
    public int Longest(ReadOnlySpan<byte> text, out int length)
    {
        (int longest, length) = (-1, 0);
        foreach (TokenTrie tree in (ReadOnlySpan<TokenTrie>)[Plain, Rest, Long])
        {
            if (tree.Longest(text, out int own) is var token && own > length)
            {
                (longest, length) = (token, own);
            }
        }

        return longest;
    }

    /// <summary>Whether a longer token begins with these bytes and one of some others.</summary>
    public bool MayGoOn(ReadOnlySpan<byte> bytes, Lexical.ByteSet next) => Plain.MayGoOn(bytes, next) || Rest.MayGoOn(bytes, next) || Long.MayGoOn(bytes, next);
}
