using System.Buffers.Binary;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Backends;

/// <summary>Stored tensors as plain numbers, for the types that a random model is written in directly.</summary>
public static unsafe class TensorUnpacking
{
    public static float[] ToFloats(StoredTensor tensor)
    {
        ReadOnlySpan<byte> bytes = new(tensor.Data, checked((int)tensor.SizeBytes));
        var values = new float[tensor.Rows * tensor.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = tensor.Type switch
            {
                TensorType.F32 => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]),
                TensorType.F16 => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]),
                TensorType.BF16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16),
                TensorType.Q8_0 => Q8(bytes[(i / 32 * 34)..], i % 32),
                TensorType.Q4_0 => Q4(bytes[(i / 32 * 18)..], i % 32),
                _ => throw new NotSupportedException($"{tensor.Type} is not unpacked here"),
            };
        }

        return values;
    }

    private static float Q8(ReadOnlySpan<byte> block, int i) => (float)BinaryPrimitives.ReadHalfLittleEndian(block) * (sbyte)block[2 + i];

    private static float Q4(ReadOnlySpan<byte> block, int i)
    {
        int quant = i < 16 ? block[2 + i] & 15 : block[2 + i - 16] >> 4;
        return (float)BinaryPrimitives.ReadHalfLittleEndian(block) * (quant - 8);
    }
}
