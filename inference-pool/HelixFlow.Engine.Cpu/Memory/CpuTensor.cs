using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu.Memory;

/// <summary>An activation matrix in this machine's memory: [MaxRows, Columns] of float32, rows contiguous.</summary>
internal sealed unsafe class CpuTensor : DeviceTensor
{
    private readonly NativeBuffer _buffer;

    public CpuTensor(int maxRows, int columns)
        : base(maxRows, columns)
    {
        _buffer = new NativeBuffer((long)maxRows * columns * sizeof(float));
    }

    public float* Data => (float*)_buffer.Bytes;

    public float* Row(int row) => Data + ((long)row * Columns);

    protected override void Dispose(bool disposing) => _buffer.Dispose();
}

/// <summary>A norm weight or a bias: float32, one row.</summary>
internal sealed unsafe class CpuVector : DeviceWeight
{
    private readonly NativeBuffer _buffer;

    public CpuVector(int length)
        : base(1, length)
    {
        _buffer = new NativeBuffer((long)length * sizeof(float));
    }

    public float* Data => (float*)_buffer.Bytes;

    public override long SizeBytes => _buffer.SizeBytes;

    protected override void Dispose(bool disposing) => _buffer.Dispose();
}
