using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;
using Microsoft.Extensions.Logging;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>Loads a model onto a device. Cancelled when the model is unloaded before it is there; what was loaded until then is the loader's to free.</summary>
internal delegate Task<TModel> ModelLoader<TModel>(string model, Device device, IProgress<LoadProgress> progress, CancellationToken cancellationToken);

/// <summary>Owns the loaded models of a node: hands them to requests and loads and unloads them as its <see cref="ModelPlacement"/> decides.</summary>
/// <remarks>
/// Thread-safe. Requests for a model that is being loaded wait for that one load; it goes on when they leave. What makes way is disposed before
/// the load that needs its room begins. Loading and disposing run on the thread pool; nothing foreign is called under the lock.
/// </remarks>
internal sealed partial class ModelHost<TModel> : IAsyncDisposable
    where TModel : class, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly ModelPlacement _placement;
    private readonly ModelLoader<TModel> _load;
    private readonly ModelHostOptions _options;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ILogger _logger;

    // Guarded by the lock.
    private readonly Dictionary<string, HostedModel<TModel>> _models = new(StringComparer.Ordinal);
    private readonly Dictionary<Replica, HostedReplica<TModel>> _replicas = [];
    private readonly List<HostedModel<TModel>> _wanted = []; // models for which requests wait
    private int _waiting;
    private long _lastNumber;
    private bool _closed;
    private long _version;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <exception cref="ArgumentException">An option is out of range, or two devices have the same id.</exception>
    public ModelHost(
        IReadOnlyList<Device> devices, ModelLoader<TModel> load, PlacementOptions placement, ModelHostOptions options, TimeProvider time,
        ILoggerFactory loggers)
    {
        options.Validate();
        _placement = new ModelPlacement(devices, placement);
        _load = load;
        _options = options;
        _time = time;
        _start = time.GetTimestamp();
        _logger = loggers.CreateLogger<ModelHost<TModel>>();
    }

    private TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>Makes a model known; loads nothing.</summary>
    /// <returns>Null when a device can hold it; otherwise the reason for which requests for it will be refused.</returns>
    /// <exception cref="ArgumentException">The name is taken, or a size is out of range.</exception>
    public PlacementRefusal? Add(string model, ModelNeed need)
    {
        lock (_lock)
        {
            PlacementRefusal? refusal = _placement.AddModel(model, need);
            _models.Add(model, new HostedModel<TModel>(model, refusal));
            SignalChange();
            return refusal;
        }
    }

    /// <summary>Takes a model for a request; loads it first where it is not there.</summary>
    /// <exception cref="ModelRefusedException">There is no such model, no room for it, or the queue is full.</exception>
    /// <exception cref="ModelLoadException">It could not be loaded, now or a moment ago.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled; a load that it has started goes on.</exception>
    public ValueTask<ModelLease<TModel>> AcquireAsync(string model, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_closed && _models.ContainsKey(model) && _placement.TryAcquire(model, Now) is { } replica)
            {
                return ValueTask.FromResult(LeaseOf(replica));
            }
        }

        return new ValueTask<ModelLease<TModel>>(WaitForAsync(model, cancellationToken));
    }

    /// <summary>Loads a model ahead of requests; counts as one use. Fails as <see cref="AcquireAsync"/> does.</summary>
    public async Task LoadAsync(string model, CancellationToken cancellationToken) =>
        (await AcquireAsync(model, cancellationToken).ConfigureAwait(false)).Dispose();

    /// <summary>Unloads all replicas of a model, pinned or not, gives up its loads, and completes when its memory is free.</summary>
    /// <remarks>A later request loads it again.</remarks>
    /// <param name="model">The model.</param>
    /// <param name="waitForIdle">Whether to let running requests end, without taking new ones; otherwise a model in use stays.</param>
    /// <param name="cancellationToken">Ends the waiting; replicas that have begun to leave still leave.</param>
    /// <returns>False when the model is in use and <paramref name="waitForIdle"/> is false.</returns>
    /// <exception cref="ModelRefusedException">There is no such model, or the host is closed.</exception>
    public async Task<bool> UnloadAsync(string model, bool waitForIdle, CancellationToken cancellationToken)
    {
        HostedReplica<TModel>[] leaving;
        lock (_lock)
        {
            HostedModel<TModel> hosted = FindOpen(model);
            var unloadNow = new List<Replica>();
            if (!_placement.Unload(model, waitForIdle, unloadNow))
            {
                return false;
            }

            BeginUnloads(unloadNow);
            FailWaiters(hosted, Unloaded);
            leaving = [.. _placement.ReplicasOf(model).Select(replica => _replicas[replica])];
            ServeWaiters();
            SignalChange();
        }

        await StopLoadsAsync(leaving).ConfigureAwait(false);
        await Task.WhenAll(leaving.Select(replica => replica.Gone)).WaitAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Keeps a model from being evicted once it is loaded.</summary>
    /// <exception cref="ModelRefusedException">There is no such model.</exception>
    public void Pin(string model) => SetPinned(model, pinned: true);

    /// <summary>Lets a model be evicted again.</summary>
    /// <exception cref="ModelRefusedException">There is no such model.</exception>
    public void Unpin(string model) => SetPinned(model, pinned: false);

    /// <summary>Sets how many replicas of a model there should be, 1 to 64. More than the first are loaded as free room on other devices allows.</summary>
    /// <exception cref="ModelRefusedException">There is no such model.</exception>
    public async Task SetReplicasAsync(string model, int wanted)
    {
        HostedReplica<TModel>[] replicas;
        lock (_lock)
        {
            FindOpen(model);
            var unloadNow = new List<Replica>();
            _placement.SetReplicas(model, wanted, unloadNow);
            BeginUnloads(unloadNow);
            replicas = [.. _placement.ReplicasOf(model).Where(replica => replica.Leaving).Select(replica => _replicas[replica])];
            ServeWaiters();
            SignalChange();
        }

        await StopLoadsAsync(replicas).ConfigureAwait(false);
    }

    /// <summary>The model's loaded replicas, to be looked at: they may be unloaded at any time.</summary>
    public IReadOnlyList<TModel> LoadedOf(string model)
    {
        lock (_lock)
        {
            return [.. _placement.ReplicasOf(model).Select(replica => _replicas[replica].Model).OfType<TModel>()];
        }
    }

    /// <summary>What is where now.</summary>
    public HostSnapshot Snapshot()
    {
        lock (_lock)
        {
            TimeSpan now = Now;
            return new HostSnapshot(
                _version,
                [.. _models.Values.Select(model => StatusOf(model, now))],
                [.. _placement.Devices.Select((device, i) => new DeviceStatus(device, _placement.UsedBytes(i)))],
                _waiting);
        }
    }

    /// <summary>Completes when something has changed since the snapshot of this version; requests that come and go are no change.</summary>
    public async Task WaitForChangeAsync(long version, CancellationToken cancellationToken)
    {
        Task changed;
        lock (_lock)
        {
            changed = _version != version ? Task.CompletedTask : _changed.Task;
        }

        await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Refuses what waits and what comes, gives up loads, then disposes all models, whether or not requests still use them.</summary>
    public async ValueTask DisposeAsync()
    {
        HostedReplica<TModel>[] replicas;
        lock (_lock)
        {
            _closed = true;
            replicas = [.. _replicas.Values];
            foreach (HostedModel<TModel> model in _wanted.ToArray())
            {
                FailWaiters(model, Closed);
            }

            SignalChange();
        }

        await StopLoadsAsync(replicas).ConfigureAwait(false);
        await Task.WhenAll(replicas.Select(replica => replica.Work)).ConfigureAwait(false);
        foreach (HostedReplica<TModel> replica in replicas)
        {
            await DisposeModelAsync(replica).ConfigureAwait(false);
        }
    }

    /// <summary>Ends a request's use of a replica.</summary>
    internal void Release(Replica replica)
    {
        lock (_lock)
        {
            if (_placement.Release(replica) && !_closed)
            {
                BeginUnloads([replica]);
            }

            ServeWaiters();
        }
    }

    /// <summary>Takes a request out of the queue.</summary>
    /// <returns>False when it is no longer there: it has been answered.</returns>
    internal bool Leave(Waiter<TModel> waiter)
    {
        lock (_lock)
        {
            if (!waiter.Model.Waiters.Remove(waiter))
            {
                return false;
            }

            Left(waiter.Model);
            ServeWaiters();
            return true;
        }
    }

    private static ModelRefusedException Closed(string model) => new(model, ModelRefusal.Closed, "The server is shutting down.");

    private static ModelRefusedException Unloaded(string model) =>
        new(model, ModelRefusal.Unloaded, $"The model '{model}' was unloaded while the request waited for it.");

    private HostedModel<TModel> Find(string model) =>
        _models.GetValueOrDefault(model) ?? throw new ModelRefusedException(model, ModelRefusal.Unknown, $"There is no model '{model}'.");

    private HostedModel<TModel> FindOpen(string model) => _closed ? throw Closed(model) : Find(model);

    private ModelLease<TModel> LeaseOf(Replica replica) => new(this, replica, _replicas[replica].Model!);

    private void SetPinned(string model, bool pinned)
    {
        lock (_lock)
        {
            Find(model);
            if (pinned)
            {
                _placement.Pin(model);
            }
            else
            {
                _placement.Unpin(model);
            }

            ServeWaiters();
            SignalChange();
        }
    }

    private ModelStatus StatusOf(HostedModel<TModel> model, TimeSpan now)
    {
        ReplicaStatus[] replicas =
        [
            .. _placement.ReplicasOf(model.Name).Select(replica => new ReplicaStatus(
                replica.Device.Id, replica.State, _replicas[replica].Progress, replica.Bytes, replica.Active, replica.Leaving)),
        ];
        ReplicaStatus? loading = replicas.Where(replica => replica.State == ReplicaState.Loading).MaxBy(replica => replica.Progress.Fraction);
        ModelState state = replicas.Any(replica => replica.State == ReplicaState.Resident) ? ModelState.Resident
            : loading is not null ? ModelState.Loading
            : model.Failure is not null ? ModelState.Failed
            : ModelState.Unloaded;
        return new ModelStatus(
            model.Name,
            state,
            state == ModelState.Loading ? loading!.Progress : null,
            state == ModelState.Failed ? model.Failure!.Message : null,
            model.NeverFits,
            _placement.NeedOf(model.Name),
            _placement.IsPinned(model.Name),
            _placement.WantedReplicas(model.Name),
            _placement.AgedUses(model.Name, now),
            model.Waiters.Count,
            replicas);
    }

    private void SignalChange()
    {
        _version++;
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
