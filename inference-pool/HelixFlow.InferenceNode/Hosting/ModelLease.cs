using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>A request's hold on a loaded model: while it lasts, the model is not unloaded. Dispose it once, from any thread.</summary>
public sealed class ModelLease<TModel> : IDisposable
    where TModel : class, IAsyncDisposable
{
    private readonly ModelHost<TModel> _host;
    private Replica? _replica;

    internal ModelLease(ModelHost<TModel> host, Replica replica, TModel model)
    {
        _host = host;
        _replica = replica;
        Model = model;
    }

    public TModel Model { get; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _replica, null) is { } replica)
        {
            _host.Release(replica);
        }
    }
}
