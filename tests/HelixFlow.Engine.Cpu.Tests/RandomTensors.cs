using System.Collections.Immutable;
using System.Runtime.InteropServices;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>Random activations, and random weights of every stored type, in memory that is freed with this.</summary>
internal sealed class RandomTensors(int seed) : IDisposable
{
    private readonly Random _random = new(seed);
    private readonly List<nint> _memory = [];

    public void Dispose() => _memory.ForEach(static pointer => Marshal.FreeHGlobal(pointer));

    public static unsafe DeviceTensor Tensor(IBackend backend, int rows, int columns, ReadOnlySpan<float> values)
    {
        // There is no operation that writes a tensor: an embedding with one token for each row does.
        fixed (float* data = values)
        {
            DeviceTensor tensor = backend.Allocate(rows, columns);
            using DeviceWeight table = backend.LoadTable(new StoredTensor("x", TensorType.F32, [rows, columns], (byte*)data, 4L * rows * columns));
            backend.Embed(table, [.. Enumerable.Range(0, rows)], 1, tensor);
            return tensor;
        }
    }

    public DeviceTensor Tensor(IBackend backend, int rows, int columns) => Tensor(backend, rows, columns, Floats(rows * columns));

    public float[] Floats(int count, float scale = 1) => [.. Enumerable.Range(0, count).Select(_ => ((float)_random.NextDouble() - 0.5f) * 2 * scale)];

    public unsafe StoredTensor Stored(TensorType type, int rows, int columns)
    {
        var bytes = new byte[rows * type.RowBytes(columns)];
        _random.NextBytes(bytes);
        int size = type.BlockBytes();
        for (int at = 0; at < bytes.Length; at += size)
        {
            int[] halves = type switch
            {
                TensorType.F32 or TensorType.BF16 => [],
                TensorType.Q4_1 or TensorType.Q5_1 or TensorType.Q4_K or TensorType.Q5_K => [0, 2],
                TensorType.Q6_K => [208],
                _ => [0],
            };
            foreach (int offset in halves)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(at + offset), (Half)((_random.NextDouble() - 0.3) * 0.1));
            }

            if (type is TensorType.F32 or TensorType.BF16)
            {
                float value = (float)_random.NextDouble() - 0.5f;
                BitConverter.GetBytes(value).AsSpan(4 - size).CopyTo(bytes.AsSpan(at));
            }
        }

        nint memory = Marshal.AllocHGlobal(bytes.Length);
        _memory.Add(memory);
        Marshal.Copy(bytes, 0, memory, bytes.Length);
        ImmutableArray<long> shape = rows == 1 ? [columns] : [rows, columns];
        return new StoredTensor("weight", type, shape, (byte*)memory, bytes.Length);
    }
}
