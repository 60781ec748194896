using System.Runtime.CompilerServices;
using HelixFlow.Discovery;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Routing;

/// <summary>Many inference nodes as one: finds them, follows their states, and sends each request where it is served best.</summary>
/// <remarks>
/// Thread-safe. One lock guards the table of nodes and the queues; it is held for microseconds and never while waiting. A request that fails
/// before its client got anything is tried on another node; afterwards it migrates or fails, as <see cref="RouterOptions.OnNodeLoss"/> says.
/// </remarks>
public sealed partial class Router : IInferencePool, IAsyncDisposable
{
    private const uint FreeOfTokens = 0;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly RouterOptions _options;
    private readonly NodeFleet _fleet;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <summary>Begins to follow the nodes that discovery names.</summary>
    /// <param name="options">Read once.</param>
    /// <param name="discovery">Names the nodes.</param>
    /// <param name="connect">Opens a transport to a node; must not block.</param>
    /// <param name="random">Breaks ties between nodes; used under the router's lock only.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">For changes in the set and the health of nodes.</param>
    public Router(RouterOptions options, INodeDiscovery discovery, Func<NodeAddress, NodeTransport> connect, Random random, TimeProvider time, ILoggerFactory loggers)
    {
        options.Validate();
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<Router>();
        _fleet = new NodeFleet(options, discovery, connect, random, time, _logger);
    }

    /// <summary>Whether at least one node takes requests.</summary>
    public bool IsReady => _fleet.ReadyNodes > 0;

    /// <summary>Waits until a node takes requests.</summary>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        while (!IsReady)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What happened to requests since the start, for metrics.</summary>
    public RouterCounters Counters { get; } = new();

    /// <inheritdoc/>
    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        bool resumable = _options.OnNodeLoss == NodeLossPolicy.Migrate;
        var route = new Route(request, resumable, _options.Routing.Policy == RoutingPolicy.Prefix, _options.Deterministic);
        TimeSpan? limit = request.HasTimeoutMs ? TimeSpan.FromMilliseconds(request.TimeoutMs) : null;
        long arrived = _time.GetTimestamp();
        using var deadline = limit is { } time ? new CancellationTokenSource(time, _time) : null;
        while (true)
        {
            if (!_fleet.TryPlace(route, out NodePlace place, out HeldRequest? held))
            {
                if (!route.HasStarted)
                {
                    bool goesOn = false;
                    try
                    {
                        yield return new GenerateEvent { Waiting = new Waiting { Reason = "all nodes are busy" } };
                        goesOn = true;
                    }
                    finally
                    {
                        // A caller that leaves here, because its client has gone, must not keep a place in the queue or on a node.
                        if (!goesOn)
                        {
                            _fleet.Abandon(held!);
                        }
                    }
                }

                place = await HoldAsync(held!, limit - _time.GetElapsedTime(arrived), cancellationToken).ConfigureAwait(false);
            }

            InferenceException? failure = null;
            NodeResult result = NodeResult.Neutral;
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, place.Connection.Lost, deadline?.Token ?? default);
            IAsyncEnumerator<GenerateEvent>? events = null;
            try
            {
                while (true)
                {
                    try
                    {
                        events ??= place.Connection.Pool
                            .GenerateAsync(route.NextAttempt(limit - _time.GetElapsedTime(arrived)), ended.Token).GetAsyncEnumerator(ended.Token);
                        if (!await events.MoveNextAsync().ConfigureAwait(false))
                        {
                            break;
                        }
                    }
                    catch (InferenceException exception)
                    {
                        failure = exception;
                        break;
                    }
                    catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                    {
                        failure = deadline is { IsCancellationRequested: true } ? TimeIsUp() : NodeLost(place.Connection.Id);
                        break;
                    }

                    if (route.Take(events.Current) is { } forward)
                    {
                        yield return forward;
                    }
                }

                failure ??= route.IsComplete ? null : NodeLost(place.Connection.Id);
                result = ResultOf(failure);
            }
            finally
            {
                _fleet.End(place, result);
                await DisposeAsync(events).ConfigureAwait(false);
            }

            if (failure is null)
            {
                yield break;
            }

            if (route.HasAllChoices)
            {
                yield return route.Complete();
                yield break;
            }

            if (!MayGoOn(route, failure))
            {
                throw failure;
            }

            route.Excluded.Add(place.Connection.View);
            if (!_fleet.HasOther(route))
            {
                throw failure;
            }

