using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu;

/// <summary>Products of 8-bit activations with a group of 8 rows of a <see cref="QuantizedMatrix"/>.</summary>
internal static unsafe class QuantizedKernel
{
    /// <summary>Products of 4 consecutive rows of activations, so that weights are read and unpacked once for all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply4(
        QuantizedMatrix weights, int group, QuantizedRows rows, int row, out Vector256<float> r0, out Vector256<float> r1, out Vector256<float> r2, out Vector256<float> r3)
    {
        byte* w = weights.Quants(group);
        float* f = weights.Factors(group);
        sbyte* q0 = rows.Quants(row);
        sbyte* q1 = rows.Quants(row + 1);
        sbyte* q2 = rows.Quants(row + 2);
        sbyte* q3 = rows.Quants(row + 3);
        float* s0 = rows.Factors(row);
        float* s1 = rows.Factors(row + 1);
        float* s2 = rows.Factors(row + 2);
        float* s3 = rows.Factors(row + 3);
        r0 = r1 = r2 = r3 = Vector256<float>.Zero;
        bool nibbles = weights.HasNibbles;
        int size = weights.BlockSize;
        Vector256<byte> mask = Vector256.Create((byte)15);
        for (int b = 0; b < weights.Blocks; b++, f += 16)
        {
            Vector256<int> i0 = Vector256<int>.Zero;
            Vector256<int> i1 = Vector256<int>.Zero;
            Vector256<int> i2 = Vector256<int>.Zero;
            Vector256<int> i3 = Vector256<int>.Zero;
            if (nibbles)
            {
                for (int i = 0; i < size; i += 8, w += 32, q0 += 8, q1 += 8, q2 += 8, q3 += 8)
                {
                    Vector256<byte> both = Vector256.Load(w);
                    Vector256<byte> low = both & mask;
                    Vector256<byte> high = (both.AsUInt16() >>> 4).AsByte() & mask;
                    i0 = Dot(Dot(i0, low, q0), high, q0 + 4);
                    i1 = Dot(Dot(i1, low, q1), high, q1 + 4);
                    i2 = Dot(Dot(i2, low, q2), high, q2 + 4);
                    i3 = Dot(Dot(i3, low, q3), high, q3 + 4);
                }
            }
            else
            {
                for (int i = 0; i < size; i += 4, w += 32, q0 += 4, q1 += 4, q2 += 4, q3 += 4)
                {
                    Vector256<byte> quants = Vector256.Load(w);
                    i0 = Dot(i0, quants, q0);
                    i1 = Dot(i1, quants, q1);
                    i2 = Dot(i2, quants, q2);
                    i3 = Dot(i3, quants, q3);
                }
            }

            Vector256<float> factor = Vector256.Load(f);
            Vector256<float> term = Vector256.Load(f + 8);
            r0 += Scale(i0, factor, term, s0 + (2 * b));
            r1 += Scale(i1, factor, term, s1 + (2 * b));
            r2 += Scale(i2, factor, term, s2 + (2 * b));
            r3 += Scale(i3, factor, term, s3 + (2 * b));
        }
    }

    /// <summary>The products of one row of activations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector256<float> Multiply(QuantizedMatrix weights, int group, QuantizedRows rows, int row)
    {
        byte* w = weights.Quants(group);
        float* f = weights.Factors(group);
        sbyte* q = rows.Quants(row);
        float* s = rows.Factors(row);
        int size = weights.BlockSize;
        bool nibbles = weights.HasNibbles;
        Vector256<float> result = Vector256<float>.Zero;
        Vector256<byte> mask = Vector256.Create((byte)15);
        for (int b = 0; b < weights.Blocks; b++, f += 16, s += 2)
        {
            Vector256<int> even = Vector256<int>.Zero;
            Vector256<int> odd = Vector256<int>.Zero;
            for (int i = 0; i < size; i += 8, q += 8)
            {
                if (nibbles)
                {
                    Vector256<byte> both = Vector256.Load(w);
                    even = Dot(even, both & mask, q);
                    odd = Dot(odd, (both.AsUInt16() >>> 4).AsByte() & mask, q + 4);
                    w += 32;
                }
                else
                {
                    even = Dot(even, Vector256.Load(w), q);
                    odd = Dot(odd, Vector256.Load(w + 32), q + 4);
                    w += 64;
                }
            }

            result += Scale(even + odd, Vector256.Load(f), Vector256.Load(f + 8), s);
        }

        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scale(Vector256<int> sums, Vector256<float> factor, Vector256<float> term, float* scaleAndSum) =>
        (Vector256.ConvertToSingle(sums) * factor * Vector256.Create(scaleAndSum[0])) + (term * Vector256.Create(scaleAndSum[1]));

    /// <summary>Adds to each of 8 sums the products of 4 unsigned bytes with the same 4 signed ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(Vector256<int> sums, Vector256<byte> weights, sbyte* four)
    {
        Vector256<sbyte> activations = Vector256.Create(*(int*)four).AsSByte();
        if (AvxVnni.IsSupported)
        {
            return AvxVnni.MultiplyWideningAndAdd(sums, weights, activations);
        }

        if (Avx2.IsSupported)
        {
            // In two parts, since the sum of two products of an 8-bit unsigned number may not fit 16 bits.
            Vector256<short> low = Avx2.MultiplyAddAdjacent(weights & Vector256.Create((byte)0x7F), activations);
            Vector256<short> high = Avx2.MultiplyAddAdjacent(weights & Vector256.Create((byte)0x80), activations);
            return sums + Avx2.MultiplyAddAdjacent(low, Vector256<short>.One) + Avx2.MultiplyAddAdjacent(high, Vector256<short>.One);
        }

        return DotPortable(sums, weights, four);
    }

    private static Vector256<int> DotPortable(Vector256<int> sums, Vector256<byte> weights, sbyte* four)
    {
        for (int r = 0; r < 8; r++)
        {
            int sum = sums[r];
            for (int j = 0; j < 4; j++)
            {
                sum += weights[(4 * r) + j] * four[j];
            }

            sums = sums.WithElement(r, sum);
        }

        return sums;
    }
}
