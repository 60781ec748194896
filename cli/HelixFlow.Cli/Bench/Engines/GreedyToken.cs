using System.Numerics;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>The likeliest token, found in the same way for every engine, since finding it is part of what is timed.</summary>
internal static class GreedyToken
{
    /// <summary>The first index of the largest of the logits, none of which is NaN.</summary>
    public static int Of(ReadOnlySpan<float> logits)
    {
        float largest = float.NegativeInfinity;
        int i = 0;
        if (logits.Length >= Vector<float>.Count)
        {
            var most = new Vector<float>(float.NegativeInfinity);
            for (; i <= logits.Length - Vector<float>.Count; i += Vector<float>.Count)
            {
                most = Vector.Max(most, new Vector<float>(logits[i..]));
            }

            for (int lane = 0; lane < Vector<float>.Count; lane++)
            {
                largest = Math.Max(largest, most[lane]);
            }
        }

        for (; i < logits.Length; i++)
        {
            largest = Math.Max(largest, logits[i]);
        }

        return Math.Max(0, logits.IndexOf(largest));
    }
}
