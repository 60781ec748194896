using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>Dot products of four unsigned with four signed bytes in every 32-bit lane, added to the lane.</summary>
internal static class ByteDot
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> unsigned, Vector256<sbyte> signed)
    {
        if (AvxVnni.IsSupported)
        {
            return AvxVnni.MultiplyWideningAndAdd(sum, unsigned, signed);
        }

        return Avx2.IsSupported ? AddAvx2(sum, unsigned, signed) : AddPortable(sum, unsigned, signed);
    }

    /// <summary>Even and odd bytes as 16-bit numbers: unlike VPMADDUBSW, no product can saturate.</summary>
    public static Vector256<int> AddAvx2(Vector256<int> sum, Vector256<byte> unsigned, Vector256<sbyte> signed)
    {
        (Vector256<short> evenU, Vector256<short> oddU, Vector256<short> evenS, Vector256<short> oddS) = Split(unsigned, signed);
        return sum + Avx2.MultiplyAddAdjacent(evenU, evenS) + Avx2.MultiplyAddAdjacent(oddU, oddS);
    }

    /// <summary>The same with operations that every processor has: a product of 255 and -128 still fits 16 bits.</summary>
    public static Vector256<int> AddPortable(Vector256<int> sum, Vector256<byte> unsigned, Vector256<sbyte> signed)
    {
        (Vector256<short> evenU, Vector256<short> oddU, Vector256<short> evenS, Vector256<short> oddS) = Split(unsigned, signed);
        Vector256<int> even = (evenU * evenS).AsInt32();
        Vector256<int> odd = (oddU * oddS).AsInt32();
        return sum + ((even << 16) >> 16) + (even >> 16) + ((odd << 16) >> 16) + (odd >> 16);
    }

    private static (Vector256<short> EvenU, Vector256<short> OddU, Vector256<short> EvenS, Vector256<short> OddS) Split(
        Vector256<byte> unsigned, Vector256<sbyte> signed)
    {
        Vector256<short> u = unsigned.AsInt16();
        Vector256<short> s = signed.AsInt16();
        return (u & Vector256.Create((short)255), (u.AsUInt16() >> 8).AsInt16(), (s << 8) >> 8, s >> 8);
    }
}
