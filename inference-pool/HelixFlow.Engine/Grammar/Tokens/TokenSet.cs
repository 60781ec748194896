using System.Numerics;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>A set of token ids: a list when few, else bits; or a few more than another set. Immutable.</summary>
internal sealed class TokenSet
{
    private readonly int[]? _few;
    private readonly ulong[]? _bits;

    private readonly TokenSet? _base;

    private TokenSet(int[]? few, ulong[]? bits, int count, TokenSet? more = null)
    {
        _few = few;
        _bits = bits;
        Count = count;
        _base = more;
    }

    public static TokenSet None { get; } = new([], null, 0);

    public int Count { get; }

    /// <summary>Whether so many tokens are kept as bits.</summary>
    public static bool AreMany(int count, int vocabularySize) => count > vocabularySize / 64;

    public static TokenSet Of(List<int> tokens, int vocabularySize)
    {
        if (!AreMany(tokens.Count, vocabularySize))
        {
            return new TokenSet([.. tokens], null, tokens.Count);
        }

        ulong[] bits = new ulong[(vocabularySize + 63) / 64];
        foreach (int token in tokens)
        {
            bits[token >> 6] |= 1UL << (token & 63);
        }

        return new TokenSet(null, bits, tokens.Count);
    }

    /// <summary>This set and tokens that are not in it.</summary>
    public TokenSet With(List<int> tokens, int vocabularySize) => tokens.Count == 0 ? this : new TokenSet(null, null, Count + tokens.Count, this)
    {
        Further = Of(tokens, vocabularySize),
    };

    /// <summary>This set and another one that has no token of it.</summary>
    public TokenSet With(TokenSet other) => other.Count == 0 ? this : Count == 0 ? other : new TokenSet(null, null, Count + other.Count, this) { Further = other };

    /// <summary>This set and tokens that are not in it, as bits of its own.</summary>
    public TokenSet Joined(List<int> tokens, int vocabularySize)
    {
        ulong[] bits = new ulong[(vocabularySize + 63) / 64];
        AddTo(bits);
        foreach (int token in tokens)
        {
            bits[token >> 6] |= 1UL << (token & 63);
        }

        return new TokenSet(null, bits, Count + tokens.Count);
    }

    private TokenSet? Further { get; init; }

    /// <summary>Sets the bits of these tokens.</summary>
    public void AddTo(Span<ulong> target)
    {
        if (_base is not null)
        {
            _base.AddTo(target);
            Further!.AddTo(target);
            return;
        }

        if (_bits is null)
        {
            foreach (int token in _few!)
            {
                target[token >> 6] |= 1UL << (token & 63);
            }

            return;
        }

        int i = 0;
        for (; i + Vector<ulong>.Count <= _bits.Length; i += Vector<ulong>.Count)
        {
            (new Vector<ulong>(target[i..]) | new Vector<ulong>(_bits, i)).CopyTo(target[i..]);
        }

        for (; i < _bits.Length; i++)
        {
            target[i] |= _bits[i];
        }
    }
}
