using HelixFlow.Engine.Execution;

namespace HelixFlow.Engine.Speculation;

/// <summary>What a constraint forces one sequence to write next, as guesses, and how often such tokens have been the ones that were sampled.</summary>
/// <remarks>
/// The bytes are certain, their cut into tokens is not: a model may write a forced word in pieces. So they are guesses like others, and what is
/// generated stays what it would be without them. Owned by the engine thread.
/// </remarks>
internal sealed class ForcedRun(ForcedRecord record)
{
    private int[] _tokens = new int[16];
    private int _count;
    private int _from; // the position of the first

    /// <summary>The guesses at the tokens behind those that it followed last.</summary>
    public ReadOnlySpan<int> Guesses => _tokens.AsSpan(0, _count);

    /// <summary>Judges the guesses by the tokens that came, and looks for new ones; none when the constraint leaves a choice.</summary>
    public ReadOnlySpan<int> Follow(Generation generation)
    {
        ReadOnlySpan<int> sampled = generation.Tokens[Math.Min(_from, generation.Length)..];
        for (int i = 0; i < Math.Min(_count, sampled.Length); i++)
        {
            bool hit = sampled[i] == _tokens[i];
            record.Add(hit);
            if (!hit)
            {
                break;
            }
        }

        _from = generation.Length;
        ReadOnlySpan<int> forced = generation.Constraint is { } constraint ? constraint.ForcedTokens() : [];
        _count = Math.Min(forced.Length, _tokens.Length);
        forced[.._count].CopyTo(_tokens);
        return Guesses;
    }
}

/// <summary>How often forced tokens were the ones that were sampled, lately. Owned by the engine thread.</summary>
internal sealed class ForcedRecord
{
    private const float Fade = 0.99f;
    private const float FirstChance = 0.9f;
    private const float Doubt = 4; // guesses that the first chance counts as

    private float _guesses;
    private float _hits;

    /// <summary>The chance that a forced token is the one if all before it are.</summary>
    public float Chance => (_hits + (Doubt * FirstChance)) / (_guesses + Doubt);

    public void Add(bool hit)
    {
        _guesses = (_guesses * Fade) + 1;
        _hits = (_hits * Fade) + (hit ? 1 : 0);
    }
}
