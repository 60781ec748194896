using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Reads a quantised block as integers with a scale and a minimum per group: value = scale * code + min.</summary>
/// <remarks>
/// The common form of all quantised types. Codes are the integers that the formats define, signed or not; a group is 32 elements, 16 for Q6_K.
/// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h.
/// </remarks>
internal static unsafe class BlockCodes
{
    /// <summary>Elements that share a scale.</summary>
    public static int GroupElements(TensorType type) => type == TensorType.Q6_K ? 16 : 32;

    /// <summary>Whether codes lie in 0 to 15 once <see cref="Offset"/> is added, so that two fit a byte.</summary>
    public static bool IsFourBit(TensorType type) => type is TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q4_K;

    /// <summary>Whether groups have a minimum other than zero.</summary>
    public static bool HasMins(TensorType type) => type is TensorType.Q4_1 or TensorType.Q5_1 or TensorType.Q4_K or TensorType.Q5_K;

    /// <summary>Makes the codes unsigned when added to them.</summary>
    public static int Offset(TensorType type) => type switch
    {
        TensorType.Q4_0 => 8,
        TensorType.Q8_0 => 128,
        TensorType.Q5_0 => 16,
        TensorType.Q6_K => 32,
        _ => 0,
    };

    /// <summary>Reads one block.</summary>
    /// <param name="type">A quantised type.</param>
    /// <param name="block">Its bytes.</param>
    /// <param name="codes">Room for the block's elements.</param>
    /// <param name="scales">Room for a scale per group.</param>
    /// <param name="mins">Room for a minimum per group.</param>
    public static void Read(TensorType type, byte* block, sbyte* codes, float* scales, float* mins)
    {
        switch (type)
        {
            case TensorType.Q4_0:
                (scales[0], mins[0]) = (Half(block), 0);
                ReadNibbles(block + 2, codes, -8);
                break;
            case TensorType.Q4_1:
                (scales[0], mins[0]) = (Half(block), Half(block + 2));
                ReadNibbles(block + 4, codes, 0);
                break;
            case TensorType.Q5_0:
                (scales[0], mins[0]) = (Half(block), 0);
                ReadFiveBits(block + 6, *(uint*)(block + 2), codes, -16);
                break;
            case TensorType.Q5_1:
                (scales[0], mins[0]) = (Half(block), Half(block + 2));
                ReadFiveBits(block + 8, *(uint*)(block + 4), codes, 0);
                break;
            case TensorType.Q8_0:
                (scales[0], mins[0]) = (Half(block), 0);
                Buffer.MemoryCopy(block + 2, codes, 32, 32);
                break;
            case TensorType.Q4_K:
                ReadScalesAndMins(block, scales, mins);
                ReadQ4K(block + 16, codes);
                break;
            case TensorType.Q5_K:
                ReadScalesAndMins(block, scales, mins);
                ReadQ5K(block + 48, block + 16, codes);
                break;
            case TensorType.Q6_K:
                ReadQ6K(block, codes, scales, mins);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a quantised type");
        }
    }

    private static float Half(byte* source) => HalfFloat.Widen(*(ushort*)source);

    // Elements 0 to 15 are the low nibbles, 16 to 31 the high ones.
    private static void ReadNibbles(byte* quants, sbyte* codes, int offset)
    {
        for (int i = 0; i < 16; i++)
        {
            codes[i] = (sbyte)((quants[i] & 15) + offset);
            codes[i + 16] = (sbyte)((quants[i] >> 4) + offset);
        }
    }

    private static void ReadFiveBits(byte* quants, uint high, sbyte* codes, int offset)
    {
        for (int i = 0; i < 16; i++)
        {
            codes[i] = (sbyte)(((quants[i] & 15) | (int)(((high >> i) & 1) << 4)) + offset);
            codes[i + 16] = (sbyte)(((quants[i] >> 4) | (int)(((high >> (i + 16)) & 1) << 4)) + offset);
        }
    }

    // Eight 6-bit scales and eight 6-bit minima in twelve bytes, times the block's own scale of each kind.
    private static void ReadScalesAndMins(byte* block, float* scales, float* mins)
    {
        float scale = Half(block);
        float min = Half(block + 2);
        byte* packed = block + 4;
        for (int i = 0; i < 8; i++)
        {
            int s = i < 4 ? packed[i] & 63 : (packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4);
            int m = i < 4 ? packed[i + 4] & 63 : (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4);
            scales[i] = scale * s;
            mins[i] = -min * m;
        }
    }

    private static void ReadQ4K(byte* quants, sbyte* codes)
    {
        for (int chunk = 0; chunk < 4; chunk++, quants += 32, codes += 64)
        {
            for (int i = 0; i < 32; i++)
            {
                codes[i] = (sbyte)(quants[i] & 15);
                codes[i + 32] = (sbyte)(quants[i] >> 4);
            }
        }
    }

    private static void ReadQ5K(byte* quants, byte* high, sbyte* codes)
    {
        for (int chunk = 0; chunk < 4; chunk++, quants += 32, codes += 64)
        {
            for (int i = 0; i < 32; i++)
            {
                codes[i] = (sbyte)((quants[i] & 15) | (((high[i] >> (2 * chunk)) & 1) << 4));
                codes[i + 32] = (sbyte)((quants[i] >> 4) | (((high[i] >> ((2 * chunk) + 1)) & 1) << 4));
            }
        }
    }

    private static void ReadQ6K(byte* block, sbyte* codes, float* scales, float* mins)
    {
        float scale = Half(block + 208);
        for (int i = 0; i < 16; i++)
        {
            scales[i] = scale * ((sbyte*)block)[192 + i];
            mins[i] = 0;
        }

        byte* low = block;
        byte* high = block + 128;
        for (int half = 0; half < 2; half++, low += 64, high += 32, codes += 128)
        {
            for (int i = 0; i < 32; i++)
            {
                codes[i] = (sbyte)(((low[i] & 15) | ((high[i] & 3) << 4)) - 32);
                codes[i + 32] = (sbyte)(((low[i + 32] & 15) | (((high[i] >> 2) & 3) << 4)) - 32);
                codes[i + 64] = (sbyte)(((low[i] >> 4) | (((high[i] >> 4) & 3) << 4)) - 32);
                codes[i + 96] = (sbyte)(((low[i + 32] >> 4) | ((high[i] >> 6) << 4)) - 32);
            }
        }
    }
}
