using HelixFlow.Engine.Execution;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Speculation;

/// <summary>Where a second model is with a sequence, and how good its guesses have been. Owned by the engine thread.</summary>
internal sealed class DraftSequence(Generation generation)
{
    private const float Fade = 0.95f; // of what a guess counts, for each later one
    private const float Doubt = 4; // guesses that the first belief counts as
    private const float FirstChance = 0.7f;
    private const int LongestRest = 64; // steps

    private float _tried;
    private float _right;
    private int _rest;
    private int _nextRest = 4;

    public Generation Generation => generation;

    /// <summary>Its blocks in the second model's store.</summary>
    public BlockTable Table { get; } = new(generation.Salt);

    /// <summary>Positions whose keys and values the second model has stored, those of guesses included.</summary>
    public int Computed { get; set; }

    /// <summary>Its tokens when the guesses were made.</summary>
    public int Length { get; set; }

    /// <summary>Most guesses in this step.</summary>
    public int Most { get; set; }

    /// <summary>Guesses made in this step.</summary>
    public int Made { get; set; }

    /// <summary>The chance that a guess is right if all before it are.</summary>
    public float Chance => (_right + (Doubt * FirstChance)) / (_tried + Doubt);

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

    /// <summary>Notes how many of the guesses that ran were right.</summary>
    public void Judge(int ran, int right)
    {
        for (int i = 0; i < Math.Min(ran, right + 1); i++) // nothing is known of those behind a wrong one
        {
            _tried = (_tried * Fade) + 1;
            _right = (_right * Fade) + (i < right ? 1 : 0);
        }

        if (right > 0 && right == ran)
        {
            _nextRest = 4;
        }
    }
}
