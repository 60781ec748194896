namespace HelixFlow.Engine.Formats;

/// <summary>An open model file (or set of shard files): named tensors over memory-mapped bytes.</summary>
/// <remarks>Reading is thread-safe. Disposing unmaps the bytes: no tensor may be read after it.</remarks>
public abstract class TensorFile : IDisposable
{
    /// <summary>The tensors by name.</summary>
    public abstract IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
