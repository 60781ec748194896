using System.Collections.Immutable;

namespace HelixFlow.Engine.Models;

/// <summary>How the frequencies of a rotary embedding were changed to reach a longer context than the model was first trained for.</summary>
public abstract record RopeScaling
{
    private RopeScaling()
    {
    }

    /// <summary>All frequencies divided by one factor ("position interpolation", https://arxiv.org/abs/2306.15595).</summary>
    public sealed record Linear(float Factor) : RopeScaling;

    /// <summary>Each frequency divided by its own number; GGUF holds Llama 3's scaling in this form (rope_freqs.weight).</summary>
    public sealed record Divisors(ImmutableArray<float> Values) : RopeScaling;

    /// <summary>Llama 3.1's: long wavelengths divided by a factor, short ones kept, a ramp between.</summary>
    public sealed record Llama3(float Factor, float LowFrequencyFactor, float HighFrequencyFactor, int OriginalContext) : RopeScaling;

    /// <summary>
    /// LongRoPE (https://arxiv.org/abs/2402.13753, Phi-3's "su"): a divisor for each frequency, one set for contexts up to the original length
    /// and one for longer ones; cosine and sine are multiplied by <paramref name="Magnitude"/>.
    /// </summary>
    public sealed record LongRope(ImmutableArray<float> ShortDivisors, ImmutableArray<float> LongDivisors, int OriginalContext, float Magnitude) : RopeScaling
    {
        /// <summary>The magnitude that goes with an extension from the original to a longer context when the file gives none.</summary>
        public static float DefaultMagnitude(double factor, int originalContext) =>
            factor <= 1 ? 1 : (float)Math.Sqrt(1 + (Math.Log(factor) / Math.Log(originalContext)));
    }

    /// <summary>YaRN (https://arxiv.org/abs/2309.00071): interpolated and original frequencies mixed by wavelength.</summary>
    public sealed record Yarn(float Factor, int OriginalContext, float BetaFast, float BetaSlow, float Magnitude) : RopeScaling
    {
        /// <summary>The paper's magnitude for a factor.</summary>
        public static float DefaultMagnitude(float factor) => factor <= 1 ? 1 : (float)((0.1 * Math.Log(factor)) + 1);
    }
}
