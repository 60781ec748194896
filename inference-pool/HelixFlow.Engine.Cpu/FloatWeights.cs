using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>Weights that are used as they lie in the file's mapped pages: F32, F16 and BF16 matrices, and embedding tables of any type.</summary>
internal sealed class MappedWeight(StoredTensor tensor) : DeviceWeight(tensor.Rows, tensor.Columns)
{
    public StoredTensor Tensor { get; } = tensor;

    /// <inheritdoc/>
    public override long SizeBytes => 0;

    /// <summary>A row as float32.</summary>
    public unsafe void ReadRow(int row, Span<float> values)
    {
        byte* data = Tensor.Data + (row * Tensor.Type.RowBytes(Columns));
        switch (Tensor.Type)
        {
            case TensorType.F32:
                new ReadOnlySpan<float>(data, Columns).CopyTo(values);
                break;
            case TensorType.F16:
                FloatConversion.FromHalf((ushort*)data, values);
                break;
            case TensorType.BF16:
                FloatConversion.FromBrain((ushort*)data, values);
                break;
            default:
                ReadQuantized(data, values);
                break;
        }
    }

    protected override void Dispose(bool disposing)
    {
    }

    private unsafe void ReadQuantized(byte* data, Span<float> values)
    {
        Span<byte> quants = stackalloc byte[32];
        int size = Tensor.Type == TensorType.Q6_K ? 16 : 32;
        for (int b = 0; b < Columns / size; b++)
        {
            (float factor, float term) = BlockUnpacking.Unpack(Tensor.Type, data, b, quants);
            for (int i = 0; i < size; i++)
            {
                values[(b * size) + i] = (factor * quants[i]) + term;
            }
        }
    }
}

/// <summary>A vector of weights in float32.</summary>
internal sealed unsafe class VectorWeight : DeviceWeight
{
    private readonly CpuMemory _memory;

    public VectorWeight(StoredTensor tensor, float add)
        : base(1, tensor.Columns)
    {
        _memory = new CpuMemory(sizeof(float) * (long)Columns);
        using var mapped = new MappedWeight(tensor);
        var values = new Span<float>(Data, Columns);
        mapped.ReadRow(0, values);
        foreach (ref float value in values)
        {
            value += add;
        }
    }

    public float* Data => (float*)_memory.Pointer;

    /// <inheritdoc/>
    public override long SizeBytes => _memory.SizeBytes;

    protected override void Dispose(bool disposing) => _memory.Dispose();
}
