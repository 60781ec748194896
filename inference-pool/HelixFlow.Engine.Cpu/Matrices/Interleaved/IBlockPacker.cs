using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Writes one stored block of a type into its row's places of an interleaved block.</summary>
/// <remarks>Stored blocks: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h; interleaved ones: <see cref="InterleavedLayout"/>.</remarks>
internal unsafe interface IBlockPacker
{
    /// <param name="stored">The stored block; not aligned.</param>
    /// <param name="block">The interleaved block of 16 rows.</param>
    /// <param name="row">The row's number in the group.</param>
    static abstract void Pack(byte* stored, byte* block, int row);
}

/// <summary>Sixteen bytes are four inputs of a row times four: each goes to the row's place in the next 64 bytes.</summary>
internal static unsafe class RowBytes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(Vector128<byte> bytes, byte* target, int row)
    {
        Vector128<uint> words = bytes.AsUInt32();
        uint* at = (uint*)target + row;
        at[0] = words.ToScalar();
        at[16] = words.GetElement(1);
        at[32] = words.GetElement(2);
        at[48] = words.GetElement(3);
    }

    /// <summary>Sixteen bytes that are taken as they are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scatter(byte* bytes, byte* target, int row)
    {
        uint* at = (uint*)target + row;
        at[0] = ((uint*)bytes)[0];
        at[16] = ((uint*)bytes)[1];
        at[32] = ((uint*)bytes)[2];
        at[48] = ((uint*)bytes)[3];
    }
}
