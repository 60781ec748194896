using System.Runtime.CompilerServices;
using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Generation;
using HelixFlow.InferenceNode.Health;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Prefixes;
using HelixFlow.InferenceNode.Requests;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.InferenceNode.State;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;
using LoadProgress = HelixFlow.Schemas.Inference.V1.LoadProgress;

namespace HelixFlow.InferenceNode;

/// <summary>An inference node: places models on its devices, loads them on demand and answers requests for them.</summary>
/// <remarks>
/// Thread-safe. Templates, tokenisation and detokenisation run on the callers' threads, each model replica on one engine thread. A request for
/// a model that is not loaded is held while it loads and told so by <see cref="Waiting"/> events.
/// </remarks>
public sealed partial class Node : IInferencePool, IAsyncDisposable
{
    private static readonly TimeSpan WaitingInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan EvictionGrace = TimeSpan.FromSeconds(5);

    private readonly NodeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ModelCatalog _catalog;
    private readonly ModelHost<ServedModel> _host;
    private readonly RequestGate _gate = new();
    private readonly PrefixLedger _prefixes = new();
    private readonly NodeMonitor _monitor;
    private readonly StateReport _report;
    private readonly ChangeSignal _changed = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _following;
    private volatile bool _loaded;

    /// <summary>Finds the devices and reads the models' headers.</summary>
    /// <exception cref="Engine.Formats.ModelFormatException">A model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="ArgumentException">An option is out of range, two models have one name, or a pinned model is unknown.</exception>
    public Node(NodeOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<Node>();
        IReadOnlyList<Device> devices = DeviceDiscovery.Discover(new DeviceOptions { CpuBudgetBytes = options.MemoryBytes });
        _catalog = ModelCatalog.Read(options, devices.Where(static device => device.CanRun).Max(static device => device.BudgetBytes));
        _host = new ModelHost<ServedModel>(devices, LoadModelAsync, options.Placement, new ModelHostOptions { MaxWaiting = options.MaxWaiting }, time, loggers);
        foreach (CatalogEntry entry in _catalog.Entries)
        {
            _host.Add(entry.Source.Name, entry.Need);
        }

        foreach (string pinned in options.Pinned)
        {
            _host.Pin(_catalog.Find(pinned) is not null ? pinned : throw new ArgumentException($"The pinned model '{pinned}' is not among the models.", nameof(options)));
        }

        _monitor = new NodeMonitor(_host, options, time, loggers, _changed.Set);
        _report = new StateReport(options.NodeId, time.GetUtcNow(), _catalog, _host);
        _following = Task.Run(FollowHostAsync);
    }

    /// <summary>Raised after <see cref="Phase"/> or a model's state may have changed; must not block.</summary>
    public event Action PhaseChanged
    {
        add => _changed.Changed += value;
        remove => _changed.Changed -= value;
    }

    public NodePhase Phase =>
        _gate.IsClosed ? NodePhase.Draining
        : _monitor.Problem is not null ? NodePhase.Unhealthy
        : _loaded ? NodePhase.Ready
        : NodePhase.Starting;

    /// <summary>Why the node is not ready; empty when it is.</summary>
    public string PhaseReason => Phase switch
    {
        NodePhase.Draining => "shutting down",
        NodePhase.Unhealthy => _monitor.Problem ?? "",
        NodePhase.Starting => "loading models",
        _ => "",
    };

    /// <summary>Whether the models to be loaded at start are loaded and requests are taken.</summary>
    public bool IsReady => Phase == NodePhase.Ready;

