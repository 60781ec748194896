using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Keys and values as signed bytes with one half-precision scale for 32 elements (q8_0).</summary>
internal static unsafe class KvCodes
{
    /// <summary>Elements that share a scale.</summary>
    public const int Block = 32;

    /// <summary>Quantises a head's vector, whose length is a multiple of <see cref="Block"/>.</summary>
    /// <param name="source">The vector.</param>
    /// <param name="count">Its length.</param>
    /// <param name="codes">Takes -127 to 127 for each element.</param>
    /// <param name="scales">Takes a half for each block.</param>
    public static void Quantise(float* source, int count, sbyte* codes, ushort* scales)
    {
        for (int block = 0; block < count / Block; block++, source += Block, codes += Block)
        {
            Vector128<float> largest = default;
            for (int i = 0; i < Block; i += 4)
            {
                largest = Vector128.Max(largest, Vector128.Abs(Vector128.Load(source + i)));
            }

            float max = MathF.Max(MathF.Max(largest[0], largest[1]), MathF.Max(largest[2], largest[3]));
            scales[block] = HalfFloat.Narrow(max / 127);

            // By the scale as it is stored, which rounding may have made too small for the largest code.
            float scale = HalfFloat.Widen(scales[block]);
            Vector128<float> inverse = Vector128.Create(scale > 0 ? 1 / scale : 0);
            for (int i = 0; i < Block; i += 16)
            {
                Vector128<short> low = Vector128.Narrow(Round(source + i, inverse), Round(source + i + 4, inverse));
                Vector128<short> high = Vector128.Narrow(Round(source + i + 8, inverse), Round(source + i + 12, inverse));
                Vector128.Narrow(low, high).Store(codes + i);
            }
        }
    }

    private static Vector128<int> Round(float* source, Vector128<float> inverse) =>
        Vector128.Min(Vector128.Max(Vector128.ConvertToInt32(Vector128.Round(Vector128.Load(source) * inverse)), Vector128.Create(-127)), Vector128.Create(127));
}
