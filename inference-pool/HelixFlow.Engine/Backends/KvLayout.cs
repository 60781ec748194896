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
/// <remarks>A backend may store a block's elements in another order.</remarks>
public sealed record KvLayout(int Layers, int KvHeads, int HeadSize, int Blocks, int BlockSize, KvType Type)
{
    private const int CodesPerScale = 32;

    /// <summary>Bytes of one block over all layers, keys and values.</summary>
    public long BlockBytes => 2L * Layers * KvHeads * BlockSize * HeadBytes;

    /// <summary>Bytes of one head's key or value at one position.</summary>
    public int HeadBytes => Type switch
    {
        KvType.F32 => 4 * HeadSize,
        KvType.Q8_0 => HeadSize + (2 * HeadSize / CodesPerScale),
        _ => 2 * HeadSize,
    };

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