    /// <summary>Loads the pinned models, then the others in their order for as long as there is room; the rest is loaded on demand.</summary>
    /// <exception cref="InferenceException">A model cannot be loaded, or does not fit.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        long room = _host.Snapshot().Devices.Where(static device => device.Device.CanRun).Max(static device => device.Device.BudgetBytes);
        foreach (CatalogEntry entry in _catalog.Entries.OrderByDescending(entry => _options.Pinned.Contains(entry.Source.Name)))
        {
            bool first = entry == _catalog.Entries[0] && _options.Pinned.Count == 0;
            if (first || _options.Pinned.Contains(entry.Source.Name) || entry.Need.TotalBytes <= room)
            {
                await Translate(_host.LoadAsync(entry.Source.Name, cancellationToken)).ConfigureAwait(false);
                room -= entry.Need.TotalBytes;
            }
        }

        _loaded = true;
        _monitor.Start();
        _changed.Set();
    }

    /// <summary>
    /// Refuses new requests and waits until the running ones have ended; those that have not after the limit end as
    /// <see cref="InferenceError.Unavailable"/>, so that a router lets them go on elsewhere.
    /// </summary>
    public async Task DrainAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        Log.Draining(_logger, _gate.Count, limit.TotalSeconds);
        _gate.Close();
        _changed.Set();
        try
        {
            await _gate.Empty.WaitAsync(limit, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            Log.Evicting(_logger, _gate.Count);
            _gate.Evict();
            await _gate.Empty.WaitAsync(EvictionGrace, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Log.Drained(_logger);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var scope = new RequestScope(_gate, request.HasTimeoutMs ? TimeSpan.FromMilliseconds(request.TimeoutMs) : null, _time, cancellationToken);
        RefuseIfItWritesNoText(request.Model);
        Task<ModelLease<ServedModel>> acquiring = AcquireAsync(request.Model, scope.Token).AsTask();
        ModelLease<ServedModel>? lease = null;
        IAsyncEnumerator<GenerateEvent>? events = null;
        try
        {
            while (!acquiring.IsCompleted)
            {
                yield return new GenerateEvent { Waiting = _report.WaitingFor(request.Model) };
                await ((Task)acquiring).WaitAsync(WaitingInterval, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            lease = await scope.GuardAsync(acquiring).ConfigureAwait(false);
            events = GenerationRun.RunAsync(request, lease.Model, _options.NodeId, _time, scope.Token).GetAsyncEnumerator(scope.Token);
            bool computed = false;
            while (await scope.MoveNextAsync(events).ConfigureAwait(false))
            {
                if (!computed && events.Current.Token is not null)
                {
                    computed = true;
                    NotePrefix(request, lease.Model);
                }

                yield return events.Current;
            }
        }
        finally
        {
            if (events is not null)
            {
                await events.DisposeAsync().ConfigureAwait(false);
            }

            if (lease is null)
            {
                await AbandonAsync(acquiring, scope).ConfigureAwait(false);
            }

            lease?.Dispose();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken)
    {
        using var scope = new RequestScope(_gate, null, _time, cancellationToken);
        using ModelLease<ServedModel> lease = await scope.GuardAsync(AcquireAsync(request.Model, scope.Token).AsTask()).ConfigureAwait(false);
        return await scope.GuardAsync(EmbeddingRun.RunAsync(request, lease.Model, scope.Token)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken)
    {
        using var scope = new RequestScope(_gate, null, _time, cancellationToken);
        using ModelLease<ServedModel> lease = await scope.GuardAsync(AcquireAsync(request.Model, scope.Token).AsTask()).ConfigureAwait(false);
        return TextTokens.Tokenize(request, lease.Model, _time);
    }

    /// <inheritdoc/>
    public async ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken)
    {
        using var scope = new RequestScope(_gate, null, _time, cancellationToken);
        using ModelLease<ServedModel> lease = await scope.GuardAsync(AcquireAsync(request.Model, scope.Token).AsTask()).ConfigureAwait(false);
        return TextTokens.Detokenize(request, lease.Model);
    }

    /// <inheritdoc/>
    public async ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken)
    {
        var tokenize = new TokenizeRequest { Model = request.Model };
        if (request.PromptCase == CountTokensRequest.PromptOneofCase.Chat)
        {
            tokenize.Chat = request.Chat;
        }
        else
        {
            tokenize.Text = request.Text;
        }

        return new CountTokensResponse { Tokens = (uint)(await TokenizeAsync(tokenize, cancellationToken).ConfigureAwait(false)).TokenIds.Count };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        RequireKnown(request.Model);
        Task loading = Translate(_host.LoadAsync(request.Model, cancellationToken));
        while (!loading.IsCompleted)
        {
            yield return _report.ProgressOf(request.Model);
            await loading.WaitAsync(WaitingInterval, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await loading.ConfigureAwait(false);
        yield return _report.ProgressOf(request.Model);
    }

    /// <inheritdoc/>
    public async ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken)
    {
        RequireKnown(request.Model);
        await Translate(_host.UnloadAsync(request.Model, waitForIdle: true, cancellationToken)).ConfigureAwait(false);
        _prefixes.Forget(request.Model);
        return new UnloadModelResponse();
    }

    /// <inheritdoc/>
    public async ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken)
    {
        RequireKnown(request.Model);
        if (request.Replicas > 0)
        {
            await _host.SetReplicasAsync(request.Model, (int)Math.Min(request.Replicas, 64)).ConfigureAwait(false);
        }

        if (!request.Pinned)
        {
            _host.Unpin(request.Model);
        }
        else
        {
            _host.Pin(request.Model);
            await Translate(_host.LoadAsync(request.Model, cancellationToken)).ConfigureAwait(false);
        }

        return new PinModelResponse();
    }

    /// <inheritdoc/>
    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new ListModelsResponse { Models = { _catalog.Entries.Select(static entry => entry.Description) } });

    /// <inheritdoc/>
    public ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_report.Build(Phase, PhaseReason, (uint)_gate.Count));

    /// <summary>States as they change; ends when the node has drained.</summary>
    public async IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromMilliseconds(request.IntervalMs is 0 ? 500 : Math.Clamp(request.IntervalMs, 50, 60_000));
        long seen = 0;
        while (true)
        {
            Task changed = _changed.NextAsync;
            bool drained = _gate.Empty.IsCompleted; // before the state is built: the last state must tell of the drain
            NodeState state = _report.Build(Phase, PhaseReason, (uint)_gate.Count);
            state.Prefixes = _prefixes.Read(ref seen);
            yield return state;
            if (drained)
            {
                yield break;
            }

            await Task.WhenAny(changed, _gate.Empty).WaitAsync(interval, _time, cancellationToken).ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Task draining = DrainAsync(TimeSpan.FromMilliseconds(request.LimitMs), cancellationToken);
        while (!draining.IsCompleted)
        {
            yield return new DrainProgress { Remaining = (uint)_gate.Count };
            await draining.WaitAsync(WaitingInterval, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await draining.ConfigureAwait(false);
        yield return new DrainProgress { Remaining = (uint)_gate.Count, Done = true };
    }

    public async ValueTask DisposeAsync()
    {
        _gate.Close();
        _gate.Evict();
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _following.ConfigureAwait(false);
        await _monitor.DisposeAsync().ConfigureAwait(false);
        await _host.DisposeAsync().ConfigureAwait(false);
        _gate.Dispose();
        _stopping.Dispose();
    }

    private static InferenceException UnknownModel(string model) =>
        new(InferenceError.ModelNotFound, $"The model '{model}' does not exist or you do not have access to it.", "model");

    /// <summary>Awaits the host's work; its failures become the service's refusals.</summary>
    private static async Task Translate(Task work)
    {
        try
        {
            await work.ConfigureAwait(false);
        }
        catch (Exception exception) when (RefusalOf(exception) is { } refusal)
        {
            throw refusal;
        }
    }

    private static InferenceException? RefusalOf(Exception exception) => exception switch
    {
        ModelLoadException failed => new InferenceException(InferenceError.ModelUnavailable, failed.Message, "model", failed),
        ModelRefusedException { Refusal: ModelRefusal.Unknown } => UnknownModel(((ModelRefusedException)exception).Model),
        ModelRefusedException { Refusal: ModelRefusal.DoesNotFit } => new InferenceException(InferenceError.ModelUnavailable, exception.Message, "model", exception),
        ModelRefusedException { Refusal: ModelRefusal.QueueFull } => new InferenceException(InferenceError.Overloaded, exception.Message, null, exception) { RetryAfter = TimeSpan.FromSeconds(1) },
        ModelRefusedException => new InferenceException(InferenceError.Unavailable, exception.Message, null, exception) { RetryAfter = TimeSpan.FromSeconds(1) },
        _ => null,
    };

    /// <summary>Gives back what may still arrive after its request has ended.</summary>
    private static async Task AbandonAsync(Task<ModelLease<ServedModel>> acquiring, RequestScope scope)
    {
        scope.Cancel();
        await ((Task)acquiring).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (acquiring.IsCompletedSuccessfully)
        {
            (await acquiring.ConfigureAwait(false)).Dispose();
        }
    }

    private void RefuseIfItWritesNoText(string model)
    {
        string? instead = _catalog.Find(model)?.Description.Kind switch
        {
            ModelKind.Embed => "turns texts into vectors and writes none. Use it with /v1/embeddings",
            ModelKind.Rank => "scores pairs of texts and writes none. Use it with /v1/rerank or /v1/score",
            _ => null,
        };
        if (instead is not null)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"The model '{model}' {instead}.", "model");
        }
    }

    private void RequireKnown(string model)
    {
        if (_catalog.Find(model) is null)
        {
            throw UnknownModel(model);
        }
    }

    private async ValueTask<ModelLease<ServedModel>> AcquireAsync(string model, CancellationToken cancellationToken)
    {
        try
        {
            return await _host.AcquireAsync(model, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (RefusalOf(exception) is { } refusal)
        {
            throw refusal;
        }
    }

    /// <summary>Tells watchers when the host has changed.</summary>
    private async Task FollowHostAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            long version = _host.Snapshot().Version;
            _changed.Set();
            await _host.WaitForChangeAsync(version, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<ServedModel> LoadModelAsync(string name, Device device, IProgress<Hosting.LoadProgress> progress, CancellationToken cancellationToken)
    {
        CatalogEntry entry = _catalog.Find(name)!;
        long start = _time.GetTimestamp();
        _prefixes.Forget(name);
        ServedModel model = await Task.Run(() => ServedModel.LoadAsync(entry, _options, _time, progress), cancellationToken).ConfigureAwait(false);
        Log.Loaded(_logger, name, entry.Description.Architecture, entry.Description.Weights, device.Id, _time.GetElapsedTime(start).TotalMilliseconds);
        return model;
    }

    private void NotePrefix(GenerateRequest request, ServedModel model)
    {
        Span<ulong> chain = stackalloc ulong[PromptChain.MaxBlocks];
        int blocks = PromptChain.Compute(request, chain);
        if (blocks > 0)
        {
            EngineSnapshot engine = model.Engine.Snapshot();
            _prefixes.Add(request.Model, chain[..blocks], (long)engine.BlocksTotal * model.KvBlockSize);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Information, "Loaded {Model} ({Architecture}, {Weights}) on {Device} in {Milliseconds:F0} ms")]
        public static partial void Loaded(ILogger logger, string model, string architecture, string weights, string device, double milliseconds);

        [LoggerMessage(2002, LogLevel.Information, "Draining: {Requests} requests may take up to {Seconds:F0} s to end")]
        public static partial void Draining(ILogger logger, int requests, double seconds);

        [LoggerMessage(2003, LogLevel.Warning, "{Requests} requests have not ended in time: they are ended, to go on elsewhere")]
        public static partial void Evicting(ILogger logger, int requests);

        [LoggerMessage(2004, LogLevel.Information, "Drained")]
        public static partial void Drained(ILogger logger);
    }
}
