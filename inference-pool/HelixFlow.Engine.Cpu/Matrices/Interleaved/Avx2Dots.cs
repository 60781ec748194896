using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>AVX2: 8 rows at a time, otherwise as <see cref="Avx512Dots{TCodes}"/>, where the bounds stand.</summary>
internal readonly unsafe struct Avx2Dots<TCodes> : IDots
    where TCodes : struct, ICodes
{
    public static bool IsSupported => Avx2.IsSupported;

    public static int Subtracted => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> One(byte* codes, sbyte* a) => Vector512.Create(One8(codes, a), One8(codes + 32, a));

    // A method of its own: in one with its callers the just-in-time compiler gives up inlining before the end.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        Four8(codes, a, b, c, d, out Vector256<int> a0, out Vector256<int> b0, out Vector256<int> c0, out Vector256<int> d0);
        Four8(codes + 32, a, b, c, d, out Vector256<int> a1, out Vector256<int> b1, out Vector256<int> c1, out Vector256<int> d1);
        (dotA, dotB, dotC, dotD) = (Vector512.Create(a0, a1), Vector512.Create(b0, b1), Vector512.Create(c0, c1), Vector512.Create(d0, d1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> HalfOne(byte* codes, int first, sbyte* a) => Vector512.Create(HalfOne8(codes, first, a), HalfOne8(codes + 32, first, a));

    // A method of its own: in one with its callers the just-in-time compiler gives up inlining before the end.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void HalfFour(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        HalfFour8(codes, first, a, b, c, d, out Vector256<int> a0, out Vector256<int> b0, out Vector256<int> c0, out Vector256<int> d0);
        HalfFour8(codes + 32, first, a, b, c, d, out Vector256<int> a1, out Vector256<int> b1, out Vector256<int> c1, out Vector256<int> d1);
        (dotA, dotB, dotC, dotD) = (Vector512.Create(a0, a1), Vector512.Create(b0, b1), Vector512.Create(c0, c1), Vector512.Create(d0, d1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> One8(byte* codes, sbyte* a)
    {
        if (TCodes.Largest > 63)
        {
            Vector256<short> low = default, high = default;
            for (nint k = 0; k < 8; k++, codes += 64, a += 4)
            {
                Vector256<byte> both = TCodes.Load256(codes, 0);
                Vector256<sbyte> four = Broadcast(a);
                low += Avx2.MultiplyAddAdjacent(both & Vector256.Create((byte)15), four);
                high += Avx2.MultiplyAddAdjacent((both.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15), four);
            }

            return Join(low, high);
        }

        if (TCodes.Largest > 15)
        {
            return HalfOne8(codes, 0, a) + HalfOne8(codes, 4, a);
        }

        return Widen(Product(codes, 0, a) + Product(codes, 1, a) + Product(codes, 2, a) + Product(codes, 3, a)
            + (Product(codes, 4, a) + Product(codes, 5, a) + Product(codes, 6, a) + Product(codes, 7, a)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four8(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector256<int> dotA, out Vector256<int> dotB, out Vector256<int> dotC, out Vector256<int> dotD)
    {
        if (TCodes.Largest > 63)
        {
            SplitFour8(codes, a, b, c, d, out dotA, out dotB, out dotC, out dotD);
            return;
        }

        if (TCodes.Largest > 15)
        {
            HalfFour8(codes, 0, a, b, c, d, out dotA, out dotB, out dotC, out dotD);
            HalfFour8(codes, 4, a, b, c, d, out Vector256<int> moreA, out Vector256<int> moreB, out Vector256<int> moreC, out Vector256<int> moreD);
            dotA += moreA;
            dotB += moreB;
            dotC += moreC;
            dotD += moreD;
            return;
        }

        Vector256<short> sumA = default, sumB = default, sumC = default, sumD = default;
        Step(codes, 0, a, b, c, d, true, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 4, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 1, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 5, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 2, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 6, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 3, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        Step(codes, 7, a, b, c, d, false, ref sumA, ref sumB, ref sumC, ref sumD);
        (dotA, dotB, dotC, dotD) = (Widen(sumA), Widen(sumB), Widen(sumC), Widen(sumD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> HalfOne8(byte* codes, int first, sbyte* a)
    {
        Vector256<short> one = Product(codes, first, a) + Product(codes, first + 1, a);
        Vector256<short> two = Product(codes, first + 2, a) + Product(codes, first + 3, a);
        return TCodes.Largest > 31 ? Widen(one) + Widen(two) : Widen(one + two);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfFour8(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector256<int> dotA, out Vector256<int> dotB, out Vector256<int> dotC, out Vector256<int> dotD)
    {
        Vector256<short> sumA = default, sumB = default, sumC = default, sumD = default;
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
    private static void SplitFour8(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector256<int> dotA, out Vector256<int> dotB, out Vector256<int> dotC, out Vector256<int> dotD)
    {
        Vector256<short> lowA = default, lowB = default, lowC = default, lowD = default;
        Vector256<short> highA = default, highB = default, highC = default, highD = default;
        for (nint k = 0; k < 8; k++, a += 4, b += 4, c += 4, d += 4, codes += 64)
        {
            Vector256<byte> both = TCodes.Load256(codes, 0);
            Vector256<byte> low = both & Vector256.Create((byte)15);
            Vector256<byte> high = (both.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
            Vector256<sbyte> four = Broadcast(a);
            lowA += Avx2.MultiplyAddAdjacent(low, four);
            highA += Avx2.MultiplyAddAdjacent(high, four);
            four = Broadcast(b);
            lowB += Avx2.MultiplyAddAdjacent(low, four);
            highB += Avx2.MultiplyAddAdjacent(high, four);
            four = Broadcast(c);
            lowC += Avx2.MultiplyAddAdjacent(low, four);
            highC += Avx2.MultiplyAddAdjacent(high, four);
            four = Broadcast(d);
            lowD += Avx2.MultiplyAddAdjacent(low, four);
            highD += Avx2.MultiplyAddAdjacent(high, four);
        }

        (dotA, dotB, dotC, dotD) = (Join(lowA, highA), Join(lowB, highB), Join(lowC, highC), Join(lowD, highD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        byte* codes, int k, sbyte* a, sbyte* b, sbyte* c, sbyte* d, bool first,
        ref Vector256<short> sumA, ref Vector256<short> sumB, ref Vector256<short> sumC, ref Vector256<short> sumD)
    {
        Vector256<byte> bytes = TCodes.Load256(codes, k);
        Vector256<short> pairsA = Avx2.MultiplyAddAdjacent(bytes, Broadcast(a + (4 * k)));
        Vector256<short> pairsB = Avx2.MultiplyAddAdjacent(bytes, Broadcast(b + (4 * k)));
        Vector256<short> pairsC = Avx2.MultiplyAddAdjacent(bytes, Broadcast(c + (4 * k)));
        Vector256<short> pairsD = Avx2.MultiplyAddAdjacent(bytes, Broadcast(d + (4 * k)));
        sumA = first ? pairsA : sumA + pairsA;
        sumB = first ? pairsB : sumB + pairsB;
        sumC = first ? pairsC : sumC + pairsC;
        sumD = first ? pairsD : sumD + pairsD;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Product(byte* codes, int k, sbyte* a) =>
        Avx2.MultiplyAddAdjacent(TCodes.Load256(codes, k), Broadcast(a + (4 * k)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector256<short> pairs) => Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Join(Vector256<short> low, Vector256<short> high) =>
        Avx2.MultiplyAddAdjacent(low, Vector256<short>.One) + Avx2.MultiplyAddAdjacent(high, Vector256.Create((short)16));
}
