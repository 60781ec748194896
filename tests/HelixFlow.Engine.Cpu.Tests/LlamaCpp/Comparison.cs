namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>How far two rows of logits are apart.</summary>
internal static class Comparison
{
    /// <summary>||a - b|| / ||b||.</summary>
    public static double RelativeError(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(b.Length, a.Length);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double d = (double)a[i] - b[i];
            difference += d * d;
            norm += (double)b[i] * b[i];
        }

        return Math.Sqrt(difference / norm);
    }
}
