using System.Buffers.Binary;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Backends;

/// <summary>
/// Stored tensors as plain numbers, one at a time and without tricks, by the block layouts of the GGUF specification
/// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): what faster code is compared with.
/// </summary>
public static unsafe class TensorUnpacking
{
    public static float[] ToFloats(StoredTensor tensor)
    {
        ReadOnlySpan<byte> bytes = new(tensor.Data, checked((int)tensor.SizeBytes));
        int perBlock = tensor.Type.BlockElements();
        int size = tensor.Type.BlockBytes();
        var values = new float[tensor.Rows * tensor.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Element(tensor.Type, bytes.Slice(i / perBlock * size, size), i % perBlock);
        }

        return values;
    }

    /// <summary>Element <paramref name="i"/> of one block.</summary>
    private static float Element(TensorType type, ReadOnlySpan<byte> block, int i) => type switch
    {
        TensorType.F32 => BinaryPrimitives.ReadSingleLittleEndian(block),
        TensorType.F16 => Half(block),
        TensorType.BF16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(block) << 16),
        TensorType.Q8_0 => Half(block) * (sbyte)block[2 + i],
        TensorType.Q4_0 => Half(block) * (Nibble(block[2..], i) - 8),
        TensorType.Q4_1 => (Half(block) * Nibble(block[4..], i)) + Half(block[2..]),
        TensorType.Q5_0 => Half(block) * (Nibble(block[6..], i) + (Bit(block[2..], i) << 4) - 16),
        TensorType.Q5_1 => (Half(block) * (Nibble(block[8..], i) + (Bit(block[4..], i) << 4))) + Half(block[2..]),
        TensorType.Q4_K => Scaled(block, i, NibbleOf64(block[16..], i)),
        TensorType.Q5_K => Scaled(block, i, NibbleOf64(block[48..], i) + ((block[16 + (i % 32)] >> (i / 32) & 1) << 4)),
        TensorType.Q6_K => SixBits(block, i),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type"),
    };

    /// <summary>Blocks of 32: the first 16 elements are the low halves of 16 bytes, the others the high ones.</summary>
    private static int Nibble(ReadOnlySpan<byte> quants, int i) => i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;

    /// <summary>Blocks of 256: for each 64 elements, the first 32 are the low halves of 32 bytes, the others the high ones.</summary>
    private static int NibbleOf64(ReadOnlySpan<byte> quants, int i)
    {
        byte pair = quants[(i / 64 * 32) + (i % 32)];
        return i % 64 < 32 ? pair & 15 : pair >> 4;
    }

    private static int Bit(ReadOnlySpan<byte> bits, int i) => (bits[i / 8] >> (i % 8)) & 1;

    /// <summary>Q4_K and Q5_K: eight groups of 32 with a scale and a minimum of 6 bits each, packed into the 12 bytes from byte 4.</summary>
    private static float Scaled(ReadOnlySpan<byte> block, int i, int quant)
    {
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        int group = i / 32;
        int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
        int minimum = group < 4 ? packed[group + 4] & 63 : (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
        return (Half(block) * scale * quant) - (Half(block[2..]) * minimum);
    }

    /// <summary>Q6_K: 128 bytes of low halves, 64 of upper two bits, 16 signed scales, and the block's scale at the end.</summary>
    private static float SixBits(ReadOnlySpan<byte> block, int i)
    {
        int half = i / 128;
        int quarter = i % 128 / 32;
        int at = i % 32;
        byte pair = block[(half * 64) + (quarter % 2 * 32) + at];
        int low = quarter < 2 ? pair & 15 : pair >> 4;
        int high = (block[128 + (half * 32) + at] >> (2 * quarter)) & 3;
        return Half(block[208..]) * (sbyte)block[192 + (i / 16)] * ((low | (high << 4)) - 32);
    }

    private static float Half(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);
}
