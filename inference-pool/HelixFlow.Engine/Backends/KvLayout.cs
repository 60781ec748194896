namespace HelixFlow.Engine.Backends;

/// <summary>How keys and values are stored.</summary>
public enum KvType
{
    /// <summary>IEEE half precision.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    F32,

    /// <summary>8-bit codes with a half-precision scale for every 32 elements of a head.</summary>
    Q8_0,
}

/// <summary>The shape of a paged key/value store: per layer, [block, kvHead, position in block, headSize] for keys and for values.</summary>
/// <remarks>
/// A backend may store a block's elements in another order. What it may add is counted here: the keys of a block have room for whole sixteens of
/// positions, and values for whole sixteens of elements.
/// </remarks>
public sealed record KvLayout(int Layers, int KvHeads, int HeadSize, int Blocks, int BlockSize, KvType Type)
{
    /// <summary>Positions of keys, and elements of values, come in whole groups of so many.</summary>
    public const int GroupSize = 16;

    private const int CodesPerScale = 32;

    /// <summary>Groups of positions in a block.</summary>
    public int Groups => (BlockSize + GroupSize - 1) / GroupSize;

    /// <summary>Elements from a position's value to the next one's.</summary>
    public int ValueElements => (HeadSize + GroupSize - 1) / GroupSize * GroupSize;

    /// <summary>Bytes of one block over all layers, keys and values.</summary>
    public long BlockBytes => (long)Layers * KvHeads * (KeyBytes + ValueBytes);

    /// <summary>Bytes of one head's keys in a block.</summary>
    public long KeyBytes => (long)Groups * GroupSize * HeadBytes;

    /// <summary>Bytes of one head's values in a block.</summary>
    public long ValueBytes => (long)BlockSize * BytesOf(ValueElements);

    /// <summary>Bytes of one head's key or value at one position, without room that is not used.</summary>
    public int HeadBytes => BytesOf(HeadSize);

    /// <summary>Refuses a type that heads of this size cannot have.</summary>
    /// <exception cref="ArgumentException">q8_0, but the head size is not a multiple of 32.</exception>
    public void ThrowIfUnsupported()
    {
        if (Type == KvType.Q8_0 && HeadSize % CodesPerScale != 0)
        {
            throw new ArgumentException(
                $"keys and values cannot be stored as q8_0: the model's heads have {HeadSize} elements, which is no multiple of {CodesPerScale}; f16 and bf16 take any size");
        }
    }

    private int BytesOf(int elements) => Type switch
    {
        KvType.F32 => 4 * elements,
        KvType.Q8_0 => elements + (2 * elements / CodesPerScale),
        _ => 2 * elements,
    };
}

/// <summary>Keys and values of all layers on a device.</summary>
public abstract class DeviceKvStore(KvLayout layout) : IDisposable
{
    public KvLayout Layout { get; } = layout;

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
