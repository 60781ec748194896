using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>The two passes of <see cref="QuantisedRows"/> over a block. All widths of vectors give the same results.</summary>
internal static unsafe class RowRounding
{
    private const int MagnitudeBits = 0x7FFFFFFF;

    /// <summary>The largest magnitude of some floats, a multiple of 32 of them; NaN if one is NaN.</summary>
    /// <remarks>Without their signs floats are ordered as integers are, NaN above infinity, and the maximum of integers is one instruction.</remarks>
    public static float LargestMagnitude(float* values, int count) =>
        Vector512.IsHardwareAccelerated ? Largest512((int*)values, count)
        : Vector256.IsHardwareAccelerated ? Largest256((int*)values, count)
        : Largest128((int*)values, count);

    /// <summary>Rounds 32 floats, multiplied by a factor, to the nearest integers, ties to even, and sums each half of them.</summary>
    /// <param name="values">The floats; the factor brings all of them into the range of the codes.</param>
    /// <param name="factor">The inverse of the block's scale.</param>
    /// <param name="codes">Gets 32 codes.</param>
    /// <param name="sums">Gets two sums of 16 codes.</param>
    public static void Round(float* values, float factor, sbyte* codes, int* sums)
    {
        if (Avx512F.IsSupported)
        {
            Round512(values, factor, codes, sums);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Round256(values, factor, codes, sums);
        }
        else
        {
            Round128(values, factor, codes, sums);
            Round128(values + 16, factor, codes + 16, sums + 1);
        }
    }

    internal static float Largest512(int* values, int count)
    {
        Vector512<int> mask = Vector512.Create(MagnitudeBits);
        Vector512<int> largest = Vector512<int>.Zero;
        for (int i = 0; i < count; i += 16)
        {
            largest = Vector512.Max(largest, Vector512.Load(values + i) & mask);
        }

        return Largest(Vector256.Max(largest.GetLower(), largest.GetUpper()));
    }

    internal static float Largest256(int* values, int count)
    {
        Vector256<int> mask = Vector256.Create(MagnitudeBits);
        Vector256<int> largest = Vector256<int>.Zero;
        for (int i = 0; i < count; i += 8)
        {
            largest = Vector256.Max(largest, Vector256.Load(values + i) & mask);
        }

        return Largest(largest);
    }

    internal static float Largest128(int* values, int count)
    {
        Vector128<int> mask = Vector128.Create(MagnitudeBits);
        Vector128<int> largest = Vector128<int>.Zero;
        for (int i = 0; i < count; i += 4)
        {
            largest = Vector128.Max(largest, Vector128.Load(values + i) & mask);
        }

        return Largest(largest);
    }

    internal static void Round512(float* values, float factor, sbyte* codes, int* sums)
    {
        // This conversion rounds to the nearest, ties to even.
        Vector512<float> factors = Vector512.Create(factor);
        Vector128<sbyte> low = Avx512F.ConvertToVector128SByte(Avx512F.ConvertToVector512Int32(Vector512.Load(values) * factors));
        Vector128<sbyte> high = Avx512F.ConvertToVector128SByte(Avx512F.ConvertToVector512Int32(Vector512.Load(values + 16) * factors));
        Vector256<sbyte> both = low.ToVector256Unsafe().WithUpper(high);
        both.Store(codes);

        // Eight codes at a time, each with 128 added so that it has no sign.
        Vector256<long> eights = Avx2.SumAbsoluteDifferences(both.AsByte() ^ Vector256.Create((byte)128), Vector256<byte>.Zero).AsInt64();
        sums[0] = (int)(eights[0] + eights[1]) - (16 * 128);
        sums[1] = (int)(eights[2] + eights[3]) - (16 * 128);
    }

    internal static void Round256(float* values, float factor, sbyte* codes, int* sums)
    {
        Vector256<int> a = Rounded(values, factor), b = Rounded(values + 8, factor), c = Rounded(values + 16, factor), d = Rounded(values + 24, factor);
        sums[0] = Vector256.Sum(a + b);
        sums[1] = Vector256.Sum(c + d);
        Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).Store(codes);
    }

    internal static void Round128(float* values, float factor, sbyte* codes, int* sums)
    {
        Vector128<float> factors = Vector128.Create(factor);
        Vector128<int> a = Rounded(values), b = Rounded(values + 4), c = Rounded(values + 8), d = Rounded(values + 12);
        sums[0] = Vector128.Sum(a + b + (c + d));
        Vector128.Narrow(Vector128.Narrow(a, b), Vector128.Narrow(c, d)).Store(codes);

        Vector128<int> Rounded(float* four) => Vector128.ConvertToInt32(Vector128.Round(Vector128.Load(four) * factors));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Rounded(float* values, float factor) =>
        Vector256.ConvertToInt32(Vector256.Round(Vector256.Load(values) * Vector256.Create(factor)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector256<int> values) => Largest(Vector128.Max(values.GetLower(), values.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(Vector128<int> values)
    {
        values = Vector128.Max(values, Vector128.Shuffle(values, Vector128.Create(2, 3, 0, 1)));
        values = Vector128.Max(values, Vector128.Shuffle(values, Vector128.Create(1, 0, 3, 2)));
        return BitConverter.Int32BitsToSingle(values.ToScalar());
    }
}
