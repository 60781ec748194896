using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Kernels of Q6_K.</summary>
/// <remarks>
/// Per superblock part = 0; per 16 columns, ascending, part = fma(dot - 32 * sum of activation codes, scale, part), the dot product being an exact integer; at
/// its end sum = fma(d * part, activation scale, sum). All kernels agree to the bit.
/// </remarks>
internal static unsafe class SixBitTile<TDots>
    where TDots : struct, IDots
{
    private const int HeadBytes = 64;
    private const int PartBytes = 416;
    private const int Offset = 32;

    /// <summary>One activation row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(TileCall* call)
    {
        byte* group = call->Weights;
        float* sums = call->Sums;
        for (nint groups = call->Groups; groups > 0; groups--, group += call->GroupStride, sums += InterleavedLayout.Rows)
        {
            byte* part = group;
            sbyte* a = call->Codes;
            float* scales = call->Scales;
            int* codeSums = call->CodeSums;
            Vector512<float> sum = default;
            for (nint blocks = call->Blocks; blocks > 0; blocks--, scales += 8)
            {
                Vector512<float> d = HalfFloat.Widen16((ushort*)part);
                Vector512<float> high = default;
                part += HeadBytes;
                for (nint parts = 8; parts > 0; parts--, part += PartBytes, a += 32, codeSums += 2)
                {
                    Accumulate(ref high, TDots.HalfOne(part + 32, 0, a), SmallIntegers.Widen((sbyte*)part), codeSums[0]);
                    Accumulate(ref high, TDots.HalfOne(part + 32, 4, a), SmallIntegers.Widen((sbyte*)part + 16), codeSums[1]);
                }

                sum = Vector512.FusedMultiplyAdd(d * high, Vector512.Create(*scales), sum);
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
            byte* part = group;
            sbyte* a = call->Codes;
            byte* scales = (byte*)call->Scales;
            byte* codeSums = (byte*)call->CodeSums;
            Vector512<float> sumA = default, sumB = default, sumC = default, sumD = default;
            for (nint blocks = call->Blocks; blocks > 0; blocks--, scales += 8 * sizeof(float))
            {
                Vector512<float> d = HalfFloat.Widen16((ushort*)part);
                Vector512<float> highA = default, highB = default, highC = default, highD = default;
                part += HeadBytes;
                for (nint parts = 8; parts > 0; parts--, part += PartBytes, a += 32, codeSums += 2 * sizeof(int))
                {
                    sbyte* b = a + codesStride, c = a + (2 * codesStride), e = a + (3 * codesStride);
                    int* sumsB = (int*)(codeSums + codeSumsStride), sumsC = (int*)(codeSums + (2 * codeSumsStride));
                    int* sumsD = (int*)(codeSums + (3 * codeSumsStride));
                    TDots.HalfFour(
                        part + 32, 0, a, b, c, e, out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD);
                    Vector512<float> scale = SmallIntegers.Widen((sbyte*)part);
                    Accumulate(ref highA, dotA, scale, ((int*)codeSums)[0]);
                    Accumulate(ref highB, dotB, scale, sumsB[0]);
                    Accumulate(ref highC, dotC, scale, sumsC[0]);
                    Accumulate(ref highD, dotD, scale, sumsD[0]);
                    TDots.HalfFour(part + 32, 4, a, b, c, e, out dotA, out dotB, out dotC, out dotD);
                    scale = SmallIntegers.Widen((sbyte*)part + 16);
                    Accumulate(ref highA, dotA, scale, ((int*)codeSums)[1]);
                    Accumulate(ref highB, dotB, scale, sumsB[1]);
                    Accumulate(ref highC, dotC, scale, sumsC[1]);
                    Accumulate(ref highD, dotD, scale, sumsD[1]);
                }

                sumA = Vector512.FusedMultiplyAdd(d * highA, Vector512.Create(*(float*)scales), sumA);
                sumB = Vector512.FusedMultiplyAdd(d * highB, Vector512.Create(*(float*)(scales + scalesStride)), sumB);
                sumC = Vector512.FusedMultiplyAdd(d * highC, Vector512.Create(*(float*)(scales + (2 * scalesStride))), sumC);
                sumD = Vector512.FusedMultiplyAdd(d * highD, Vector512.Create(*(float*)(scales + (3 * scalesStride))), sumD);
            }

            sumA.Store((float*)sums);
            sumB.Store((float*)(sums + sumsStride));
            sumC.Store((float*)(sums + (2 * sumsStride)));
            sumD.Store((float*)(sums + (3 * sumsStride)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(ref Vector512<float> high, Vector512<int> dot, Vector512<float> scale, int codeSum) =>
        high = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot - Vector512.Create(Offset * codeSum)), scale, high);
}
