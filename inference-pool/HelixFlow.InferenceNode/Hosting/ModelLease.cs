using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>A request's hold on a loaded model, which is not unloaded before the lease is disposed. Disposing twice does nothing more.</summary>
internal sealed class ModelLease<TModel> : IDisposable
    where TModel : class, IAsyncDisposable
{
    private readonly Replica _replica;
    private ModelHost<TModel>? _host;

    internal ModelLease(ModelHost<TModel> host, Replica replica, TModel model)
    {
        _host = host;
        _replica = replica;
        Model = model;
    }

    public TModel Model { get; }

    public void Dispose() => Interlocked.Exchange(ref _host, null)?.Release(_replica);
}
