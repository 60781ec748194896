using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Speculation;

/// <summary>Where a second model is with a sequence, and how good its guesses have been. Owned by the engine thread.</summary>
internal sealed class DraftSequence(Generation generation)
{
    private const float Fade = 0.95f; // of what a guess counts, for each later one
    private const float FirstTried = 4; // the first belief counts as so many guesses
    private const float FirstRight = 2.8f; // and so many of them right
    private const int FirstRest = 4; // steps
    private const int LongestRest = 64;

    private float _tried = FirstTried;
    private float _right = FirstRight;
    private int _rest;
    private int _nextRest = FirstRest;

    public Generation Generation => generation;

    /// <summary>Its blocks in the second model's store.</summary>
    public BlockTable Table { get; } = new(generation.Salt);

    /// <summary>Positions whose keys and values the second model has stored, those of guesses included.</summary>
    public int Computed { get; set; }

    /// <summary>Its tokens when the guesses were made.</summary>
    public int Length { get; set; }

    /// <summary>Most guesses in this step.</summary>
    public int Most { get; set; }

    /// <summary>Where its constraint is behind the guesses made in this step; null when it has none.</summary>
    public GrammarMatcher? Ahead { get; set; }

    /// <summary>Guesses made in this step.</summary>
    public int Made { get; set; }

    /// <summary>The chance that a guess is right if all before it are.</summary>
    public float Chance => _right / _tried;

    /// <summary>Whether, after a growing number of steps without guesses, it is time to look whether they have become better.</summary>
    public bool TakeTrial()
    {
        if (--_rest > 0)
        {
            return false;
        }

        _rest = _nextRest;
        _nextRest = Math.Min(_nextRest * 2, LongestRest);
        return true;
    }

    /// <summary>Notes that guesses were worth their time: should that end, trials begin anew.</summary>
    public void EndRest() => _nextRest = FirstRest;

    /// <summary>Notes how many of the guesses that ran were right.</summary>
    public void Judge(int ran, int right)
    {
        for (int i = 0; i < Math.Min(ran, right + 1); i++) // nothing is known of those behind a wrong one
        {
            _tried = (_tried * Fade) + 1;
            _right = (_right * Fade) + (i < right ? 1 : 0);
        }
    }
}
