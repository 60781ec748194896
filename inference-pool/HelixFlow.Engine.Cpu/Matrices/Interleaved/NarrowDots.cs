using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>How a 128-bit instruction set adds the dot products of four bytes to every 32-bit lane.</summary>
internal interface IByteDot128
{
    static abstract bool IsSupported { get; }

    /// <summary>Whether codes of 8 bits are taken as signed, so that 128 is subtracted from them.</summary>
    static abstract bool TakesSigned { get; }

    static abstract Vector128<int> Add(Vector128<int> sum, Vector128<byte> codes, Vector128<sbyte> activations);
}

/// <summary>Operations that .NET has on every processor.</summary>
internal readonly struct PortableDot : IByteDot128
{
    public static bool IsSupported => true;

    public static bool TakesSigned => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> sum, Vector128<byte> codes, Vector128<sbyte> activations)
    {
        // Even and odd bytes as 16-bit numbers: a product of 255 and -128 still fits.
        Vector128<short> u = codes.AsInt16();
        Vector128<short> s = activations.AsInt16();
        Vector128<int> even = ((u & Vector128.Create((short)255)) * ((s << 8) >> 8)).AsInt32();
        Vector128<int> odd = ((u.AsUInt16() >> 8).AsInt16() * (s >> 8)).AsInt32();
        return sum + ((even << 16) >> 16) + (even >> 16) + ((odd << 16) >> 16) + (odd >> 16);
    }
}

/// <summary>The dot-product extension of ARM64: signed times signed, which codes below 128 are as they stand.</summary>
internal readonly struct ArmDot : IByteDot128
{
    public static bool IsSupported => Dp.IsSupported;

    public static bool TakesSigned => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> sum, Vector128<byte> codes, Vector128<sbyte> activations) =>
        Dp.DotProduct(sum, codes.AsSByte(), activations);
}

/// <summary>
/// What <see cref="ArmDot"/> computes, with operations that every processor has: so that the signed way of 8-bit codes is tested where there is no ARM64.
/// </summary>
internal readonly struct SignedPortableDot : IByteDot128
{
    public static bool IsSupported => true;

    public static bool TakesSigned => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> sum, Vector128<byte> codes, Vector128<sbyte> activations)
    {
        Vector128<short> w = codes.AsInt16();
        Vector128<short> s = activations.AsInt16();
        Vector128<int> even = (((w << 8) >> 8) * ((s << 8) >> 8)).AsInt32();
        Vector128<int> odd = ((w >> 8) * (s >> 8)).AsInt32();
        return sum + ((even << 16) >> 16) + (even >> 16) + ((odd << 16) >> 16) + (odd >> 16);
    }
}

/// <summary>128-bit vectors: four rows at a time.</summary>
internal readonly unsafe struct NarrowDots<TCodes, TDot> : IDots
    where TCodes : struct, ICodes
    where TDot : struct, IByteDot128
{
    public static bool IsSupported => TDot.IsSupported;

    public static int Subtracted
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TDot.TakesSigned && TCodes.Largest > 127 ? 128 : 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static Vector512<int> One(byte* codes, sbyte* a)
    {
        int* dots = stackalloc int[16];
        for (nint rows = 0; rows < 16; rows += 4, codes += 16)
        {
            AddHalfOne4(codes, true, a, AddHalfOne4(codes, false, a, default)).Store(dots + rows);
        }

        return Vector512.Load(dots);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static Vector512<int> HalfOne(byte* codes, int first, sbyte* a)
    {
        int* dots = stackalloc int[16];
        for (nint rows = 0; rows < 16; rows += 4, codes += 16)
        {
            (first == 0 ? AddHalfOne4(codes, false, a, default) : AddHalfOne4(codes, true, a, default)).Store(dots + rows);
        }

        return Vector512.Load(dots);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        int* dots = stackalloc int[4 * 16]; // [activation row, output]
        for (nint rows = 0; rows < 16; rows += 4, codes += 16)
        {
            Vector128<int> p = default, q = default, r = default, s = default;
            AddHalfFour4(codes, false, a, b, c, d, ref p, ref q, ref r, ref s);
            AddHalfFour4(codes, true, a, b, c, d, ref p, ref q, ref r, ref s);
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
        for (nint rows = 0; rows < 16; rows += 4, codes += 16)
        {
            Vector128<int> p = default, q = default, r = default, s = default;
            if (first == 0)
            {
                AddHalfFour4(codes, false, a, b, c, d, ref p, ref q, ref r, ref s);
            }
            else
            {
                AddHalfFour4(codes, true, a, b, c, d, ref p, ref q, ref r, ref s);
            }

            p.Store(dots + rows);
            q.Store(dots + rows + 16);
            r.Store(dots + rows + 32);
            s.Store(dots + rows + 48);
        }

        (dotA, dotB, dotC, dotD) = (Vector512.Load(dots), Vector512.Load(dots + 16), Vector512.Load(dots + 32), Vector512.Load(dots + 48));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> AddHalfOne4(byte* codes, bool upper, sbyte* a, Vector128<int> dot)
    {
        a += upper ? 16 : 0;
        dot = TDot.Add(dot, Load(codes, 0, upper), Broadcast(a));
        dot = TDot.Add(dot, Load(codes, 1, upper), Broadcast(a + 4));
        dot = TDot.Add(dot, Load(codes, 2, upper), Broadcast(a + 8));
        return TDot.Add(dot, Load(codes, 3, upper), Broadcast(a + 12));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalfFour4(
        byte* codes, bool upper, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector128<int> dotA, ref Vector128<int> dotB, ref Vector128<int> dotC, ref Vector128<int> dotD)
    {
        for (int k = 0; k < 4; k++)
        {
            Vector128<byte> bytes = Load(codes, k, upper);
            int at = (4 * k) + (upper ? 16 : 0);
            dotA = TDot.Add(dotA, bytes, Broadcast(a + at));
            dotB = TDot.Add(dotB, bytes, Broadcast(b + at));
            dotC = TDot.Add(dotC, bytes, Broadcast(c + at));
            dotD = TDot.Add(dotD, bytes, Broadcast(d + at));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Load(byte* codes, int k, bool upper) =>
        Subtracted == 128 ? TCodes.Load128(codes, k, upper) ^ Vector128.Create((byte)128) : TCodes.Load128(codes, k, upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Broadcast(sbyte* four) => Vector128.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();
}
