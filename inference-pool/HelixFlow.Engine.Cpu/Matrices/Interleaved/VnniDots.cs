using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>AVX-VNNI: VPDPBUSD adds four products of an unsigned and a signed byte to 32 bits; 8 rows at a time.</summary>
internal readonly unsafe struct VnniDots<TCodes> : IDots
    where TCodes : struct, ICodes
{
    public static bool IsSupported => AvxVnni.IsSupported;

    public static int Subtracted => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> One(byte* codes, sbyte* a) => HalfOne(codes, 0, a) + HalfOne(codes, 4, a);

    // A method of its own: in one with its callers the just-in-time compiler gives up inlining before the end.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        Vector256<int> a0 = default, b0 = default, c0 = default, d0 = default, a1 = default, b1 = default, c1 = default, d1 = default;
        HalfFour8(codes, 0, a, b, c, d, ref a0, ref b0, ref c0, ref d0);
        HalfFour8(codes, 4, a, b, c, d, ref a0, ref b0, ref c0, ref d0);
        HalfFour8(codes + 32, 0, a, b, c, d, ref a1, ref b1, ref c1, ref d1);
        HalfFour8(codes + 32, 4, a, b, c, d, ref a1, ref b1, ref c1, ref d1);
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
        Vector256<int> a0 = default, b0 = default, c0 = default, d0 = default, a1 = default, b1 = default, c1 = default, d1 = default;
        HalfFour8(codes, first, a, b, c, d, ref a0, ref b0, ref c0, ref d0);
        HalfFour8(codes + 32, first, a, b, c, d, ref a1, ref b1, ref c1, ref d1);
        (dotA, dotB, dotC, dotD) = (Vector512.Create(a0, a1), Vector512.Create(b0, b1), Vector512.Create(c0, c1), Vector512.Create(d0, d1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> HalfOne8(byte* codes, int first, sbyte* a)
    {
        Vector256<int> dot = AvxVnni.MultiplyWideningAndAdd(default, TCodes.Load256(codes, first), Broadcast(a + (4 * first)));
        dot = AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, first + 1), Broadcast(a + (4 * first) + 4));
        dot = AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, first + 2), Broadcast(a + (4 * first) + 8));
        return AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, first + 3), Broadcast(a + (4 * first) + 12));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfFour8(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector256<int> dotA, ref Vector256<int> dotB, ref Vector256<int> dotC, ref Vector256<int> dotD)
    {
        Step(codes, first, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 1, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 2, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 3, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        byte* codes, int k, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector256<int> dotA, ref Vector256<int> dotB, ref Vector256<int> dotC, ref Vector256<int> dotD)
    {
        Vector256<byte> bytes = TCodes.Load256(codes, k);
        dotA = AvxVnni.MultiplyWideningAndAdd(dotA, bytes, Broadcast(a + (4 * k)));
        dotB = AvxVnni.MultiplyWideningAndAdd(dotB, bytes, Broadcast(b + (4 * k)));
        dotC = AvxVnni.MultiplyWideningAndAdd(dotC, bytes, Broadcast(c + (4 * k)));
        dotD = AvxVnni.MultiplyWideningAndAdd(dotD, bytes, Broadcast(d + (4 * k)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();
}