            Counters.CountRetry(route.HasStarted);
            Log.GoesOn(_logger, request.RequestId, place.Connection.Id, failure.Message);
        }
    }

    /// <inheritdoc/>
    public ValueTask<EmbedResponse> EmbedAsync(EmbedRequest request, CancellationToken cancellationToken) =>
        OnceAsync(request.Model, request.Project, request.Priority, TokensIn(request), (pool, token) => pool.EmbedAsync(request, token), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<TokenizeResponse> TokenizeAsync(TokenizeRequest request, CancellationToken cancellationToken) =>
        OnceAsync(request.Model, "", 0, FreeOfTokens, (pool, token) => pool.TokenizeAsync(request, token), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<DetokenizeResponse> DetokenizeAsync(DetokenizeRequest request, CancellationToken cancellationToken) =>
        OnceAsync(request.Model, "", 0, FreeOfTokens, (pool, token) => pool.DetokenizeAsync(request, token), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<CountTokensResponse> CountTokensAsync(CountTokensRequest request, CancellationToken cancellationToken) =>
        OnceAsync(request.Model, "", 0, FreeOfTokens, (pool, token) => pool.CountTokensAsync(request, token), cancellationToken);

    /// <summary>Loads the model on the node where it is cheapest, or joins a load under way.</summary>
    public async IAsyncEnumerable<LoadProgress> LoadModelAsync(LoadModelRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        NodePlace place = await PlaceAsync(request.Model, "", 0, cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (LoadProgress progress in place.Connection.Pool.LoadModelAsync(request, cancellationToken).ConfigureAwait(false))
            {
                yield return progress;
            }
        }
        finally
        {
            _fleet.End(place, NodeResult.Neutral);
        }
    }

    /// <summary>Unloads the model on every node that has it.</summary>
    public async ValueTask<UnloadModelResponse> UnloadModelAsync(UnloadModelRequest request, CancellationToken cancellationToken)
    {
        await Task.WhenAll(_fleet.NodesWith(request.Model, loaded: true).Select(node => node.Pool.UnloadModelAsync(request, cancellationToken).AsTask())).ConfigureAwait(false);
        return new UnloadModelResponse();
    }

    /// <summary>Pins the model on as many nodes as replicas are wanted, those that have it first, or unpins it everywhere.</summary>
    public async ValueTask<PinModelResponse> PinModelAsync(PinModelRequest request, CancellationToken cancellationToken)
    {
        IReadOnlyList<NodeConnection> nodes = _fleet.NodesWith(request.Model, loaded: false);
        int wanted = request.Pinned ? Math.Min(nodes.Count, (int)Math.Max(1, request.Replicas)) : nodes.Count;
        await Task.WhenAll(nodes.Take(wanted).Select(node => node.Pool.PinModelAsync(
            new PinModelRequest { Model = request.Model, Pinned = request.Pinned }, cancellationToken).AsTask())).ConfigureAwait(false);
        return new PinModelResponse();
    }

    /// <inheritdoc/>
    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken)
    {
        var response = new ListModelsResponse();
        response.Models.AddRange(PoolState.Merge(_fleet.States).Models.Select(model => model.Description).Where(description => description is not null));
        return ValueTask.FromResult(response);
    }

    /// <summary>All nodes together, asked now: models by name, counters and occupancy summed. A node that does not answer counts as it reported last.</summary>
    public async ValueTask<NodeState> GetStateAsync(GetStateRequest request, CancellationToken cancellationToken) =>
        PoolState.Merge(await Task.WhenAll(_fleet.Reported.Select(node => AskAsync(node.Node, node.State, request, cancellationToken))).ConfigureAwait(false));

    /// <summary>The nodes one by one, as they reported last.</summary>
    public IReadOnlyList<NodeState> NodeStates => _fleet.States;

    /// <inheritdoc/>
    public async IAsyncEnumerable<NodeState> WatchNodeAsync(WatchNodeRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var interval = TimeSpan.FromMilliseconds(request.IntervalMs is 0 ? 500 : Math.Clamp(request.IntervalMs, 50, 60_000));
        ulong revision = 0;
        while (true)
        {
            NodeState state = PoolState.Merge(_fleet.States);
            state.Revision = ++revision;
            yield return state;
            await Task.Delay(interval, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Drains every node of the pool.</summary>
    public async IAsyncEnumerable<DrainProgress> DrainAsync(DrainRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.WhenAll(_fleet.Connections.Select(async node =>
        {
            await foreach (DrainProgress _ in node.Pool.DrainAsync(request, cancellationToken).ConfigureAwait(false))
            {
            }
        })).ConfigureAwait(false);
        yield return new DrainProgress { Done = true };
    }

    public ValueTask DisposeAsync() => _fleet.DisposeAsync();

    private static InferenceException TimeIsUp() => new(InferenceError.DeadlineExceeded, "The request's time limit has passed.");

    private static InferenceException NodeLost(string node) =>
        new(InferenceError.Unavailable, $"The node '{node}', which served the request, was lost.") { RetryAfter = RetryAfter };

    private async Task<NodeState> AskAsync(NodeConnection node, NodeState reported, GetStateRequest request, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(_options.ReportInterval, _time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return await node.Pool.GetStateAsync(request, ended.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is InferenceException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return reported;
        }
    }

    /// <summary>Whose fault a failure is.</summary>
    private static NodeResult ResultOf(InferenceException? failure) => failure?.Error switch
    {
        null => NodeResult.Succeeded,
        InferenceError.Unavailable or InferenceError.Internal => NodeResult.Failed,
        _ => NodeResult.Neutral,
    };

    private static async ValueTask DisposeAsync(IAsyncEnumerator<GenerateEvent>? events)
    {
        if (events is null)
        {
            return;
        }

        try
        {
            await events.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is InferenceException or OperationCanceledException)
        {
            // The stream's end has been told already.
        }
    }

    private bool MayGoOn(Route route, InferenceException failure) => route.Attempts < _options.MaxAttempts && failure.Error switch
    {
        InferenceError.Unavailable or InferenceError.Internal => !route.HasStarted || _options.OnNodeLoss == NodeLossPolicy.Migrate,
        InferenceError.Overloaded or InferenceError.ModelUnavailable => !route.HasStarted,
        _ => false,
    };

    private async Task<NodePlace> HoldAsync(HeldRequest held, TimeSpan? left, CancellationToken cancellationToken)
    {
        TimeSpan limit = left is { } time && time < _options.HoldLimit ? time : _options.HoldLimit;
        try
        {
            return await held.Placed.WaitAsync(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            if (!_fleet.TryLeave(held))
            {
                NodePlace place = await held.Placed.ConfigureAwait(false); // placed at the last moment
                if (exception is TimeoutException)
                {
                    return place;
                }

                _fleet.End(place, NodeResult.Neutral);
            }

            throw exception is OperationCanceledException ? new OperationCanceledException(cancellationToken)
                : limit < _options.HoldLimit ? TimeIsUp()
                : new InferenceException(InferenceError.Overloaded, "All nodes that serve this model are busy. Please try again later.") { RetryAfter = RetryAfter };
        }
    }

    private async ValueTask<NodePlace> PlaceAsync(string model, string project, int priority, CancellationToken cancellationToken)
    {
        var route = new Route(new GenerateRequest { Model = model, Project = project, Priority = priority }, resumable: false, usesPrefix: false);
        return _fleet.TryPlace(route, out NodePlace place, out HeldRequest? held) ? place : await HoldAsync(held!, null, cancellationToken).ConfigureAwait(false);
    }

    // About as many tokens as have to be computed, which is what a request costs its project.
    private static uint TokensIn(EmbedRequest request) =>
        (uint)request.Inputs.Sum(static input => input.InputCase == EmbedInput.InputOneofCase.Tokens ? input.Tokens.Ids.Count : 1 + (input.Text.Length / 4L));

    private async ValueTask<T> OnceAsync<T>(
        string model, string project, int priority, uint tokens, Func<IInferencePool, CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken)
    {
        var route = new Route(new GenerateRequest { Model = model, Project = project, Priority = priority, MaxTokens = tokens }, resumable: false, usesPrefix: false);
        while (true)
        {
            NodePlace place = _fleet.TryPlace(route, out NodePlace found, out HeldRequest? held) ? found : await HoldAsync(held!, null, cancellationToken).ConfigureAwait(false);
            NodeResult result = NodeResult.Neutral;
            try
            {
                using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, place.Connection.Lost);
                _ = route.NextAttempt(null);
                T answer = await call(place.Connection.Pool, ended.Token).ConfigureAwait(false);
                result = NodeResult.Succeeded;
                return answer;
            }
            catch (Exception exception) when (exception is InferenceException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                InferenceException failure = exception as InferenceException ?? NodeLost(place.Connection.Id);
                result = ResultOf(failure);
                route.Excluded.Add(place.Connection.View);
                if (!MayGoOn(route, failure) || !_fleet.HasOther(route))
                {
                    throw failure;
                }

                Counters.CountRetry(started: false);
            }
            finally
            {
                _fleet.End(place, result);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1011, LogLevel.Warning, "Request {RequestId} goes on elsewhere: node {Node} failed it: {Reason}")]
        public static partial void GoesOn(ILogger logger, string requestId, string node, string reason);
    }
}

/// <summary>What a <see cref="Router"/> has done since its start. Thread-safe.</summary>
public sealed class RouterCounters
{
    private long _retries;
    private long _migrations;

    /// <summary>Requests that were tried on a further node before their first token.</summary>
    public long Retries => Volatile.Read(ref _retries);

    /// <summary>Streams that went on on another node after their first token.</summary>
    public long Migrations => Volatile.Read(ref _migrations);

    internal void CountRetry(bool started) => Interlocked.Increment(ref started ? ref _migrations : ref _retries);
}
