using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Paged keys and values in this machine's memory, in the order in which attention reads them; keys and values apart.</summary>
/// <remarks>
/// <para>Keys: [layer, block, kvHead, group of 16 positions, element of the head, position in group]: sixteen scores come out of one vector of sums.
/// Values: [layer, block, kvHead, position, element]. A block's last group is whole, though the block may not be, and a value has a multiple of 16
/// elements; what is there beyond a block's positions and a head's elements is undefined.</para>
/// <para>As 8-bit codes, a group of keys is followed by its scales [element / 32, position in group], and the values of a block and head by theirs
/// [position, element / 32].</para>
/// <para>Rows may be written by several threads, as long as their positions differ.</para>
/// </remarks>
internal sealed unsafe class CpuKvStore : DeviceKvStore
{
    /// <summary>Positions whose keys are interleaved.</summary>
    public const int GroupPositions = KvLayout.GroupSize;

    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly long _groupBytes;
    private readonly long _keyBytes; // of a block and head
    private readonly long _valueBytes;

    /// <exception cref="ArgumentException">Heads of this size cannot be stored as this type.</exception>
    public CpuKvStore(KvLayout layout)
        : base(layout)
    {
        layout.ThrowIfUnsupported();
        ElementBytes = layout.Type switch
        {
            KvType.F32 => 4,
            KvType.Q8_0 => 1,
            _ => 2,
        };
        ScalesPerHead = layout.Type == KvType.Q8_0 ? layout.HeadSize / KvCodes.Block : 0;
        ValueElements = layout.ValueElements;
        Groups = layout.Groups;
        _groupBytes = GroupPositions * (long)layout.HeadBytes;
        _keyBytes = layout.KeyBytes;
        _valueBytes = layout.ValueBytes;
        long heads = (long)layout.Layers * layout.Blocks * layout.KvHeads;
        _keys = new NativeBuffer(heads * _keyBytes);
        _values = new NativeBuffer(heads * _valueBytes);
    }

    /// <summary>Bytes of all keys and values.</summary>
    public long SizeBytes => _keys.SizeBytes + _values.SizeBytes;

    public int ElementBytes { get; }

    /// <summary>Scales of one head's vector; 0 where elements are not codes.</summary>
    public int ScalesPerHead { get; }

    /// <summary>Elements from a position's value to the next one's.</summary>
    public int ValueElements { get; }

    /// <summary>Groups of positions in a block.</summary>
    public int Groups { get; }

    /// <summary>The keys of a group of positions: [element, position].</summary>
    public byte* Keys(int layer, int block, int head, int group) => _keys.Bytes + (At(layer, block, head) * _keyBytes) + (group * _groupBytes);

    /// <summary>The scales of a group's keys: [element / 32, position].</summary>
    public ushort* KeyScales(byte* keys) => (ushort*)(keys + (GroupPositions * Layout.HeadSize));

    /// <summary>The values of a block: [position, element].</summary>
    public byte* Values(int layer, int block, int head) => _values.Bytes + (At(layer, block, head) * _valueBytes);

    /// <summary>The scales of a block's values: [position, element / 32].</summary>
    public ushort* ValueScales(byte* values) => (ushort*)(values + ((long)Layout.BlockSize * ValueElements));

    /// <summary>Stores the key and value of one position and head.</summary>
    public void Write(int layer, int block, int head, int offset, float* key, float* value)
    {
        byte* keys = Keys(layer, block, head, offset / GroupPositions);
        byte* values = Values(layer, block, head);
        int lane = offset % GroupPositions;
        int size = Layout.HeadSize;
        byte* row = values + ((long)offset * ValueElements * ElementBytes);
        switch (Layout.Type)
        {
            case KvType.F32:
                Scatter(key, (float*)keys + lane, size);
                new ReadOnlySpan<float>(value, size).CopyTo(new Span<float>(row, size));
                break;
            case KvType.Q8_0:
                WriteCodes(keys, lane, offset, key, value, row, ValueScales(values));
                break;
            default:
                ushort* narrow = stackalloc ushort[size];
                if (Layout.Type == KvType.F16)
                {
                    HalfRows.Narrow(key, narrow, size);
                    HalfRows.Narrow(value, (ushort*)row, size);
                }
                else
                {
                    HalfRows.NarrowBrain(key, narrow, size);
                    HalfRows.NarrowBrain(value, (ushort*)row, size);
                }

                Scatter(narrow, (ushort*)keys + lane, size);
                break;
        }
    }

    public void CopyBlock(int source, int destination)
    {
        long keys = Layout.KvHeads * _keyBytes;
        long values = Layout.KvHeads * _valueBytes;
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            Buffer.MemoryCopy(Keys(layer, source, 0, 0), Keys(layer, destination, 0, 0), keys, keys);
            Buffer.MemoryCopy(Values(layer, source, 0), Values(layer, destination, 0), values, values);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        _values.Dispose();
    }

    private void WriteCodes(byte* keys, int lane, int offset, float* key, float* value, byte* row, ushort* valueScales)
    {
        int size = Layout.HeadSize;
        sbyte* codes = stackalloc sbyte[size];
        ushort* scales = stackalloc ushort[ScalesPerHead];
        KvCodes.Quantise(key, size, codes, scales);
        Scatter(codes, (sbyte*)keys + lane, size);
        Scatter(scales, KeyScales(keys) + lane, ScalesPerHead);
        KvCodes.Quantise(value, size, (sbyte*)row, valueScales + (offset * ScalesPerHead));
    }

    private static void Scatter<T>(T* source, T* target, int count)
        where T : unmanaged
    {
        for (int i = 0; i < count; i++)
        {
            target[i * GroupPositions] = source[i];
        }
    }

    private long At(int layer, int block, int head) => ((((long)layer * Layout.Blocks) + block) * Layout.KvHeads) + head;
}
