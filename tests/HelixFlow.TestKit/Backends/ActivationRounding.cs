using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Backends;

/// <summary>
/// How llama.cpp rounds a row of activations before it multiplies it with weights of a type: to half or brain precision, or to 8-bit integers
/// with a scale for each block.
/// </summary>
public static class ActivationRounding
{
    public static float[] LikeLlamaCpp(ReadOnlySpan<float> row, TensorType weights)
    {
        float[] rounded = row.ToArray();
        switch (weights)
        {
            case TensorType.F32:
                break;
            case TensorType.F16:
                rounded = Array.ConvertAll(rounded, x => (float)(Half)x);
                break;
            case TensorType.BF16:
                rounded = Array.ConvertAll(rounded, ToBrain);
                break;
            case TensorType.Q4_K or TensorType.Q5_K or TensorType.Q6_K:
                RoundBlocks(rounded, 256, scale => scale);
                break;
            default:
                RoundBlocks(rounded, 32, scale => (float)(Half)scale);
                break;
        }

        return rounded;
    }

    private static void RoundBlocks(Span<float> row, int size, Func<float, float> storeScale)
    {
        for (; row.Length > 0; row = row[Math.Min(size, row.Length)..])
        {
            Span<float> block = row[..Math.Min(size, row.Length)];
            float max = 0;
            foreach (float x in block)
            {
                max = Math.Max(max, Math.Abs(x));
            }

            float inverse = max == 0 ? 0 : 127 / max;
            float scale = storeScale(max / 127);
            foreach (ref float x in block)
            {
                x = MathF.Round(x * inverse) * scale;
            }
        }
    }

    private static float ToBrain(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
