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
    public static Vector512<int> One(byte* codes, sbyte* a) =>
        Vector512.Create(HalfOne8(codes, false, a) + HalfOne8(codes, true, a), HalfOne8(codes + 32, false, a) + HalfOne8(codes + 32, true, a));

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
            Vector256<int> p = default, q = default, r = default, s = default;
            AddHalfFour8(codes, false, a, b, c, d, ref p, ref q, ref r, ref s);
            AddHalfFour8(codes, true, a, b, c, d, ref p, ref q, ref r, ref s);
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
    private static Vector256<int> HalfOne8(byte* codes, bool upper, sbyte* a)
    {
        a += upper ? 16 : 0;
        Vector256<int> dot = AvxVnni.MultiplyWideningAndAdd(default, TCodes.Load256(codes, 0, upper), Broadcast(a));
        dot = AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, 1, upper), Broadcast(a + 4));
        dot = AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, 2, upper), Broadcast(a + 8));
        return AvxVnni.MultiplyWideningAndAdd(dot, TCodes.Load256(codes, 3, upper), Broadcast(a + 12));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalfFour8(
        byte* codes, bool upper, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector256<int> dotA, ref Vector256<int> dotB, ref Vector256<int> dotC, ref Vector256<int> dotD)
    {
        for (int k = 0; k < 4; k++)
        {
            Vector256<byte> bytes = TCodes.Load256(codes, k, upper);
            int at = (4 * k) + (upper ? 16 : 0);
            dotA = AvxVnni.MultiplyWideningAndAdd(dotA, bytes, Broadcast(a + at));
            dotB = AvxVnni.MultiplyWideningAndAdd(dotB, bytes, Broadcast(b + at));
            dotC = AvxVnni.MultiplyWideningAndAdd(dotC, bytes, Broadcast(c + at));
            dotD = AvxVnni.MultiplyWideningAndAdd(dotD, bytes, Broadcast(d + at));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* four) => Vector256.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();
}
