using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>Loads a model onto a device.</summary>
/// <param name="model">Its name.</param>
/// <param name="device">Where it goes.</param>
/// <param name="progress">To be told how far it is.</param>
/// <param name="cancellationToken">The host is being disposed.</param>
public delegate Task<TModel> ModelLoader<TModel>(string model, Device device, IProgress<LoadProgress> progress, CancellationToken cancellationToken);

/// <summary>The models that live on a node's devices: loads them for requests, lets requests wait for one load, evicts what is least used.</summary>
/// <remarks>
/// Thread-safe. One lock guards the placement and is never held while waiting. What is evicted is gone before its memory is used again. A load
/// goes on although those who asked for it have left; one that fails is told to everyone who waits, and to those who ask within the pause after it.
/// </remarks>
public sealed class ModelHost<TModel> : IAsyncDisposable
    where TModel : class, IAsyncDisposable
{
    // A model that waits for room may earn a reservation by waiting: the placement is asked again this often.
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(250);

    private readonly ModelPlacement _placement;
    private readonly HostOptions _options;
    private readonly ModelLoader<TModel> _load;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Hosted> _models = new(StringComparer.Ordinal);
    private readonly Dictionary<Replica, TModel> _loaded = [];
    private readonly HashSet<Task> _work = [];
    private readonly CancellationTokenSource _stopping = new();
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ModelHost(IReadOnlyList<Device> devices, PlacementOptions placement, HostOptions options, ModelLoader<TModel> load, TimeProvider time)
    {
        _placement = new ModelPlacement(devices, placement);
        _options = options;
        _load = load;
        _time = time;
        _start = time.GetTimestamp();
    }

    /// <summary>Raised when a model's state has changed; must not block.</summary>
    public event Action? Changed;

    private TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>Makes a model known; it is loaded on demand.</summary>
    public void AddModel(string model, ModelNeed need)
    {
        lock (_lock)
        {
            _placement.AddModel(model, need);
            _models.Add(model, new Hosted());
        }
    }

    /// <summary>Waits until the model is loaded and holds it.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded.</exception>
    /// <exception cref="ModelQueueFullException">Too many wait for it.</exception>
    /// <exception cref="ArgumentException">The model is not known.</exception>
    public ValueTask<ModelLease<TModel>> AcquireAsync(string model, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return TryAcquire_NeedsLock(model) is { } lease ? ValueTask.FromResult(lease) : new ValueTask<ModelLease<TModel>>(AcquireSlowAsync(model, cancellationToken));
        }
    }

    /// <summary>Loads the model if it is not loaded.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded.</exception>
    public async Task LoadAsync(string model, CancellationToken cancellationToken)
    {
        using ModelLease<TModel> lease = await AcquireAsync(model, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Unloads the model's replicas as their requests end, and waits for that; a later request loads it again.</summary>
    public async Task UnloadAsync(string model, CancellationToken cancellationToken)
    {
        var idle = new List<Replica>();
        lock (_lock)
        {
            _placement.Unload(model, busyToo: true, idle);
            Unload_NeedsLock(idle);
        }

        Signal();
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (_placement.ReplicasOf(model).All(static replica => !replica.Leaving && replica.State != ReplicaState.Unloading))
                {
                    return;
                }

                next = _next.Task;
            }

            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Keeps a model from being evicted, or no longer does.</summary>
    public void SetPinned(string model, bool pinned)
    {
        lock (_lock)
        {
            if (pinned)
            {
                _placement.Pin(model);
            }
            else
            {
                _placement.Unpin(model);
            }
        }

        Signal();
    }

    /// <summary>Sets how many replicas of a model there should be, 1 to 64; more than one only where there is free room for them.</summary>
    public void SetReplicas(string model, int wanted)
    {
        lock (_lock)
        {
            var idle = new List<Replica>();
            _placement.SetReplicas(model, wanted, idle);
            Unload_NeedsLock(idle);
            AddReplicas_NeedsLock();
        }

        Signal();
    }

    /// <summary>The model's loaded replicas.</summary>
    public IReadOnlyList<TModel> Loaded(string model)
    {
        lock (_lock)
        {
            return [.. _placement.ReplicasOf(model).Where(_loaded.ContainsKey).Select(replica => _loaded[replica])];
        }
    }

    public HostSnapshot Snapshot()
    {
        lock (_lock)
        {
            return new HostSnapshot(
                [.. _models.Select(model => Describe_NeedsLock(model.Key, model.Value))],
                [.. _placement.Devices.Select((device, index) => new HostedDevice(device, _placement.UsedBytes(index)))]);
        }
    }

    /// <summary>Gives up loads under way and disposes what is loaded. No lease may be used afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task[] work;
        lock (_lock)
        {
            work = [.. _work];
        }

        await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        TModel[] loaded;
        lock (_lock)
        {
            loaded = [.. _loaded.Values];
            _loaded.Clear();
        }

        foreach (TModel model in loaded)
        {
            await model.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal void Release(Replica replica)
    {
        lock (_lock)
        {
            if (_placement.Release(replica))
            {
                Unload_NeedsLock([replica]);
            }
        }

        Signal();
    }

    private async Task<ModelLease<TModel>> AcquireSlowAsync(string model, CancellationToken cancellationToken)
    {
        Hosted hosted;
        lock (_lock)
        {
            hosted = _models[model];
            if (hosted.Waiting >= _options.MaxWaiting)
            {
                throw new ModelQueueFullException($"{hosted.Waiting} requests wait for the model '{model}' to be loaded. Please try again later.");
            }

            hosted.Waiting++;
        }

        try
        {
            while (true)
            {
                Task next;
                lock (_lock)
                {
                    next = _next.Task;
                    if (TryAcquire_NeedsLock(model) is { } lease)
                    {
                        return lease;
                    }
                }

                await next.WaitAsync(AskAgain, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
                _stopping.Token.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            lock (_lock)
            {
                if (--hosted.Waiting == 0)
                {
                    _placement.StopWaiting(model);
                }
            }
        }
    }

    /// <summary>A lease if the model is there; otherwise sees to it that it comes.</summary>
    private ModelLease<TModel>? TryAcquire_NeedsLock(string model)
    {
        if (!_models.TryGetValue(model, out Hosted? hosted))
        {
            throw new ArgumentException($"There is no model '{model}' here.", nameof(model));
        }

        TimeSpan now = Now;
        if (hosted.Failure is { } failure && now < hosted.RetryAt)
        {
            // Another replica may serve; a load would only fail again.
            return _placement.TryAcquire(model, now) is { } other
                ? new ModelLease<TModel>(this, other, _loaded[other])
                : throw new ModelLoadException(model, failure.Message, failure);
        }

        AcquireOutcome outcome = _placement.Acquire(model, now);
        switch (outcome.Status)
        {
            case AcquireStatus.Resident:
                return new ModelLease<TModel>(this, outcome.Replica!, _loaded[outcome.Replica!]);
            case AcquireStatus.StartLoad:
                Begin_NeedsLock(outcome.Plan!);
                return null;
            case AcquireStatus.Impossible:
                throw new ModelLoadException(model, outcome.Refusal!.Reason);
            default:
                return null;
        }
    }

    private HostedModel Describe_NeedsLock(string name, Hosted hosted)
    {
        IReadOnlyList<Replica> replicas = _placement.ReplicasOf(name);
        bool loading = replicas.Any(static replica => replica.State == ReplicaState.Loading);
        string[] devices = [.. replicas.Where(_loaded.ContainsKey).Select(static replica => replica.Device.Id)];
        HostedModelState state = devices.Length > 0 ? HostedModelState.Resident
            : loading ? HostedModelState.Loading
            : hosted.Failure is not null ? HostedModelState.Failed
            : HostedModelState.Unloaded;
        return new HostedModel(
            name,
            state,
            loading ? hosted.Progress.Fraction : 0,
            loading ? hosted.Progress.Step ?? "" : "",
            hosted.Failure?.Message,
            hosted.Waiting,
            replicas.Sum(static replica => replica.Active),
            _placement.IsPinned(name),
            devices);
    }

    private void Begin_NeedsLock(LoadPlan plan) => Track_NeedsLock(() => CarryOutAsync(plan));

    private void AddReplicas_NeedsLock()
    {
        while (!_stopping.IsCancellationRequested && _placement.PlanExtraReplica(Now) is { } plan)
        {
            Begin_NeedsLock(plan);
        }
    }

    private void Unload_NeedsLock(List<Replica> replicas)
    {
        foreach (Replica replica in replicas)
        {
            Track_NeedsLock(() => UnloadAsync(replica));
        }
    }

    /// <summary>Runs work that the host waits for when it is disposed.</summary>
    private void Track_NeedsLock(Func<Task> work)
    {
        Task task = Task.Run(work);
        _work.Add(task);
        _ = task.ContinueWith(
            ended =>
            {
                lock (_lock)
                {
                    _work.Remove(ended);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            TaskScheduler.Default);
    }

    private async Task CarryOutAsync(LoadPlan plan)
    {
        foreach (Replica evicted in plan.Evict)
        {
            await UnloadAsync(evicted).ConfigureAwait(false);
        }

        Hosted hosted = _models[plan.Replica.Model];
        var progress = new Relay(hosted, () => Changed?.Invoke());
        try
        {
            TModel model = await _load(plan.Replica.Model, plan.Replica.Device, progress, _stopping.Token).ConfigureAwait(false);
            lock (_lock)
            {
                _loaded.Add(plan.Replica, model);
                hosted.Failure = null;
                if (_placement.LoadSucceeded(plan.Replica, Now))
                {
                    Unload_NeedsLock([plan.Replica]);
                }

                AddReplicas_NeedsLock();
            }
        }
        catch (Exception exception)
        {
            // The boundary of a load: whatever failed is the answer to all who wait for it.
            lock (_lock)
            {
                hosted.Failure = exception;
                hosted.RetryAt = Now + _options.PauseAfterFailure;
                _placement.LoadFailed(plan.Replica, hosted.RetryAt);
            }
        }

        Signal();
    }

    private async Task UnloadAsync(Replica replica)
    {
        TModel model;
        lock (_lock)
        {
            _loaded.Remove(replica, out TModel? loaded);
            model = loaded!;
        }

        await model.DisposeAsync().ConfigureAwait(false);
        lock (_lock)
        {
            _placement.Unloaded(replica);
            AddReplicas_NeedsLock();
        }

        Signal();
    }

    private void Signal()
    {
        Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        Changed?.Invoke();
    }

    /// <summary>What the host knows of a model beside its placement.</summary>
    private sealed class Hosted
    {
        public LoadProgress Progress { get; set; }

        public Exception? Failure { get; set; }

        public TimeSpan RetryAt { get; set; }

        public int Waiting { get; set; }
    }

    private sealed class Relay(Hosted hosted, Action changed) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            hosted.Progress = value;
            changed();
        }
    }
}
