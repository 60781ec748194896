using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Execution;

/// <summary>Where one choice's text is in the grammar that its request asks for, and what ends it. Owned by the engine thread.</summary>
/// <param name="matcher">At the place where the text is; used up.</param>
/// <param name="endIds">The model's own end tokens: never a part of the text, and possible exactly when it may end.</param>
/// <param name="stopIds">All tokens that end the choice; those that are a part of a text may come wherever the grammar allows them, too.</param>
internal sealed class ConstrainedText(GrammarMatcher matcher, int[] endIds, int[] stopIds)
{
    /// <summary>Whether the text is complete and nothing can follow it.</summary>
    public bool MustEnd => matcher.MustEnd;

    /// <summary>A matcher at this place, to be used for guesses.</summary>
    public GrammarMatcher Fork() => matcher.Clone();

    /// <summary>Takes a token of the text; false when the grammar does not allow it.</summary>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous for this text.</exception>
    public bool TryAccept(int token) => matcher.TryAccept(token);

    /// <summary>Sets the bits of the tokens that may come next, ends included, and clears all others.</summary>
    /// <param name="allowed">Bit i % 64 of word i / 64 is for token i.</param>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous for this text.</exception>
    public void WriteMask(Span<ulong> allowed)
    {
        matcher.WriteMask(allowed);
        foreach (int token in endIds)
        {
            allowed[token >> 6] &= ~(1UL << (token & 63));
        }

        foreach (int token in matcher.MayEnd ? stopIds : [])
        {
            allowed[token >> 6] |= 1UL << (token & 63);
        }
    }

    /// <summary>Tokens that write what must follow, as the tokenizer would; none when there is a choice.</summary>
    public ReadOnlySpan<int> ForcedTokens()
    {
        try
        {
            ReadOnlySpan<int> tokens = matcher.ForcedTokens();
            int stop = tokens.IndexOfAny(stopIds);
            return stop < 0 ? tokens : tokens[..stop];
        }
        catch (GrammarTooComplexException)
        {
            return []; // if the text comes here, it is told then
        }
    }

    /// <summary>How many of these guesses, from the first on, the grammar allows one after the other.</summary>
    public int CountAllowed(ReadOnlySpan<int> guesses)
    {
        GrammarMatcher ahead = matcher.Clone();
        try
        {
            for (int i = 0; i < guesses.Length; i++)
            {
                if (!ahead.TryAccept(guesses[i]))
                {
                    return i;
                }
            }

            return guesses.Length;
        }
        catch (GrammarTooComplexException)
        {
            return 0; // if the text comes here, it is told then
        }
    }
}
