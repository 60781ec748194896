using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Conversions of 16-bit floats, one or eight at a time; .NET has no intrinsic for them.</summary>
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

    public static float Widen(ushort half) => (float)BitConverter.UInt16BitsToHalf(half);

    public static float WidenBrain(ushort brain) => BitConverter.UInt32BitsToSingle((uint)brain << 16);

    public static ushort Narrow(float value) => BitConverter.HalfToUInt16Bits((Half)value);
}
