using System.Numerics;
using System.Runtime.CompilerServices;

namespace HelixFlow.Engine.Speculation;

/// <summary>How often matches of each length have guessed the next token right, in the recent past.</summary>
/// <remarks>
/// A guess is judged by the token that was sampled whether or not it was run, so that a sequence on which speculation rests is found worth it
/// again without a trial. Owned by the engine thread.
/// </remarks>
internal sealed class MatchRecord
{
    private const int Classes = 6; // lengths 2, 3, 4 to 7, 8 to 15, 16 to 31, and more
    private const float Doubt = 4; // guesses that the parent's record counts as
    private static readonly float[] FirstChances = [0.3f, 0.4f, 0.6f, 0.75f, 0.85f, 0.9f]; // before anything is known; unlearnt within a few tokens

    private readonly MatchRecord? _parent;
    private readonly float _fade;
    private Counts _guesses;
    private Counts _hits;

    /// <param name="memory">Guesses of a class after which an old one counts 1/e.</param>
    /// <param name="parent">What to believe as long as little is known; null: constants.</param>
    public MatchRecord(float memory, MatchRecord? parent)
    {
        _fade = 1 - (1 / memory);
        _parent = parent;
    }

    /// <summary>Notes how a guess came out.</summary>
    public void Add(int matchLength, bool hit)
    {
        int index = ClassOf(matchLength);
        _guesses[index] = (_guesses[index] * _fade) + 1;
        _hits[index] = (_hits[index] * _fade) + (hit ? 1 : 0);
        _parent?.Add(matchLength, hit);
    }

    /// <summary>The chance that the guess of a match of this length is right.</summary>
    public float ChanceOf(int matchLength)
    {
        int index = ClassOf(matchLength);
        float believed = _parent?.ChanceOf(matchLength) ?? FirstChances[index];
        return (_hits[index] + (Doubt * believed)) / (_guesses[index] + Doubt);
    }

    private static int ClassOf(int matchLength) =>
        matchLength < 4 ? matchLength - NGramIndex.Shortest : Math.Min(BitOperations.Log2((uint)matchLength), Classes - 1);

    [InlineArray(Classes)]
    private struct Counts
    {
        private float _first;
    }
}
