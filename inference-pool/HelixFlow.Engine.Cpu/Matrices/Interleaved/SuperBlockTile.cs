using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Kernels of Q4_K and Q5_K.</summary>
/// <remarks>
/// Per superblock part = low = 0; per 32 columns, ascending, part = fma(dot, scale, part), low = fma(min, sum of activation codes, low), the dot product being
/// an exact integer; at its end t = d * part, t = fma(-dmin, low, t), sum = fma(t, activation scale, sum). All kernels of a type agree to the bit.
/// </remarks>
internal static unsafe class SuperBlockTile<TCodes, TDots>
    where TCodes : struct, ICodes
    where TDots : struct, IDots
{
    private const int HeadBytes = 64;

    private static int PartBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TCodes.Largest > 15 ? 352 : 288;
    }

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
                byte* head = part;
                Vector512<float> high = default, low = default;
                part += HeadBytes;
                for (nint parts = 8; parts > 0; parts--, part += PartBytes, a += 32, codeSums += 2)
                {
                    Vector512<int> dot = TDots.One(part + 32, a);
                    Accumulate(ref high, ref low, dot, SmallIntegers.Widen(part), SmallIntegers.Widen(part + 16), codeSums);
                }

                Finish(ref sum, high, low, HalfFloat.Widen16((ushort*)head), HalfFloat.Widen16((ushort*)(head + 32)), *scales);
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
                byte* head = part;
                Vector512<float> highA = default, highB = default, highC = default, highD = default;
                Vector512<float> lowA = default, lowB = default, lowC = default, lowD = default;
                part += HeadBytes;
                for (nint parts = 8; parts > 0; parts--, part += PartBytes, a += 32, codeSums += 2 * sizeof(int))
                {
                    TDots.Four(
                        part + 32, a, a + codesStride, a + (2 * codesStride), a + (3 * codesStride),
                        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD);
                    Vector512<float> scale = SmallIntegers.Widen(part);
                    Vector512<float> min = SmallIntegers.Widen(part + 16);
                    Accumulate(ref highA, ref lowA, dotA, scale, min, (int*)codeSums);
                    Accumulate(ref highB, ref lowB, dotB, scale, min, (int*)(codeSums + codeSumsStride));
                    Accumulate(ref highC, ref lowC, dotC, scale, min, (int*)(codeSums + (2 * codeSumsStride)));
                    Accumulate(ref highD, ref lowD, dotD, scale, min, (int*)(codeSums + (3 * codeSumsStride)));
                }

                Vector512<float> d = HalfFloat.Widen16((ushort*)head);
                Vector512<float> dmin = HalfFloat.Widen16((ushort*)(head + 32));
                Finish(ref sumA, highA, lowA, d, dmin, *(float*)scales);
                Finish(ref sumB, highB, lowB, d, dmin, *(float*)(scales + scalesStride));
                Finish(ref sumC, highC, lowC, d, dmin, *(float*)(scales + (2 * scalesStride)));
                Finish(ref sumD, highD, lowD, d, dmin, *(float*)(scales + (3 * scalesStride)));
            }

            sumA.Store((float*)sums);
            sumB.Store((float*)(sums + sumsStride));
            sumC.Store((float*)(sums + (2 * sumsStride)));
            sumD.Store((float*)(sums + (3 * sumsStride)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(
        ref Vector512<float> high, ref Vector512<float> low, Vector512<int> dot, Vector512<float> scale, Vector512<float> min, int* codeSums)
    {
        high = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot), scale, high);
        low = Vector512.FusedMultiplyAdd(min, Vector512.Create((float)(codeSums[0] + codeSums[1])), low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(
        ref Vector512<float> sum, Vector512<float> high, Vector512<float> low, Vector512<float> d, Vector512<float> dmin, float scale)
    {
        Vector512<float> t = Vector512.FusedMultiplyAdd(-dmin, low, d * high);
        sum = Vector512.FusedMultiplyAdd(t, Vector512.Create(scale), sum);
    }
}
