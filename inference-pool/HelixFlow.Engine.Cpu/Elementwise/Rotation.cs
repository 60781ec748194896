using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu.Elementwise;

/// <summary>Rotary position embeddings, in place.</summary>
internal static unsafe class Rotation
{
    /// <summary>Cosine and sine of every pair at a position: [pair] each.</summary>
    public static void Angles(Rope rope, int position, float* cosines, float* sines)
    {
        for (int i = 0; i < rope.Frequencies.Length; i++)
        {
            // Positions times frequencies lose too much in float32 from some ten thousand positions on.
            (double sine, double cosine) = Math.SinCos((double)rope.Frequencies[i] * position);
            cosines[i] = (float)cosine * rope.Magnitude;
            sines[i] = (float)sine * rope.Magnitude;
        }
    }

    /// <summary>Rotates every head of a row.</summary>
    public static void Apply(float* row, int heads, Rope rope, float* cosines, float* sines)
    {
        int pairs = rope.Frequencies.Length;
        for (int head = 0; head < heads; head++, row += rope.HeadSize)
        {
            if (rope.Pairing == RopePairing.Adjacent)
            {
                for (int i = 0; i < pairs; i++)
                {
                    (float x, float y) = (row[2 * i], row[(2 * i) + 1]);
                    row[2 * i] = (x * cosines[i]) - (y * sines[i]);
                    row[(2 * i) + 1] = (x * sines[i]) + (y * cosines[i]);
                }
            }
            else
            {
                for (int i = 0; i < pairs; i++)
                {
                    (float x, float y) = (row[i], row[i + pairs]);
                    row[i] = (x * cosines[i]) - (y * sines[i]);
                    row[i + pairs] = (x * sines[i]) + (y * cosines[i]);
                }
            }
        }
    }
}
