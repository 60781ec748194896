using System.Collections.Immutable;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>A rotary embedding as a model's file describes it.</summary>
/// <param name="Pairing">Which elements of a head are rotated together.</param>
/// <param name="RotatedElements">Elements of a head that are rotated, from its start; even.</param>
/// <param name="Base">The base of the geometric series of frequencies, "theta".</param>
/// <param name="Scaling">A change of the frequencies for long contexts; null for none.</param>
public sealed record RopeConfig(RopePairing Pairing, int RotatedElements, float Base, RopeScaling? Scaling = null)
{
    /// <summary>The embedding with its frequencies worked out.</summary>
    /// <param name="headSize">Elements per head.</param>
    /// <param name="contextLength">The longest sequence that will be run; LongRoPE chooses its factors by it.</param>
    public Rope Create(int headSize, int contextLength)
    {
        // Worked out in double and rounded once: a rounding error of a frequency grows with the position it is multiplied by.
        var frequencies = new double[RotatedElements / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Math.Pow(Base, -2.0 * i / RotatedElements);
        }

        float magnitude = Scale(frequencies, contextLength);
        return new Rope(headSize, Pairing, Array.ConvertAll(frequencies, frequency => (float)frequency), magnitude);
    }

    /// <summary>Applies the scaling and returns the magnitude that belongs to it.</summary>
    private float Scale(Span<double> frequencies, int contextLength)
    {
        switch (Scaling)
        {
            case null:
                return 1;
            case RopeScaling.Linear linear:
                foreach (ref double frequency in frequencies)
                {
                    frequency /= linear.Factor;
                }

                return 1;
            case RopeScaling.Divisors divisors:
                Divide(frequencies, divisors.Values);
                return 1;
            case RopeScaling.Llama3 llama3:
                foreach (ref double frequency in frequencies)
                {
                    frequency = ScaleLlama3(frequency, llama3);
                }

                return 1;
            case RopeScaling.LongRope longRope:
                Divide(frequencies, contextLength > longRope.OriginalContext ? longRope.LongDivisors : longRope.ShortDivisors);
                return longRope.Magnitude;
            case RopeScaling.Yarn yarn:
                ScaleYarn(frequencies, yarn);
                return yarn.Magnitude;
            default:
                throw new NotSupportedException($"rope scaling {Scaling.GetType().Name}");
        }
    }

    private static void Divide(Span<double> frequencies, ImmutableArray<float> divisors)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] /= divisors[i];
        }
    }

    private static double ScaleLlama3(double frequency, RopeScaling.Llama3 scaling)
    {
        // How many whole turns the pair made within the context that the model was first trained for.
        double turns = scaling.OriginalContext * frequency / (2 * Math.PI);
        if (turns > scaling.HighFrequencyFactor)
        {
            return frequency;
        }

        if (turns < scaling.LowFrequencyFactor)
        {
            return frequency / scaling.Factor;
        }

        double smooth = (turns - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return ((1 - smooth) * frequency / scaling.Factor) + (smooth * frequency);
    }

    private void ScaleYarn(Span<double> frequencies, RopeScaling.Yarn scaling)
    {
        double low = Math.Max(Math.Floor(PairWithTurns(scaling.BetaFast)), 0);
        double high = Math.Min(Math.Ceiling(PairWithTurns(scaling.BetaSlow)), RotatedElements - 1);
        double width = Math.Max(high - low, 0.001);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double interpolated = Math.Clamp((i - low) / width, 0, 1);
            frequencies[i] = (interpolated * frequencies[i] / scaling.Factor) + ((1 - interpolated) * frequencies[i]);
        }

        // The (fractional) pair that makes this many turns within the original context.
        double PairWithTurns(double turns) =>
            RotatedElements * Math.Log(scaling.OriginalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(Base));
    }
}
