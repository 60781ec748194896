namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>The tokens that may come next: some sets that other masks share, and single ones. Immutable.</summary>
/// <param name="sets">Tokens that stay inside of a terminal.</param>
/// <param name="tokens">Tokens that reach beyond one.</param>
internal sealed class TokenMask(TokenSet[] sets, int[] tokens)
{
    /// <summary>Whether no token may come.</summary>
    public bool IsEmpty { get; } = tokens.Length == 0 && sets.All(set => set.Count == 0);

    /// <summary>Sets the bits of the allowed tokens and clears all others.</summary>
    public void WriteTo(Span<ulong> bits)
    {
        bits.Clear();
        foreach (TokenSet set in sets)
        {
            set.AddTo(bits);
        }

        foreach (int token in tokens)
        {
            bits[token >> 6] |= 1UL << (token & 63);
        }
    }
}
