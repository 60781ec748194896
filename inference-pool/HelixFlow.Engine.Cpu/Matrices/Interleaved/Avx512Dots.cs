using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>AVX-512BW: VPMADDUBSW adds two products of an unsigned and a signed byte to 16 bits, which are widened before they can overflow.</summary>
/// <remarks>
/// A pair of products is at most 2 * 127 * code. Eight such sums of 4-bit codes (30,480), four of 5-bit ones (31,496) and two of 6-bit ones (32,004) fit 16
/// bits. Codes of 8 bits are taken as two nibbles, the upper sums times 16.
/// </remarks>
internal readonly unsafe struct Avx512Dots<TCodes> : IDots
    where TCodes : struct, ICodes
{
    public static bool IsSupported => Avx512BW.IsSupported;

    public static int Subtracted => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> One(byte* codes, sbyte* a)
    {
        if (TCodes.Largest > 63)
        {
            Vector512<short> low = default, high = default;
            SplitStep(codes, 0, a, ref low, ref high);
            SplitStep(codes, 1, a, ref low, ref high);
            SplitStep(codes, 2, a, ref low, ref high);
            SplitStep(codes, 3, a, ref low, ref high);
            SplitStep(codes, 4, a, ref low, ref high);
            SplitStep(codes, 5, a, ref low, ref high);
            SplitStep(codes, 6, a, ref low, ref high);
            SplitStep(codes, 7, a, ref low, ref high);
            return Join(low, high);
        }

        if (TCodes.Largest > 15)
        {
            return HalfOne(codes, 0, a) + HalfOne(codes, 4, a);
        }

        return Widen(Product(codes, 0, a) + Product(codes, 1, a) + Product(codes, 2, a) + Product(codes, 3, a)
            + (Product(codes, 4, a) + Product(codes, 5, a) + Product(codes, 6, a) + Product(codes, 7, a)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        if (TCodes.Largest > 63)
        {
            SplitFour(codes, a, b, c, d, out dotA, out dotB, out dotC, out dotD);
            return;
        }

        if (TCodes.Largest > 15)
        {
            HalfFour(codes, 0, a, b, c, d, out dotA, out dotB, out dotC, out dotD);
            HalfFour(codes, 4, a, b, c, d, out Vector512<int> moreA, out Vector512<int> moreB, out Vector512<int> moreC, out Vector512<int> moreD);
            dotA += moreA;
            dotB += moreB;
            dotC += moreC;
            dotD += moreD;
            return;
        }

        Vector512<short> sumA = default, sumB = default, sumC = default, sumD = default;
        Step(codes, 0, a, b, c, d, true, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 4, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 1, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 5, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 2, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 6, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 3, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 7, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        dotA = Widen(sumA);
        dotB = Widen(sumB);
        dotC = Widen(sumC);
        dotD = Widen(sumD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> HalfOne(byte* codes, int first, sbyte* a)
    {
        Vector512<short> one = Product(codes, first, a) + Product(codes, first + 1, a);
        Vector512<short> two = Product(codes, first + 2, a) + Product(codes, first + 3, a);
        return TCodes.Largest > 31 ? Widen(one) + Widen(two) : Widen(one + two);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HalfFour(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        Vector512<short> sumA = default, sumB = default, sumC = default, sumD = default;
        Step(codes, first, a, b, c, d, true, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, first + 1, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        if (TCodes.Largest > 31)
        {
            (dotA, dotB, dotC, dotD) = (Widen(sumA), Widen(sumB), Widen(sumC), Widen(sumD));
            Step(codes, first + 2, a, b, c, d, true, ref sumA, ref sumB, ref sumC, ref sumD);
            Step(codes, first + 3, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
            dotA += Widen(sumA);
            dotB += Widen(sumB);
            dotC += Widen(sumC);
            dotD += Widen(sumD);
            return;
        }

        Step(codes, first + 2, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, first + 3, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        (dotA, dotB, dotC, dotD) = (Widen(sumA), Widen(sumB), Widen(sumC), Widen(sumD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitFour(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        Vector512<short> lowA = default, lowB = default, lowC = default, lowD = default;
        Vector512<short> highA = default, highB = default, highC = default, highD = default;
        for (nint k = 0; k < 8; k++, a += 4, b += 4, c += 4, d += 4, codes += 64)
        {
            Vector512<byte> both = TCodes.Load512(codes, 0);
            Vector512<byte> low = both & Vector512.Create((byte)15);
            Vector512<byte> high = (both.AsUInt16() >> 4).AsByte() & Vector512.Create((byte)15);
            Vector512<sbyte> four = Broadcast(a);
            lowA += Avx512BW.MultiplyAddAdjacent(low, four);
            highA += Avx512BW.MultiplyAddAdjacent(high, four);
            four = Broadcast(b);
            lowB += Avx512BW.MultiplyAddAdjacent(low, four);
            highB += Avx512BW.MultiplyAddAdjacent(high, four);
            four = Broadcast(c);
            lowC += Avx512BW.MultiplyAddAdjacent(low, four);
            highC += Avx512BW.MultiplyAddAdjacent(high, four);
            four = Broadcast(d);
            lowD += Avx512BW.MultiplyAddAdjacent(low, four);
            highD += Avx512BW.MultiplyAddAdjacent(high, four);
        }

        (dotA, dotB, dotC, dotD) = (Join(lowA, highA), Join(lowB, highB), Join(lowC, highC), Join(lowD, highD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitStep(byte* codes, int k, sbyte* a, ref Vector512<short> lowSum, ref Vector512<short> highSum)
    {
        Vector512<byte> both = TCodes.Load512(codes, k);
        Vector512<sbyte> four = Broadcast(a + (4 * k));
        lowSum += Avx512BW.MultiplyAddAdjacent(both & Vector512.Create((byte)15), four);
        highSum += Avx512BW.MultiplyAddAdjacent((both.AsUInt16() >> 4).AsByte() & Vector512.Create((byte)15), four);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        byte* codes, int k, sbyte* a, sbyte* b, sbyte* c, sbyte* d, bool first,
        ref Vector512<short> sumA, ref Vector512<short> sumB, ref Vector512<short> sumC, ref Vector512<short> sumD)
    {
        Vector512<byte> bytes = TCodes.Load512(codes, k);
        Vector512<short> pairsA = Avx512BW.MultiplyAddAdjacent(bytes, Broadcast(a + (4 * k)));
        Vector512<short> pairsB = Avx512BW.MultiplyAddAdjacent(bytes, Broadcast(b + (4 * k)));
        Vector512<short> pairsC = Avx512BW.MultiplyAddAdjacent(bytes, Broadcast(c + (4 * k)));
        Vector512<short> pairsD = Avx512BW.MultiplyAddAdjacent(bytes, Broadcast(d + (4 * k)));
        sumA = first ? pairsA : sumA + pairsA;
        sumB = first ? pairsB : sumB + pairsB;
        sumC = first ? pairsC : sumC + pairsC;
        sumD = first ? pairsD : sumD + pairsD;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Product(byte* codes, int k, sbyte* a) =>
        Avx512BW.MultiplyAddAdjacent(TCodes.Load512(codes, k), Broadcast(a + (4 * k)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> Broadcast(sbyte* four) => Vector512.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Widen(Vector512<short> pairs) => Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Join(Vector512<short> low, Vector512<short> high) =>
        Avx512BW.MultiplyAddAdjacent(low, Vector512<short>.One) + Avx512BW.MultiplyAddAdjacent(high, Vector512.Create((short)16));
}
