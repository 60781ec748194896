namespace HelixFlow.Engine.Backends;

/// <summary>How keys and values are stored.</summary>
public enum KvType
{
    F16,
    F32,
}

/// <summary>The shape of a paged key/value store: per layer, [block, kvHead, position in block, headSize] for keys and for values.</summary>
public sealed record KvLayout(int Layers, int KvHeads, int HeadSize, int Blocks, int BlockSize, KvType Type)
{
    /// <summary>Bytes of one block over all layers, keys and values.</summary>
    public long BlockBytes => 2L * Layers * KvHeads * HeadSize * BlockSize * (Type == KvType.F32 ? 4 : 2);
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
