using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Scale, 16 bytes whose low nibbles are inputs 0 to 15, offset by 8 as stored: the order of the interleaved codes already.</summary>
internal readonly unsafe struct Q4Packer : IBlockPacker
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        RowBytes.Scatter(stored + 2, block + 32, row);
    }
}

/// <summary>Scale, minimum, nibbles.</summary>
internal readonly unsafe struct Q4MinPacker : IBlockPacker
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        ((ushort*)block)[16 + row] = *(ushort*)(stored + 2);
        RowBytes.Scatter(stored + 4, block + 64, row);
    }
}

/// <summary>Scale, 32 fifth bits, nibbles.</summary>
internal readonly unsafe struct Q5Packer : IBlockPacker
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        PackCodes(stored + 6, *(uint*)(stored + 2), block + 32, row);
    }

    /// <summary>Makes a byte of each nibble and its fifth bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PackCodes(byte* nibbles, uint fifth, byte* target, int row)
    {
        Vector128<byte> both = Vector128.Load(nibbles);
        RowBytes.Scatter((both & Vector128.Create((byte)15)) | Spread((ushort)fifth), target, row);
        RowBytes.Scatter((both >> 4) | Spread((ushort)(fifth >> 16)), target + 256, row);
    }

    // Bit i of the sixteen as 16 in byte i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Spread(ushort bits)
    {
        Vector128<byte> low = Vector128.Create((byte)bits);
        Vector128<byte> high = Vector128.Create((byte)(bits >> 8));
        Vector128<byte> spread = Vector128.Create(low.GetLower(), high.GetLower()) & Vector128.Create(0x8040201008040201u).AsByte();
        return ~Vector128.Equals(spread, Vector128<byte>.Zero) & Vector128.Create((byte)16);
    }
}

/// <summary>Scale, minimum, 32 fifth bits, nibbles.</summary>
internal readonly unsafe struct Q5MinPacker : IBlockPacker
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        ((ushort*)block)[16 + row] = *(ushort*)(stored + 2);
        Q5Packer.PackCodes(stored + 8, *(uint*)(stored + 4), block + 64, row);
    }
}

/// <summary>Scale, 32 signed codes.</summary>
internal readonly unsafe struct Q8Packer : IBlockPacker
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        RowBytes.Scatter(Vector128.Load(stored + 2) ^ Vector128.Create((byte)128), block + 32, row);
        RowBytes.Scatter(Vector128.Load(stored + 18) ^ Vector128.Create((byte)128), block + 288, row);
    }
}
