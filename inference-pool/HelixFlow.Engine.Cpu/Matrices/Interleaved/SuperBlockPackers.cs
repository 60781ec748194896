using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>d, dmin, 12 bytes of 6-bit scales and minima, then for each 64 columns 32 bytes: low nibbles for the first 32 of them, high ones for the others.</summary>
internal readonly unsafe struct Q4KPacker : IBlockPacker
{
    private const int HeadBytes = 64;
    private const int PartBytes = 288;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        PackHead(stored, block, row, PartBytes);
        for (int chunk = 0; chunk < 4; chunk++)
        {
            PackNibbles(stored + 16 + (32 * chunk), block + HeadBytes + 32 + (2 * chunk * PartBytes), PartBytes, row);
        }
    }

    /// <summary>The scales, which Q4_K and Q5_K have in common.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PackHead(byte* stored, byte* block, int row, int partBytes)
    {
        ((ushort*)block)[row] = *(ushort*)stored;
        ((ushort*)block)[16 + row] = *(ushort*)(stored + 2);

        // Bytes 0 to 3: scales 0 to 3 and the upper two bits of scales 4 to 7; bytes 4 to 7: the same of minima; bytes 8 to 11: lower four bits of both.
        uint first = *(uint*)(stored + 4), second = *(uint*)(stored + 8), third = *(uint*)(stored + 12);
        ulong scales = (first & 0x3F3F3F3F) | ((ulong)((third & 0x0F0F0F0F) | ((first >> 2) & 0x30303030)) << 32);
        ulong mins = (second & 0x3F3F3F3F) | ((ulong)(((third >> 4) & 0x0F0F0F0F) | ((second >> 2) & 0x30303030)) << 32);
        byte* at = block + HeadBytes + row;
        for (int part = 0; part < 8; part++, at += partBytes, scales >>= 8, mins >>= 8)
        {
            at[0] = (byte)scales;
            at[16] = (byte)mins;
        }
    }

    /// <summary>
    /// Thirty-two bytes whose low nibbles belong to one 32 columns and whose high nibbles to another, to the other order: inputs 0 to 15 low, 16 to 31 high.
    /// </summary>
    /// <param name="nibbles">The bytes.</param>
    /// <param name="target">Where the low nibbles' columns go; the high ones' go <paramref name="distance"/> bytes further.</param>
    /// <param name="distance">In bytes.</param>
    /// <param name="row">The row's number in the group.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PackNibbles(byte* nibbles, byte* target, int distance, int row)
    {
        Vector128<byte> a = Vector128.Load(nibbles);
        Vector128<byte> b = Vector128.Load(nibbles + 16);
        Vector128<byte> lowMask = Vector128.Create((byte)15);
        RowBytes.Scatter((a & lowMask) | ((b & lowMask) << 4), target, row);
        RowBytes.Scatter((a >> 4) | (b & ~lowMask), target + distance, row);
    }
}

/// <summary>As Q4_K with 32 bytes between scales and nibbles: bit p of byte i is the fifth bit of input i of the p-th 32 columns.</summary>
internal readonly unsafe struct Q5KPacker : IBlockPacker
{
    private const int HeadBytes = 64;
    private const int PartBytes = 352;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        Q4KPacker.PackHead(stored, block, row, PartBytes);
        for (int chunk = 0; chunk < 4; chunk++)
        {
            Q4KPacker.PackNibbles(stored + 48 + (32 * chunk), block + HeadBytes + 32 + (2 * chunk * PartBytes), PartBytes, row);
        }

        PackFifthBits((uint*)(stored + 16), (uint*)(block + HeadBytes + 32 + 256) + row);
    }

    // An 8 by 8 transposition of bits for each of the 4 bytes of a word: bit p of word i to bit i of word p. Three rounds swap blocks of 4, 2 and 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackFifthBits(uint* words, uint* target)
    {
        uint a = words[0], b = words[1], c = words[2], d = words[3], e = words[4], f = words[5], g = words[6], h = words[7];
        Swap(ref a, ref e, 4, 0x0F0F0F0F);
        Swap(ref b, ref f, 4, 0x0F0F0F0F);
        Swap(ref c, ref g, 4, 0x0F0F0F0F);
        Swap(ref d, ref h, 4, 0x0F0F0F0F);
        Swap(ref a, ref c, 2, 0x33333333);
        Swap(ref b, ref d, 2, 0x33333333);
        Swap(ref e, ref g, 2, 0x33333333);
        Swap(ref f, ref h, 2, 0x33333333);
        Swap(ref a, ref b, 1, 0x55555555);
        Swap(ref c, ref d, 1, 0x55555555);
        Swap(ref e, ref f, 1, 0x55555555);
        Swap(ref g, ref h, 1, 0x55555555);
        const int Next = PartBytes / sizeof(uint);
        target[0] = a;
        target[Next] = b;
        target[2 * Next] = c;
        target[3 * Next] = d;
        target[4 * Next] = e;
        target[5 * Next] = f;
        target[6 * Next] = g;
        target[7 * Next] = h;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref uint low, ref uint high, int shift, uint mask)
    {
        uint difference = ((low >> shift) ^ high) & mask;
        high ^= difference;
        low ^= difference << shift;
    }
}

/// <summary>
/// For each 128 columns 64 bytes of nibbles and, after all nibbles, 32 bytes of upper bits: of its four 32 columns the first two have the low nibbles of the two
/// 32 bytes, the others the high ones, and bits 2q and 2q + 1 of byte i belong to input i of the q-th. Then 16 signed scales and d.
/// </summary>
internal readonly unsafe struct Q6KPacker : IBlockPacker
{
    private const int HeadBytes = 64;
    private const int PartBytes = 416;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(byte* stored, byte* block, int row)
    {
        ((ushort*)block)[row] = *(ushort*)(stored + 208);
        byte* part = block + HeadBytes;
        for (int i = 0; i < 8; i++)
        {
            part[(i * PartBytes) + row] = stored[192 + (2 * i)];
            part[(i * PartBytes) + 16 + row] = stored[193 + (2 * i)];
        }

        for (int half = 0; half < 2; half++)
        {
            byte* target = part + (4 * half * PartBytes) + 32;
            Q4KPacker.PackNibbles(stored + (64 * half), target, 2 * PartBytes, row);
            Q4KPacker.PackNibbles(stored + (64 * half) + 32, target + PartBytes, 2 * PartBytes, row);
            PackUpperBits((uint*)(stored + 128 + (32 * half)), (uint*)(target + 256) + row);
            PackUpperBits((uint*)(stored + 144 + (32 * half)), (uint*)(target + 320) + row);
        }
    }

    // A 4 by 4 transposition of pairs of bits for each of the 4 bytes of a word: pair q of word k to pair k of word q.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackUpperBits(uint* words, uint* target)
    {
        uint a = words[0], b = words[1], c = words[2], d = words[3];
        Swap(ref a, ref c, 4, 0x0F0F0F0F);
        Swap(ref b, ref d, 4, 0x0F0F0F0F);
        Swap(ref a, ref b, 2, 0x33333333);
        Swap(ref c, ref d, 2, 0x33333333);
        const int Next = PartBytes / sizeof(uint);
        target[0] = a;
        target[Next] = b;
        target[2 * Next] = c;
        target[3 * Next] = d;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref uint low, ref uint high, int shift, uint mask)
    {
        uint difference = ((low >> shift) ^ high) & mask;
        high ^= difference;
        low ^= difference << shift;
    }
}
