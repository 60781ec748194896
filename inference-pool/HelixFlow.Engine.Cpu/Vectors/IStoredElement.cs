using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Vectors;

/// <summary>A stored number that widens to float32 in registers.</summary>
internal unsafe interface IStoredElement
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>What a widened element must still be multiplied by; a power of two, so that a kernel may multiply anything else of the product instead.</summary>
    static abstract float Factor { get; }

    static abstract Vector512<float> Load16(byte* source);

    static abstract Vector256<float> Load8(byte* source);

    static abstract Vector128<float> Load4(byte* source);
}

internal readonly unsafe struct StoredSingle : IStoredElement
{
    public static int Bytes => 4;

    public static float Factor => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* source) => Vector512.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* source) => Vector256.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* source) => Vector128.Load((float*)source);
}

/// <summary>bfloat16: the upper half of a float32.</summary>
internal readonly unsafe struct StoredBrain : IStoredElement
{
    public static int Bytes => 2;

    public static float Factor => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* source) => (Vector512.WidenLower(Vector256.Load((ushort*)source).ToVector512Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* source) => (Vector256.WidenLower(Vector128.Load((ushort*)source).ToVector256Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* source) => (Vector128.WidenLower(Vector64.Load((ushort*)source).ToVector128Unsafe()) << 16).AsSingle();
}

/// <summary>
/// IEEE half precision. The bits are moved to where a float32 has them, which gives the number divided by 2^112, exactly: for subnormal halves too, and
/// for all but infinities and NaN.
/// </summary>
internal readonly unsafe struct StoredHalf : IStoredElement
{
    // The sign is copied to the bits above the exponent by widening; they are cleared, but for the sign itself.
    private const int Bits = unchecked((int)0x8FFFE000);

    public static int Bytes => 2;

    public static float Factor => 5192296858534827628530496329220096f; // 2^112

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* source) =>
        ((Vector512.WidenLower(Vector256.Load((short*)source).ToVector512Unsafe()) << 13) & Vector512.Create(Bits)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* source) =>
        ((Vector256.WidenLower(Vector128.Load((short*)source).ToVector256Unsafe()) << 13) & Vector256.Create(Bits)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* source) =>
        ((Vector128.WidenLower(Vector64.Load((short*)source).ToVector128Unsafe()) << 13) & Vector128.Create(Bits)).AsSingle();
}

/// <summary>A code of 8 bits, of a block whose scale is kept apart.</summary>
internal readonly unsafe struct StoredCode : IStoredElement
{
    public static int Bytes => 1;

    public static float Factor => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* source)
    {
        Vector256<short> codes = Vector256.WidenLower(Vector128.Load((sbyte*)source).ToVector256Unsafe());
        return Vector512.ConvertToSingle(Vector512.WidenLower(codes.ToVector512Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* source)
    {
        Vector128<short> codes = Vector128.WidenLower(Vector64.Load((sbyte*)source).ToVector128Unsafe());
        return Vector256.ConvertToSingle(Vector256.WidenLower(codes.ToVector256Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(byte* source)
    {
        Vector128<short> codes = Vector128.WidenLower(Vector128.CreateScalar(*(int*)source).AsSByte());
        return Vector128.ConvertToSingle(Vector128.WidenLower(codes));
    }
}
