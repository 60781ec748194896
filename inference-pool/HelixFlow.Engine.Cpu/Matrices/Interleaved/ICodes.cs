using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>How the codes of 32 columns and 16 rows are stored: gives them one byte each, four inputs of every row at a time.</summary>
/// <remarks>
/// <c>k</c>, 0 to 7, says which inputs: 4k to 4k + 3; it is a constant wherever these are called. The narrower loads give a part of the 16 rows: 8 or 4 of
/// them, from the 32nd or 16th byte on when <c>codes</c> is moved by so much.
/// </remarks>
internal unsafe interface ICodes
{
    /// <summary>The largest code.</summary>
    static abstract int Largest { get; }

    static abstract Vector512<byte> Load512(byte* codes, int k);

    static abstract Vector256<byte> Load256(byte* codes, int k);

    static abstract Vector128<byte> Load128(byte* codes, int k);
}

/// <summary>A byte for each code of 8 bits.</summary>
internal readonly unsafe struct ByteCodes : ICodes
{
    public static int Largest => 255;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512(byte* codes, int k) => Vector512.Load(codes + (64 * k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256(byte* codes, int k) => Vector256.Load(codes + (64 * k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128(byte* codes, int k) => Vector128.Load(codes + (64 * k));
}

/// <summary>A byte for each code of 5 bits.</summary>
internal readonly unsafe struct FiveBitCodes : ICodes
{
    public static int Largest => 31;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512(byte* codes, int k) => Vector512.Load(codes + (64 * k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256(byte* codes, int k) => Vector256.Load(codes + (64 * k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128(byte* codes, int k) => Vector128.Load(codes + (64 * k));
}

/// <summary>Four bits a code: inputs 0 to 15 in the low nibbles, 16 to 31 in the high ones.</summary>
internal readonly unsafe struct NibbleCodes : ICodes
{
    public static int Largest => 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512(byte* codes, int k)
    {
        Vector512<byte> both = Vector512.Load(codes + (64 * (k % 4)));
        return (k < 4 ? both : (both.AsUInt16() >> 4).AsByte()) & Vector512.Create((byte)15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256(byte* codes, int k)
    {
        Vector256<byte> both = Vector256.Load(codes + (64 * (k % 4)));
        return (k < 4 ? both : (both.AsUInt16() >> 4).AsByte()) & Vector256.Create((byte)15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128(byte* codes, int k)
    {
        Vector128<byte> both = Vector128.Load(codes + (64 * (k % 4)));
        return k < 4 ? both & Vector128.Create((byte)15) : both >> 4;
    }
}

/// <summary>Nibbles, then 64 bytes of fifth bits: bit k belongs to the k-th inputs.</summary>
internal readonly unsafe struct FifthBitCodes : ICodes
{
    public static int Largest => 31;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512(byte* codes, int k)
    {
        Vector512<ushort> bits = Vector512.Load(codes + 256).AsUInt16();
        Vector512<ushort> fifth = k < 4 ? bits << (4 - k) : bits >> (k - 4);
        return NibbleCodes.Load512(codes, k) | (fifth.AsByte() & Vector512.Create((byte)16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256(byte* codes, int k)
    {
        Vector256<ushort> bits = Vector256.Load(codes + 256).AsUInt16();
        Vector256<ushort> fifth = k < 4 ? bits << (4 - k) : bits >> (k - 4);
        return NibbleCodes.Load256(codes, k) | (fifth.AsByte() & Vector256.Create((byte)16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128(byte* codes, int k)
    {
        Vector128<ushort> bits = Vector128.Load(codes + 256).AsUInt16();
        Vector128<ushort> fifth = k < 4 ? bits << (4 - k) : bits >> (k - 4);
        return NibbleCodes.Load128(codes, k) | (fifth.AsByte() & Vector128.Create((byte)16));
    }
}

/// <summary>Nibbles, then the upper two bits: 64 bytes for the first 16 columns, 64 for the second.</summary>
internal readonly unsafe struct SixBitCodes : ICodes
{
    public static int Largest => 63;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512(byte* codes, int k)
    {
        Vector512<ushort> bits = Vector512.Load(codes + 256 + (64 * (k / 4))).AsUInt16();
        Vector512<ushort> upper = k % 4 == 3 ? bits >> 2 : bits << (4 - (2 * (k % 4)));
        return NibbleCodes.Load512(codes, k) | (upper.AsByte() & Vector512.Create((byte)48));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256(byte* codes, int k)
    {
        Vector256<ushort> bits = Vector256.Load(codes + 256 + (64 * (k / 4))).AsUInt16();
        Vector256<ushort> upper = k % 4 == 3 ? bits >> 2 : bits << (4 - (2 * (k % 4)));
        return NibbleCodes.Load256(codes, k) | (upper.AsByte() & Vector256.Create((byte)48));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128(byte* codes, int k)
    {
        Vector128<ushort> bits = Vector128.Load(codes + 256 + (64 * (k / 4))).AsUInt16();
        Vector128<ushort> upper = k % 4 == 3 ? bits >> 2 : bits << (4 - (2 * (k % 4)));
        return NibbleCodes.Load128(codes, k) | (upper.AsByte() & Vector128.Create((byte)48));
    }
}
