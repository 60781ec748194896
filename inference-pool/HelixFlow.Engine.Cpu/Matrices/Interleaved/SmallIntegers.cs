using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Sixteen scales or minima of the K types, bytes, as float32.</summary>
internal static unsafe class SmallIntegers
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(byte* source)
    {
        if (Avx512F.IsSupported)
        {
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));
        }

        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(source));
        return Vector512.ConvertToSingle(Vector512.Create(Both(Vector128.Widen(low)), Both(Vector128.Widen(high))).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(sbyte* source)
    {
        if (Avx512F.IsSupported)
        {
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));
        }

        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(source));
        return Vector512.ConvertToSingle(Vector512.Create(Both(Vector128.Widen(low)), Both(Vector128.Widen(high))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<T> Both<T>((Vector128<T> Lower, Vector128<T> Upper) halves) => Vector256.Create(halves.Lower, halves.Upper);
}
