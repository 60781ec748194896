using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>A model that a host knows, with the requests that wait for it. Guarded by the host's lock.</summary>
internal sealed class HostedModel<TModel>(string name, PlacementRefusal? neverFits)
    where TModel : class, IAsyncDisposable
{
    public string Name => name;

    public PlacementRefusal? NeverFits => neverFits;

    /// <summary>The longest waiting first.</summary>
    public LinkedList<Waiter<TModel>> Waiters { get; } = [];

    /// <summary>Why the last load failed; null once one has succeeded.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Until then requests get <see cref="Failure"/>.</summary>
    public TimeSpan FailureEnds { get; set; }
}

/// <summary>A replica's model and the work on it. Guarded by the host's lock.</summary>
internal sealed class HostedReplica<TModel>(Replica replica)
    where TModel : class, IAsyncDisposable
{
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Replica Replica => replica;

    /// <summary>Set while it is resident and until it is disposed.</summary>
    public TModel? Model { get; set; }

    public LoadProgress Progress { get; set; }

    /// <summary>Cancels its load. Never disposed: it has no timer, and whoever cancels it may come late.</summary>
    public CancellationTokenSource Stopping { get; } = new();

    /// <summary>Its loading or unloading; never fails.</summary>
    public Task Work { get; set; } = Task.CompletedTask;

    /// <summary>Completes when it is on no device any more.</summary>
    public Task Gone => _gone.Task;

    public void SetGone() => _gone.TrySetResult();
}

/// <summary>A request that waits for a model.</summary>
internal sealed class Waiter<TModel>(ModelHost<TModel> host, HostedModel<TModel> model, long number)
    where TModel : class, IAsyncDisposable
{
    private readonly TaskCompletionSource<ModelLease<TModel>> _lease = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HostedModel<TModel> Model => model;

    /// <summary>Requests are numbered in the order in which they came.</summary>
    public long Number => number;

    public Task<ModelLease<TModel>> Lease => _lease.Task;

    public void Grant(ModelLease<TModel> lease) => _lease.SetResult(lease);

    public void Fail(Exception exception) => _lease.SetException(exception);

    /// <summary>Takes it out of the queue, if it is still there.</summary>
    public void Cancel(CancellationToken cancellationToken)
    {
        if (host.Leave(this))
        {
            _lease.SetCanceled(cancellationToken);
        }
    }
}
