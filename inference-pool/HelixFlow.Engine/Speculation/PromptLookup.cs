using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Speculation;

/// <summary>Guesses at one sequence's next tokens from its own tokens, and how good they have been. Owned by the engine thread.</summary>
internal sealed class PromptLookup(MatchRecord everyones)
{
    private const float Memory = 30; // guesses

    private readonly NGramIndex _index = new();
    private readonly MatchRecord _record = new(Memory, everyones);

    /// <summary>The position whose token is the first guess; the following ones are the next guesses. Meaningful when there is a match.</summary>
    public int Source => _index.Source;

    /// <summary>Takes in the tokens that are new, and judges what was guessed of them.</summary>
    /// <param name="sequence">The sequence, always the same.</param>
    /// <param name="budget">How many tokens may be taken in; what was is subtracted.</param>
    /// <returns>Whether there are guesses.</returns>
    public bool TryFollow(Sequence sequence, ref int budget)
    {
        ReadOnlySpan<int> tokens = sequence.Tokens;
        while (_index.Count < tokens.Length)
        {
            if (budget-- <= 0)
            {
                return false;
            }

            int matchLength = _index.MatchLength;
            bool isOutput = _index.Count >= sequence.PromptLength;
            bool hit = _index.Add(tokens);
            if (isOutput && matchLength > 0)
            {
                _record.Add(matchLength, hit);
            }
        }

        return _index.MatchLength > 0;
    }

    /// <summary>The chance that a guess is right if all before it are.</summary>
    /// <param name="guess">0 for the first.</param>
    public float ChanceOf(int guess) => _record.ChanceOf(_index.MatchLength + guess);
}
