namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>
/// A vocabulary's tokens in trees: those of plain characters alone, which bodies of strings take without a look; others; and apart from both the few long ones,
/// because of which bounds of repetitions would matter from afar.
/// </summary>
/// <remarks>Immutable but for sets that are worked out when first needed, under the vocabulary's lock.</remarks>
internal sealed class VocabularyTree
{
    /// <summary>Bytes of the longest token that counts as short. Indentation and rules make most of the longer ones.</summary>
    public const int LongestShort = 32;

    private readonly List<int>[] _byLength; // [characters]
    private readonly TokenSet?[] _upTo = new TokenSet?[LongestShort + 1];

    /// <param name="bytes">[token]; null for none.</param>
    public VocabularyTree(byte[]?[] bytes)
    {
        Size = bytes.Length;
        _byLength = [.. Enumerable.Range(0, LongestShort + 1).Select(_ => new List<int>())];
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
                _byLength[count].Add(token);
                plain.Add((token, own));
            }
            else
            {
                rest.Add((token, own));
            }
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
    public TokenSet PlainUpTo(int characters)
    {
        int most = Math.Min(characters, LongestShort);
        return _upTo[most] ??= TokenSet.Of([.. _byLength.Take(most + 1).SelectMany(tokens => tokens)], Size);
    }

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
