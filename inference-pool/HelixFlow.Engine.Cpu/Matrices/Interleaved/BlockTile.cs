using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Kernels of the types with 32-column blocks: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.</summary>
/// <remarks>
/// Per block, columns ascending: sum = fma(dot - offset * sum of activation codes, scale * activation scale, sum), the dot product being an exact integer;
/// then, with minima, sum = fma(min, activation scale * sum of activation codes, sum). All kernels of a type agree to the bit.
/// </remarks>
internal static unsafe class BlockTile<TFormat, TDots>
    where TFormat : struct, IBlockFormat
    where TDots : struct, IDots
{
    private static int HeadBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TFormat.HasMins ? 64 : 32;
    }

    /// <summary>One activation row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(TileCall* call)
    {
        byte* group = call->Weights;
        float* sums = call->Sums;
        for (nint groups = call->Groups; groups > 0; groups--, group += call->GroupStride, sums += InterleavedLayout.Rows)
        {
            byte* block = group;
            sbyte* a = call->Codes;
            float* scales = call->Scales;
            int* codeSums = call->CodeSums;
            Vector512<float> sum = default;
            for (nint blocks = call->Blocks; blocks > 0; blocks--)
            {
                Vector512<int> dot = TDots.One(block + HeadBytes, a);
                Accumulate(ref sum, dot, HalfFloat.Widen16((ushort*)block), Mins(block), scales, codeSums);
                a += 32;
                scales++;
                codeSums += 2;
                block += HeadBytes + TFormat.CodeBytes;
            }

            sum.Store(sums);
        }
    }

    /// <summary>Four activation rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(TileCall* call)
    {
        nint codesStride = call->CodesStride, scalesStride = call->ScalesStride, codeSumsStride = call->CodeSumsStride, sumsStride = call->SumsStride;
        byte* group = call->Weights;
        byte* sums = (byte*)call->Sums;
        for (nint groups = call->Groups; groups > 0; groups--, group += call->GroupStride, sums += InterleavedLayout.Rows * sizeof(float))
        {
            byte* block = group;
            sbyte* a = call->Codes;
            byte* scales = (byte*)call->Scales;
            byte* codeSums = (byte*)call->CodeSums;
            Vector512<float> sumA = default, sumB = default, sumC = default, sumD = default;
            for (nint blocks = call->Blocks; blocks > 0; blocks--)
            {
                TDots.Four(
                    block + HeadBytes, a, a + codesStride, a + (2 * codesStride), a + (3 * codesStride),
                    out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD);
                Vector512<float> scale = HalfFloat.Widen16((ushort*)block);
                Vector512<float> min = Mins(block);
                Accumulate(ref sumA, dotA, scale, min, (float*)scales, (int*)codeSums);
                Accumulate(ref sumB, dotB, scale, min, (float*)(scales + scalesStride), (int*)(codeSums + codeSumsStride));
                Accumulate(ref sumC, dotC, scale, min, (float*)(scales + (2 * scalesStride)), (int*)(codeSums + (2 * codeSumsStride)));
                Accumulate(ref sumD, dotD, scale, min, (float*)(scales + (3 * scalesStride)), (int*)(codeSums + (3 * codeSumsStride)));
                a += 32;
                scales += sizeof(float);
                codeSums += 2 * sizeof(int);
                block += HeadBytes + TFormat.CodeBytes;
            }

            sumA.Store((float*)sums);
            sumB.Store((float*)(sums + sumsStride));
            sumC.Store((float*)(sums + (2 * sumsStride)));
            sumD.Store((float*)(sums + (3 * sumsStride)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Mins(byte* block) => TFormat.HasMins ? HalfFloat.Widen16((ushort*)(block + 32)) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(
        ref Vector512<float> sum, Vector512<int> dot, Vector512<float> weightScale, Vector512<float> weightMin, float* scale, int* codeSums)
    {
        int codeSum = codeSums[0] + codeSums[1];
        if (TFormat.Offset != TDots.Subtracted)
        {
            dot -= Vector512.Create((TFormat.Offset - TDots.Subtracted) * codeSum);
        }

        sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot), weightScale * Vector512.Create(*scale), sum);
        if (TFormat.HasMins)
        {
            sum = Vector512.FusedMultiplyAdd(weightMin, Vector512.Create(*scale * codeSum), sum);
        }
    }
}
