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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> One(byte* codes, sbyte* a) => Join(
        Quad(codes, 4, a, Quad(codes, 0, a, default)), Quad(codes + 16, 4, a, Quad(codes + 16, 0, a, default)),
        Quad(codes + 32, 4, a, Quad(codes + 32, 0, a, default)), Quad(codes + 48, 4, a, Quad(codes + 48, 0, a, default)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> HalfOne(byte* codes, int first, sbyte* a) => Join(
        Quad(codes, first, a, default), Quad(codes + 16, first, a, default), Quad(codes + 32, first, a, default), Quad(codes + 48, first, a, default));

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        int* dots = stackalloc int[4 * 16]; // [activation row, output]
        for (int part = 0; part < 4; part++)
        {
            Vector128<int> p = default, q = default, r = default, s = default;
            Quad(codes + (16 * part), 0, a, b, c, d, ref p, ref q, ref r, ref s);
            Quad(codes + (16 * part), 4, a, b, c, d, ref p, ref q, ref r, ref s);
            Store(dots + (4 * part), p, q, r, s);
        }

        (dotA, dotB, dotC, dotD) = (Vector512.Load(dots), Vector512.Load(dots + 16), Vector512.Load(dots + 32), Vector512.Load(dots + 48));
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void HalfFour(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD)
    {
        int* dots = stackalloc int[4 * 16]; // [activation row, output]
        for (int part = 0; part < 4; part++)
        {
            Vector128<int> p = default, q = default, r = default, s = default;
            if (first == 0)
            {
                Quad(codes + (16 * part), 0, a, b, c, d, ref p, ref q, ref r, ref s);
            }
            else
            {
                Quad(codes + (16 * part), 4, a, b, c, d, ref p, ref q, ref r, ref s);
            }

            Store(dots + (4 * part), p, q, r, s);
        }

        (dotA, dotB, dotC, dotD) = (Vector512.Load(dots), Vector512.Load(dots + 16), Vector512.Load(dots + 32), Vector512.Load(dots + 48));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Quad(byte* codes, int first, sbyte* a, Vector128<int> dot)
    {
        dot = TDot.Add(dot, Load(codes, first), Broadcast(a + (4 * first)));
        dot = TDot.Add(dot, Load(codes, first + 1), Broadcast(a + (4 * first) + 4));
        dot = TDot.Add(dot, Load(codes, first + 2), Broadcast(a + (4 * first) + 8));
        return TDot.Add(dot, Load(codes, first + 3), Broadcast(a + (4 * first) + 12));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quad(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector128<int> dotA, ref Vector128<int> dotB, ref Vector128<int> dotC, ref Vector128<int> dotD)
    {
        Step(codes, first, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 1, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 2, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
        Step(codes, first + 3, a, b, c, d, ref dotA, ref dotB, ref dotC, ref dotD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        byte* codes, int k, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        ref Vector128<int> dotA, ref Vector128<int> dotB, ref Vector128<int> dotC, ref Vector128<int> dotD)
    {
        Vector128<byte> bytes = Load(codes, k);
        dotA = TDot.Add(dotA, bytes, Broadcast(a + (4 * k)));
        dotB = TDot.Add(dotB, bytes, Broadcast(b + (4 * k)));
        dotC = TDot.Add(dotC, bytes, Broadcast(c + (4 * k)));
        dotD = TDot.Add(dotD, bytes, Broadcast(d + (4 * k)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Load(byte* codes, int k) =>
        Subtracted == 128 ? TCodes.Load128(codes, k) ^ Vector128.Create((byte)128) : TCodes.Load128(codes, k);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Broadcast(sbyte* four) => Vector128.Create(Unsafe.ReadUnaligned<int>(four)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(int* dots, Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d)
    {
        a.Store(dots);
        b.Store(dots + 16);
        c.Store(dots + 32);
        d.Store(dots + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Join(Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d) =>
        Vector512.Create(Vector256.Create(a, b), Vector256.Create(c, d));
}
