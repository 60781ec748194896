using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu;

/// <summary>An activation matrix in memory: [rows, columns], float32.</summary>
internal sealed unsafe class CpuTensor : DeviceTensor
{
    private readonly CpuMemory _memory;

    public CpuTensor(int maxRows, int columns)
        : base(maxRows, columns)
    {
        _memory = new CpuMemory(sizeof(float) * (long)maxRows * columns);
    }

    public float* Data => (float*)_memory.Pointer;

    public float* Row(int row) => Data + ((long)row * Columns);

    protected override void Dispose(bool disposing) => _memory.Dispose();
}

/// <summary>Keys and values: [layer, block, kvHead, position in block, headSize], keys first.</summary>
internal sealed unsafe class CpuKvStore : DeviceKvStore
{
    private readonly CpuMemory _keys;
    private readonly CpuMemory _values;

    public CpuKvStore(KvLayout layout)
        : base(layout)
    {
        _keys = new CpuMemory(layout.Blocks * layout.BlockBytes / 2);
        _values = new CpuMemory(layout.Blocks * layout.BlockBytes / 2);
        ElementBytes = layout.Type == KvType.F32 ? 4 : 2;
    }

    public int ElementBytes { get; }

    public byte* Keys => _keys.Pointer;

    public byte* Values => _values.Pointer;

    /// <summary>Bytes of one layer's part of a block.</summary>
    public long LayerBlockBytes => (long)Layout.KvHeads * Layout.BlockSize * Layout.HeadSize * ElementBytes;

    /// <summary>Where a head's part of a block begins, in bytes from <see cref="Keys"/> or <see cref="Values"/>.</summary>
    public long Offset(int layer, int block, int kvHead) =>
        ((((long)layer * Layout.Blocks) + block) * LayerBlockBytes) + ((long)kvHead * Layout.BlockSize * Layout.HeadSize * ElementBytes);

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        _values.Dispose();
    }
}
