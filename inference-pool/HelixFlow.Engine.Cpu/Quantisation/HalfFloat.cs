using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Conversions of 16-bit floats, eight or sixteen at a time; .NET has no intrinsic for them.</summary>
internal static unsafe class HalfFloat
{
    private const float TwoTo112 = 5192296858534827628530496329220096f;

    /// <summary>IEEE half precision: exact for all finite values, subnormal ones included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Widen8(ushort* source)
    {
        Vector256<uint> bits = Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe());
        Vector256<uint> magnitude = (bits & Vector256.Create(0x7FFFu)) << 13;
        Vector256<uint> sign = (bits & Vector256.Create(0x8000u)) << 16;
        return (Vector256.AsUInt32(magnitude.AsSingle() * Vector256.Create(TwoTo112)) | sign).AsSingle();
    }

    /// <summary>As <see cref="Widen8"/>, sixteen at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen16(ushort* source)
    {
        Vector512<uint> bits = Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe());
        Vector512<uint> magnitude = (bits & Vector512.Create(0x7FFFu)) << 13;
        Vector512<uint> sign = (bits & Vector512.Create(0x8000u)) << 16;
        return (Vector512.AsUInt32(magnitude.AsSingle() * Vector512.Create(TwoTo112)) | sign).AsSingle();
    }

    /// <summary>bfloat16: the upper half of a float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> WidenBrain8(ushort* source) =>
        (Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> WidenBrain16(ushort* source) =>
        (Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe()) << 16).AsSingle();

    public static float Widen(ushort half) => (float)BitConverter.UInt16BitsToHalf(half);

    public static float WidenBrain(ushort brain) => BitConverter.UInt32BitsToSingle((uint)brain << 16);

    public static ushort Narrow(float value) => BitConverter.HalfToUInt16Bits((Half)value);
}
