namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>A vocabulary's tokens in two trees: those of plain characters alone, which bodies of strings take without a look, and all others.</summary>
/// <remarks>Immutable but for sets that are worked out when first needed, under the vocabulary's lock.</remarks>
internal sealed class VocabularyTree
{
    private const int MostCounted = 32; // characters; tokens with more are looked at one by one

    private readonly int _size;
    private readonly List<int>[] _byLength; // [characters]
    private readonly TokenSet?[] _upTo = new TokenSet?[MostCounted + 1];

    /// <param name="bytes">[token]; null for none.</param>
    public VocabularyTree(byte[]?[] bytes)
    {
        _size = bytes.Length;
        _byLength = [.. Enumerable.Range(0, MostCounted + 1).Select(_ => new List<int>())];
        var plain = new List<(int Token, byte[] Bytes)>();
        var rest = new List<(int Token, byte[] Bytes)>();
        for (int token = 0; token < bytes.Length; token++)
        {
            if (bytes[token] is not { Length: > 0 } own)
            {
                continue;
            }

            if (Lexical.PlainCharacters.Count(own) is var count and >= 0 and <= MostCounted)
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
    }

    /// <summary>Tokens of plain characters.</summary>
    public TokenTrie Plain { get; }

    /// <summary>All others.</summary>
    public TokenTrie Rest { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int Depth => Math.Max(Plain.Depth, Rest.Depth);

    /// <summary>The plain tokens of at most so many characters.</summary>
    public TokenSet PlainUpTo(int characters)
    {
        int most = Math.Min(characters, MostCounted);
        return _upTo[most] ??= TokenSet.Of([.. _byLength.Take(most + 1).SelectMany(tokens => tokens)], _size);
    }

    /// <summary>The longest token that a text begins with; -1 for none.</summary>
    public int Longest(ReadOnlySpan<byte> text, out int length)
    {
        int plain = Plain.Longest(text, out int plainLength);
        int other = Rest.Longest(text, out length);
        if (plainLength <= length)
        {
            return other;
        }

        length = plainLength;
        return plain;
    }

    /// <summary>Whether a longer token begins with these bytes and one of some others.</summary>
    public bool MayGoOn(ReadOnlySpan<byte> bytes, Lexical.ByteSet next) => Plain.MayGoOn(bytes, next) || Rest.MayGoOn(bytes, next);
}
