using System.Diagnostics;
using HelixFlow.Engine.Models;

namespace HelixFlow.Engine.Execution;

/// <summary>Gathers the hidden states of one text, chunk by chunk, into its vector.</summary>
/// <remarks>Owned by the engine thread until <see cref="TryFinish"/>; then <see cref="Vector"/> is for whoever asked for it.</remarks>
internal sealed class StatePool(Pooling pooling, int hidden)
{
    private readonly double[] _sum = new double[hidden];
    private int _expected; // state rows in the step that runs
    private int _summed;

    /// <summary>The vector; empty before the end.</summary>
    public float[] Vector { get; private set; } = [];

    /// <summary>Notes that a step runs some positions, and says of how many of the last of them it wants the states.</summary>
    /// <param name="first">The first position; 0 again after a preemption.</param>
    /// <param name="count">Positions that run.</param>
    /// <param name="length">Positions of the text.</param>
    public int Begin(int first, int count, int length)
    {
        if (pooling == Pooling.First)
        {
            return _expected = first == 0 ? 1 : 0;
        }

        if (pooling == Pooling.Last)
        {
            return _expected = first + count == length ? 1 : 0;
        }

        if (first == 0)
        {
            Array.Clear(_sum);
            _summed = 0;
        }

        Debug.Assert(first == _summed, "the mean is of every position once");
        return _expected = count;
    }

    /// <summary>Takes the states that <see cref="Begin"/> asked for, and returns what follows them.</summary>
    public ReadOnlySpan<float> Take(ReadOnlySpan<float> states)
    {
        for (int i = 0; i < _expected; i++)
        {
            ReadOnlySpan<float> state = states.Slice(i * hidden, hidden);
            for (int j = 0; j < state.Length; j++)
            {
                _sum[j] += state[j];
            }
        }

        _summed += _expected;
        return states[(_expected * hidden)..];
    }

    /// <summary>Scales what was gathered to the length 1; false if it is not finite. A mean needs no division before that.</summary>
    public bool TryFinish()
    {
        double square = 0;
        foreach (double value in _sum)
        {
            square += value * value;
        }

        if (!double.IsFinite(square))
        {
            return false;
        }

        double scale = square > 0 ? 1 / Math.Sqrt(square) : 0;
        var vector = new float[hidden];
        for (int i = 0; i < vector.Length; i++)
        {
            vector[i] = (float)(_sum[i] * scale);
        }

        Vector = vector;
        return true;
    }
}
