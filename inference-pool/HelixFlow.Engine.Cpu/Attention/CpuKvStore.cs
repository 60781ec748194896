using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Paged keys and values in this machine's memory: [layer, block, kvHead, position in block, headSize], keys and values apart.</summary>
internal sealed unsafe class CpuKvStore : DeviceKvStore
{
    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly int _elementBytes;

    public CpuKvStore(KvLayout layout)
        : base(layout)
    {
        _elementBytes = layout.Type == KvType.F32 ? 4 : 2;
        _keys = new NativeBuffer(layout.Blocks * layout.BlockBytes / 2);
        _values = new NativeBuffer(layout.Blocks * layout.BlockBytes / 2);
    }

    private long HeadBlockBytes => (long)Layout.BlockSize * Layout.HeadSize * _elementBytes;

    public byte* Key(int layer, int block, int head, int offset) => _keys.Bytes + At(layer, block, head, offset);

    public byte* Value(int layer, int block, int head, int offset) => _values.Bytes + At(layer, block, head, offset);

    /// <summary>Stores one head's vector in the store's own type.</summary>
    public void Write(byte* slot, float* vector)
    {
        if (Layout.Type == KvType.F32)
        {
            new ReadOnlySpan<float>(vector, Layout.HeadSize).CopyTo(new Span<float>(slot, Layout.HeadSize));
            return;
        }

        for (int i = 0; i < Layout.HeadSize; i++)
        {
            ((ushort*)slot)[i] = HalfFloat.Narrow(vector[i]);
        }
    }

    public void CopyBlock(int source, int destination)
    {
        long bytes = Layout.KvHeads * HeadBlockBytes;
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            Buffer.MemoryCopy(Key(layer, source, 0, 0), Key(layer, destination, 0, 0), bytes, bytes);
            Buffer.MemoryCopy(Value(layer, source, 0, 0), Value(layer, destination, 0, 0), bytes, bytes);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        _values.Dispose();
    }

    private long At(int layer, int block, int head, int offset) =>
        (((((long)layer * Layout.Blocks) + block) * Layout.KvHeads) + head) * HeadBlockBytes + ((long)offset * Layout.HeadSize * _elementBytes);
}
