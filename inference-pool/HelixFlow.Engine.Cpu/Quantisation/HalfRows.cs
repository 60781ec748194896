using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Rounds rows of float32 to 16-bit floats, to nearest and ties to even, eight at a time; .NET has no intrinsic for it.</summary>
internal static unsafe class HalfRows
{
    private const int Infinity = 0x7C00;
    private const int NotANumber = 0x7E00;

    /// <summary>To IEEE half precision, as the conversion to <see cref="Half"/> rounds: too large becomes infinite, a small number subnormal.</summary>
    public static void Narrow(float* source, ushort* target, int count)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector128.Narrow(Narrow4(source + i).AsUInt32(), Narrow4(source + i + 4).AsUInt32()).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] = HalfFloat.Narrow(source[i]);
        }
    }

    /// <summary>To bfloat16. Not a number stays such.</summary>
    public static void NarrowBrain(float* source, ushort* target, int count)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector128.Narrow(NarrowBrain4(Vector128.Load(source + i)), NarrowBrain4(Vector128.Load(source + i + 4))).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] = (ushort)NarrowBrain4(Vector128.Create(source[i]))[0];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Narrow4(float* source)
    {
        Vector128<int> bits = Vector128.Load(source).AsInt32();
        Vector128<int> magnitude = bits & Vector128.Create(0x7FFFFFFF);
        Vector128<int> sign = Vector128.ShiftRightLogical(bits, 16) & Vector128.Create(0x8000);

        // Normal: half a unit (less one, unless the last kept bit is odd) is added, so that the carry rounds, also into the exponent.
        Vector128<int> odd = Vector128.ShiftRightLogical(magnitude, 13) & Vector128<int>.One;
        Vector128<int> normal = Vector128.ShiftRightLogical(magnitude + Vector128.Create(0xFFF) + odd, 13) - Vector128.Create(112 << 10);

        // Subnormal: a float32 of 0.5 has the unit of a subnormal half, so the processor rounds when they are added.
        Vector128<int> small = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsInt32() - Vector128.Create(0.5f).AsInt32();

        Vector128<int> result = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(113 << 23)), small, normal);
        result = Vector128.ConditionalSelect(Vector128.GreaterThan(magnitude, Vector128.Create(0x477FEFFF)), Vector128.Create(Infinity), result);
        result = Vector128.ConditionalSelect(Vector128.GreaterThan(magnitude, Vector128.Create(0x7F800000)), Vector128.Create(NotANumber), result);
        return result | sign;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> NarrowBrain4(Vector128<float> value)
    {
        Vector128<uint> bits = value.AsUInt32();
        Vector128<uint> rounded = bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128<uint>.One);
        return Vector128.ConditionalSelect(Vector128.Equals(value, value).AsUInt32(), rounded, bits | Vector128.Create(0x400000u)) >> 16;
    }
}
