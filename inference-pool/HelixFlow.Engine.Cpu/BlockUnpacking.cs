using System.Runtime.CompilerServices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>
/// The block types of the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) as unsigned quants u, a factor d and a
/// term c: a weight is d * u + c.
/// </summary>
internal static unsafe class BlockUnpacking
{
    /// <summary>Unpacks 32 weights (16 for Q6_K) of a row.</summary>
    /// <param name="type">The row's type.</param>
    /// <param name="row">The row's bytes.</param>
    /// <param name="block">Which 32 (16) weights of the row.</param>
    /// <param name="quants">Gets the unsigned quants.</param>
    public static (float Factor, float Term) Unpack(TensorType type, byte* row, int block, Span<byte> quants)
    {
        switch (type)
        {
            case TensorType.Q8_0:
                row += (long)block * 34;
                for (int i = 0; i < 32; i++)
                {
                    quants[i] = (byte)(row[2 + i] ^ 0x80);
                }

                return (Half(row), -128 * Half(row));
            case TensorType.Q4_0:
                row += (long)block * 18;
                Nibbles(row + 2, quants);
                return (Half(row), -8 * Half(row));
            case TensorType.Q4_1:
                row += (long)block * 20;
                Nibbles(row + 4, quants);
                return (Half(row), Half(row + 2));
            case TensorType.Q5_0:
                row += (long)block * 22;
                Nibbles(row + 6, quants);
                AddBit(row + 2, quants);
                return (Half(row), -16 * Half(row));
            case TensorType.Q5_1:
                row += (long)block * 24;
                Nibbles(row + 8, quants);
                AddBit(row + 4, quants);
                return (Half(row), Half(row + 2));
            case TensorType.Q4_K:
                row += (long)(block / 8) * 144;
                HalfBytes(row + 16, block % 8, quants);
                return GroupFactors(row, block % 8);
            case TensorType.Q5_K:
                row += (long)(block / 8) * 176;
                HalfBytes(row + 48, block % 8, quants);
                for (int i = 0; i < 32; i++)
                {
                    quants[i] |= (byte)(((row[16 + i] >> (block % 8)) & 1) << 4);
                }

                return GroupFactors(row, block % 8);
            case TensorType.Q6_K:
                return SixBits(row + ((long)(block / 16) * 210), block % 16, quants);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "is not quantised");
        }
    }

    private static void Nibbles(byte* bytes, Span<byte> quants)
    {
        for (int i = 0; i < 16; i++)
        {
            quants[i] = (byte)(bytes[i] & 15);
            quants[i + 16] = (byte)(bytes[i] >> 4);
        }
    }

    private static void AddBit(byte* bits, Span<byte> quants)
    {
        uint mask = Unsafe.ReadUnaligned<uint>(bits);
        for (int i = 0; i < 32; i++)
        {
            quants[i] |= (byte)(((mask >> i) & 1) << 4);
        }
    }

    /// <summary>K types: of 32 bytes, an even group has the lower halves and the odd one after it the upper ones.</summary>
    private static void HalfBytes(byte* bytes, int group, Span<byte> quants)
    {
        bytes += group / 2 * 32;
        int shift = group % 2 * 4;
        for (int i = 0; i < 32; i++)
        {
            quants[i] = (byte)((bytes[i] >> shift) & 15);
        }
    }

    /// <summary>Q4_K and Q5_K: a scale and a minimum of 6 bits for each of 8 groups, packed into the 12 bytes from byte 4.</summary>
    private static (float Factor, float Term) GroupFactors(byte* block, int group)
    {
        byte* packed = block + 4;
        int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
        int minimum = group < 4 ? packed[group + 4] & 63 : (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
        return (Half(block) * scale, -Half(block + 2) * minimum);
    }

    /// <summary>Q6_K: 128 bytes of lower halves, 64 of upper two bits, 16 signed scales of 16 weights each, the block's scale at the end.</summary>
    private static (float Factor, float Term) SixBits(byte* block, int group, Span<byte> quants)
    {
        int half = group / 8;
        int quarter = group % 8 / 2;
        byte* low = block + (half * 64) + (quarter % 2 * 32) + (group % 2 * 16);
        byte* high = block + 128 + (half * 32) + (group % 2 * 16);
        for (int i = 0; i < 16; i++)
        {
            quants[i] = (byte)(((low[i] >> (quarter / 2 * 4)) & 15) | (((high[i] >> (2 * quarter)) & 3) << 4));
        }

        float factor = Half(block + 208) * (sbyte)block[192 + group];
        return (factor, -32 * factor);
    }

    private static float Half(byte* bytes) => (float)Unsafe.ReadUnaligned<Half>(bytes);
}
