using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.Matrices.Interleaved;

/// <summary>One stored block as integers and scales, an element at a time, by the block layouts of ggml-common.h.</summary>
internal sealed class ScalarBlock
{
    /// <summary>As stored: unsigned where the type has an offset, but for Q8_0, whose codes get 128 added here.</summary>
    public byte[] Codes { get; }

    /// <summary>The block's own float16 scale and minimum.</summary>
    public Half Scale { get; private set; }

    public Half Min { get; private set; }

    /// <summary>K types: scales and minima of their parts of 32 columns, or 16 for Q6_K.</summary>
    public int[] Scales { get; } = new int[16];

    public int[] Mins { get; } = new int[16];

    public static int Offset(TensorType type) => type switch
    {
        TensorType.Q4_0 => 8,
        TensorType.Q5_0 => 16,
        TensorType.Q8_0 => 128,
        TensorType.Q6_K => 32,
        _ => 0,
    };

    public ScalarBlock(TensorType type, ReadOnlySpan<byte> block)
    {
        Codes = new byte[type.BlockElements()];
        for (int i = 0; i < Codes.Length; i++)
        {
            Codes[i] = (byte)CodeOf(type, block, i);
        }

        Scale = BitConverter.ToHalf(block[(type == TensorType.Q6_K ? 208 : 0)..]);
        if (type is TensorType.Q4_1 or TensorType.Q5_1 or TensorType.Q4_K or TensorType.Q5_K)
        {
            Min = BitConverter.ToHalf(block[2..]);
        }

        if (type is TensorType.Q4_K or TensorType.Q5_K)
        {
            ReadOnlySpan<byte> packed = block.Slice(4, 12);
            for (int i = 0; i < 8; i++)
            {
                Scales[i] = i < 4 ? packed[i] & 63 : (packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4);
                Mins[i] = i < 4 ? packed[i + 4] & 63 : (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4);
            }
        }
        else if (type == TensorType.Q6_K)
        {
            for (int i = 0; i < 16; i++)
            {
                Scales[i] = (sbyte)block[192 + i];
            }
        }
    }

    private static int CodeOf(TensorType type, ReadOnlySpan<byte> block, int i) => type switch
    {
        TensorType.Q4_0 => Nibble(block[2..], i),
        TensorType.Q4_1 => Nibble(block[4..], i),
        TensorType.Q5_0 => Nibble(block[6..], i) + (16 * Bit(block[2..], i)),
        TensorType.Q5_1 => Nibble(block[8..], i) + (16 * Bit(block[4..], i)),
        TensorType.Q8_0 => (sbyte)block[2 + i] + 128,
        TensorType.Q4_K => NibbleOf64(block[16..], i),
        TensorType.Q5_K => NibbleOf64(block[48..], i) + (16 * ((block[16 + (i % 32)] >> (i / 32)) & 1)),
        TensorType.Q6_K => SixBits(block, i),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a quantised type"),
    };

    private static int Nibble(ReadOnlySpan<byte> quants, int i) => i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;

    private static int NibbleOf64(ReadOnlySpan<byte> quants, int i) =>
        i % 64 < 32 ? quants[(i / 64 * 32) + (i % 32)] & 15 : quants[(i / 64 * 32) + (i % 32)] >> 4;

    private static int Bit(ReadOnlySpan<byte> bits, int i) => (bits[i / 8] >> (i % 8)) & 1;

    private static int SixBits(ReadOnlySpan<byte> block, int i)
    {
        int quarter = i % 128 / 32;
        byte pair = block[(i / 128 * 64) + (quarter % 2 * 32) + (i % 32)];
        int upper = (block[128 + (i / 128 * 32) + (i % 32)] >> (2 * quarter)) & 3;
        return (quarter < 2 ? pair & 15 : pair >> 4) | (upper << 4);
    }
}
