using System.Collections.Immutable;
using System.Runtime.InteropServices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.Matrices.Interleaved;

/// <summary>A stored quantised matrix of random bytes, or of the largest ones, with scales of both signs.</summary>
internal sealed unsafe class RandomBlocks : IDisposable
{
    private readonly byte* _bytes;

    public RandomBlocks(TensorType type, int rows, int columns, Random random, bool extreme = false)
    {
        long size = rows * type.RowBytes(columns);
        _bytes = (byte*)NativeMemory.Alloc((nuint)size);
        var bytes = new Span<byte>(_bytes, checked((int)size));
        random.NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += type.BlockBytes())
        {
            Span<byte> block = bytes.Slice(at, type.BlockBytes());
            if (extreme)
            {
                block.Fill(type == TensorType.Q8_0 ? (byte)(random.Next(2) == 0 ? 0x80 : 0x7F) : (byte)0xFF);
            }

            foreach (int half in HalvesOf(type))
            {
                BitConverter.TryWriteBytes(block[half..], (Half)((random.NextDouble() * 2) - 1));
            }
        }

        ImmutableArray<long> shape = [rows, columns];
        Tensor = new StoredTensor("weight", type, shape, _bytes, size);
    }

    public StoredTensor Tensor { get; }

    public void Dispose() => NativeMemory.Free(_bytes);

    // Where a stored block has float16 numbers.
    private static int[] HalvesOf(TensorType type) => type switch
    {
        TensorType.Q4_1 or TensorType.Q5_1 or TensorType.Q4_K or TensorType.Q5_K => [0, 2],
        TensorType.Q6_K => [208],
        _ => [0],
    };
}
