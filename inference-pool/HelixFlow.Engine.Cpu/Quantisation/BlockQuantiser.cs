using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Rounds float32 weights to stored blocks of Q8_0, Q4_0 or Q4_K: the same bytes as ggml's reference quantisers give.</summary>
/// <remarks>Rules: https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c, quantize_row_q8_0_ref, q4_0_ref; Q4_K in <see cref="SuperBlockQuantiser"/>.</remarks>
internal static unsafe class BlockQuantiser
{
    /// <summary>Whether weights can be rounded to this type here.</summary>
    public static bool CanQuantise(TensorType type) => type is TensorType.Q8_0 or TensorType.Q4_0 or TensorType.Q4_K;

    /// <summary>Rounds one block.</summary>
    /// <param name="type">One that <see cref="CanQuantise"/>.</param>
    /// <param name="values">As many as a block has; finite.</param>
    /// <param name="block">Room for its bytes.</param>
    public static void Quantise(TensorType type, float* values, byte* block)
    {
        switch (type)
        {
            case TensorType.Q8_0:
                QuantiseQ8(values, block);
                break;
            case TensorType.Q4_0:
                QuantiseQ4(values, block);
                break;
            case TensorType.Q4_K:
                SuperBlockQuantiser.Quantise(values, block);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a type that weights are rounded to");
        }
    }

    // The largest magnitude becomes 127 or -127.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantiseQ8(float* values, byte* block)
    {
        float scale = LargestMagnitude(values) / 127;
        float inverse = scale != 0 ? 1 / scale : 0;
        *(ushort*)block = HalfFloat.Narrow(scale);
        Vector256<int> a = RoundAwayFromZero(Vector256.Load(values) * inverse), b = RoundAwayFromZero(Vector256.Load(values + 8) * inverse);
        Vector256<int> c = RoundAwayFromZero(Vector256.Load(values + 16) * inverse), d = RoundAwayFromZero(Vector256.Load(values + 24) * inverse);
        Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).Store((sbyte*)block + 2);
    }

    // The number of the largest magnitude becomes -8, whatever its sign, so that the whole range of four bits is used.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantiseQ4(float* values, byte* block)
    {
        float magnitude = LargestMagnitude(values);
        float largest = 0;
        for (int i = 0; i < 32; i++)
        {
            if (MathF.Abs(values[i]) == magnitude)
            {
                largest = values[i];
                break;
            }
        }

        float scale = largest / -8;
        float inverse = scale != 0 ? 1 / scale : 0;
        *(ushort*)block = HalfFloat.Narrow(scale);
        Vector128<byte> low = FourBits(values, inverse), high = FourBits(values + 16, inverse);
        (low | (high << 4)).Store(block + 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> FourBits(float* values, float inverse)
    {
        Vector256<float> half = Vector256.Create(8.5f);
        Vector256<int> most = Vector256.Create(15);
        Vector256<int> a = Vector256.Min(Vector256.ConvertToInt32((Vector256.Load(values) * inverse) + half), most);
        Vector256<int> b = Vector256.Min(Vector256.ConvertToInt32((Vector256.Load(values + 8) * inverse) + half), most);
        Vector256<short> both = Vector256.Narrow(a, b);
        return Vector128.Narrow(both.GetLower(), both.GetUpper()).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LargestMagnitude(float* values)
    {
        Vector256<float> a = Vector256.Max(Vector256.Abs(Vector256.Load(values)), Vector256.Abs(Vector256.Load(values + 8)));
        Vector256<float> b = Vector256.Max(Vector256.Abs(Vector256.Load(values + 16)), Vector256.Abs(Vector256.Load(values + 24)));
        Vector256<float> largest = Vector256.Max(a, b);
        Vector128<float> four = Vector128.Max(largest.GetLower(), largest.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    // As C's roundf: adding a half first would lift 0.49999997.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> RoundAwayFromZero(Vector256<float> x)
    {
        Vector256<float> whole = Vector256.Truncate(x);
        Vector256<float> away = Vector256.GreaterThanOrEqual(Vector256.Abs(x - whole), Vector256.Create(0.5f));
        Vector256<float> one = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), Vector256.Create(-1f), Vector256.Create(1f));
        return Vector256.ConvertToInt32(whole + (away & one));
    }
}
