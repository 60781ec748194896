using System.Runtime.Intrinsics;
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
                RotateAdjacent(row, pairs, cosines, sines);
            }
            else
            {
                RotateHalves(row, pairs, cosines, sines);
            }
        }
    }

    private static void RotateAdjacent(float* head, int pairs, float* cosines, float* sines)
    {
        int i = 0;
        for (; i + 4 <= pairs; i += 4)
        {
            // Four pairs: each element times its pair's cosine, and its partner times the sine, with a minus for the first of a pair.
            Vector128<float> low = Vector128.Load(head + (2 * i)), high = Vector128.Load(head + (2 * i) + 4);
            Vector128<float> cosine = Vector128.Load(cosines + i), sine = Vector128.Load(sines + i);
            Vector128<float> sign = Vector128.Create(-1f, 1, -1, 1);
            Rotate(low, Vector128.Shuffle(cosine, Vector128.Create(0, 0, 1, 1)), sign * Vector128.Shuffle(sine, Vector128.Create(0, 0, 1, 1))).Store(head + (2 * i));
            Rotate(high, Vector128.Shuffle(cosine, Vector128.Create(2, 2, 3, 3)), sign * Vector128.Shuffle(sine, Vector128.Create(2, 2, 3, 3))).Store(head + (2 * i) + 4);
        }

        for (; i < pairs; i++)
        {
            (float x, float y) = (head[2 * i], head[(2 * i) + 1]);
            head[2 * i] = (x * cosines[i]) - (y * sines[i]);
            head[(2 * i) + 1] = (x * sines[i]) + (y * cosines[i]);
        }
    }

    private static Vector128<float> Rotate(Vector128<float> x, Vector128<float> cosine, Vector128<float> sine) =>
        (x * cosine) + (Vector128.Shuffle(x, Vector128.Create(1, 0, 3, 2)) * sine);

    private static void RotateHalves(float* head, int pairs, float* cosines, float* sines)
    {
        int i = 0;
        for (; i + 8 <= pairs; i += 8)
        {
            Vector256<float> x = Vector256.Load(head + i), y = Vector256.Load(head + i + pairs);
            Vector256<float> cosine = Vector256.Load(cosines + i), sine = Vector256.Load(sines + i);
            ((x * cosine) - (y * sine)).Store(head + i);
            ((x * sine) + (y * cosine)).Store(head + i + pairs);
        }

        for (; i < pairs; i++)
        {
            (float x, float y) = (head[i], head[i + pairs]);
            head[i] = (x * cosines[i]) - (y * sines[i]);
            head[i + pairs] = (x * sines[i]) + (y * cosines[i]);
        }
    }
}
