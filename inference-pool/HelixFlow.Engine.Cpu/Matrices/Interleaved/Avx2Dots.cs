using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>AVX2: 8 rows at a time, otherwise as <see cref="Avx512Dots{TCodes}"/>, where the bounds on sums of 16 bits stand.</summary>
/// <remarks>Loops are left to the processor to unroll: in longer code the just-in-time compiler gives up inlining before the end.</remarks>
internal readonly unsafe struct Avx2Dots<TCodes> : IDots
    where TCodes : struct, ICodes
{
    public static bool IsSupported => Avx2.IsSupported;

    public static int Subtracted => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> One(byte* codes, sbyte* a) => Vector512.Create(One8(codes, a), One8(codes + 32, a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> HalfOne(byte* codes, int first, sbyte* a) => first == 0
        ? Vector512.Create(HalfOne8(codes, false, a), HalfOne8(codes + 32, false, a))
        : Vector512.Create(HalfOne8(codes, true, a), HalfOne8(codes + 32, true, a));

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        int* dots = stackalloc int[4 * 16]; // [activation row, output]
        for (nint rows = 0; rows < 16; rows += 8, codes += 32)
        {
            Vector256<int> p, q, r, s;
            if (TCodes.Largest > 63)
            {
                SplitFour8(codes, a, b, c, d, out p, out q, out r, out s);
            }
            else
            {
                Four8(codes, a, b, c, d, out p, out q, out r, out s);
            }

            p.Store(dots + rows);
            q.Store(dots + rows + 16);
            r.Store(dots + rows + 32);
            s.Store(dots + rows + 48);
        }

        (dotA, dotB, dotC, dotD) = (Vector512.Load(dots), Vector512.Load(dots + 16), Vector512.Load(dots + 32), Vector512.Load(dots + 48));
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void HalfFour(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        int* dots = stackalloc int[4 * 16]; // [activation row, output]
        for (nint rows = 0; rows < 16; rows += 8, codes += 32)
        {
            Vector256<int> p = default, q = default, r = default, s = default;
            if (first == 0)
            {
                AddHalfFour8(codes, false, a, b, c, d, ref p, ref q, ref r, ref s);
            }
            else
            {
                AddHalfFour8(codes, true, a, b, c, d, ref p, ref q, ref r, ref s);
            }

            p.Store(dots + rows);
            q.Store(dots + rows + 16);
            r.Store(dots + rows + 32);
            s.Store(dots + rows + 48);
        }

        (dotA, dotB, dotC, dotD) = (Vector512.Load(dots), Vector512.Load(dots + 16), Vector512.Load(dots + 32), Vector512.Load(dots + 48));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> One8(byte* codes, sbyte* a)
    {
        if (TCodes.Largest > 63)
        {
            Vector256<short> low = default, high = default;
            for (nint k = 0; k < 8; k++, codes += 64, a += 4)
            {
                Vector256<byte> both = TCodes.Load256(codes, 0, false);
                Vector256<sbyte> four = Broadcast(a);
                low += Avx2.MultiplyAddAdjacent(both & Vector256.Create((byte)15), four);
                high += Avx2.MultiplyAddAdjacent((both.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15), four);
            }

            return Join(low, high);
        }

        return TCodes.Largest > 15
            ? HalfOne8(codes, false, a) + HalfOne8(codes, true, a)
            : Widen(Product(codes, 0, false, a) + Product(codes, 1, false, a) + Product(codes, 2, false, a) + Product(codes, 3, false, a)
                + (Product(codes, 0, true, a) + Product(codes, 1, true, a) + Product(codes, 2, true, a) + Product(codes, 3, true, a)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> HalfOne8(byte* codes, bool upper, sbyte* a)
    {
        Vector256<short> one = Product(codes, 0, upper, a) + Product(codes, 1, upper, a);
        Vector256<short> two = Product(codes, 2, upper, a) + Product(codes, 3, upper, a);
        return TCodes.Largest > 31 ? Widen(one) + Widen(two) : Widen(one + two);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four8(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector256<int> dotA, out Vector256<int> dotB, out Vector256<int> dotC, out Vector256<int> dotD)
    {
        if (TCodes.Largest > 15)
        {
            dotA = dotB = dotC = dotD = default;
            AddHalfFour8(codes, false, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
            AddHalfFour8(codes, true, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
            return;
        }

        Vector256<short> sumA = default, sumB = default, sumC = default, sumD = default;
        for (int k = 0; k < 4; k++)
        {
            Vector256<byte> low = TCodes.Load256(codes, k, false);
            Vector256<byte> high = TCodes.Load256(codes, k, true);
            sumA = sumA + Avx2.MultiplyAddAdjacent(low, Broadcast(a + (4 * k))) + Avx2.MultiplyAddAdjacent(high, Broadcast(a + 16 + (4 * k)));
            sumB = sumB + Avx2.MultiplyAddAdjacent(low, Broadcast(b + (4 * k))) + Avx2.MultiplyAddAdjacent(high, Broadcast(b + 16 + (4 * k)));
            sumC = sumC + Avx2.MultiplyAddAdjacent(low, Broadcast(c + (4 * k))) + Avx2.MultiplyAddAdjacent(high, Broadcast(c + 16 + (4 * k)));
            sumD = sumD + Avx2.MultiplyAddAdjacent(low, Broadcast(d + (4 * k))) + Avx2.MultiplyAddAdjacent(high, Broadcast(d + 16 + (4 * k)));
        }

        (dotA, dotB, dotC, dotD) = (Widen(sumA), Widen(sumB), Widen(sumC), Widen(sumD));
    }

    // Two loads at a time: their sums of 6-bit codes fit 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalfFour8(
        byte* codes, bool upper, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector256<int> dotA, ref Vector256<int> dotB, ref Vector256<int> dotC, ref Vector256<int> dotD)
    {
        for (int k = 0; k < 4; k += 2)
        {
            Vector256<byte> first = TCodes.Load256(codes, k, upper);
            Vector256<byte> second = TCodes.Load256(codes, k + 1, upper);
            int at = (4 * k) + (upper ? 16 : 0);
            dotA += Widen(Avx2.MultiplyAddAdjacent(first, Broadcast(a + at)) + Avx2.MultiplyAddAdjacent(second, Broadcast(a + at + 4)));
            dotB += Widen(Avx2.MultiplyAddAdjacent(first, Broadcast(b + at)) + Avx2.MultiplyAddAdjacent(second, Broadcast(b + at + 4)));
            dotC += Widen(Avx2.MultiplyAddAdjacent(first, Broadcast(c + at)) + Avx2.MultiplyAddAdjacent(second, Broadcast(c + at + 4)));
            dotD += Widen(Avx2.MultiplyAddAdjacent(first, Broadcast(d + at)) + Avx2.MultiplyAddAdjacent(second, Broadcast(d + at + 4)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitFour8(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector256<int> dotA, out Vector256<int> dotB, out Vector256<int> dotC, out Vector256<int> dotD)
    {
        Vector256<short> lowA = default, lowB = default, lowC = default, lowD = default;
        Vector256<short> highA = default, highB = default, highC = default, highD = default;
        for (nint at = 0; at < 32; at += 4, codes += 64)
        {
            Vector256<byte> both = TCodes.Load256(codes, 0, false);
            Vector256<byte> low = both & Vector256.Create((byte)15);
            Vector256<byte> high = (both.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
            lowA += Avx2.MultiplyAddAdjacent(low, Broadcast(a + at));
            highA += Avx2.MultiplyAddAdjacent(high, Broadcast(a + at));
            lowB += Avx2.MultiplyAddAdjacent(low, Broadcast(b + at));
            highB += Avx2.MultiplyAddAdjacent(high, Broadcast(b + at));
            lowC += Avx2.MultiplyAddAdjacent(low, Broadcast(c + at));
            highC += Avx2.MultiplyAddAdjacent(high, Broadcast(c + at));
            lowD += Avx2.MultiplyAddAdjacent(low, Broadcast(d + at));
            highD += Avx2.MultiplyAddAdjacent(high, Broadcast(d + at));
        }

        (dotA, dotB, dotC, dotD) = (Join(lowA, highA), Join(lowB, highB), Join(lowC, highC), Join(lowD, highD));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Product(byte* codes, int k, bool upper, sbyte* a) =>
        Avx2.MultiplyAddAdjacent(TCodes.Load256(codes, k, upper), Broadcast(a + (4 * k) + (upper ? 16 : 0)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector256<short> pairs) => Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Join(Vector256<short> low, Vector256<short> high) =>
        Avx2.MultiplyAddAdjacent(low, Vector256<short>.One) + Avx2.MultiplyAddAdjacent(high, Vector256.Create((short)16));
}
