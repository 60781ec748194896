using System.Diagnostics.CodeAnalysis;
using HelixFlow.Discovery;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Routing;

/// <summary>A request's place on a node; give it back with <see cref="NodeFleet.End"/>.</summary>
internal readonly record struct NodePlace(NodeConnection Connection, NodeLease Lease);

/// <summary>A request that waits for a place.</summary>
internal sealed class HeldRequest(Route route, TimeSpan since)
{
    private readonly TaskCompletionSource<NodePlace> _placed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Route Route { get; } = route;

    public TimeSpan Since { get; } = since;

    public QueueEntry<HeldRequest>? Entry { get; set; }

    /// <summary>Completes with the place, or with why there will be none.</summary>
    public Task<NodePlace> Placed => _placed.Task;

    public void Place(NodePlace place) => _placed.TrySetResult(place);

    /// <summary>The place, if it has one already.</summary>
    public NodePlace? Granted => _placed.Task.IsCompletedSuccessfully ? _placed.Task.GetAwaiter().GetResult() : null;

    public void Refuse(InferenceException reason) => _placed.TrySetException(reason);
}

/// <summary>The nodes of the pool as they come and go, their states, and the requests that wait for one of them.</summary>
/// <remarks>
/// Thread-safe: one lock around the table, the picker and the queues. A task follows discovery and one follows each node; a node that is silent
/// for too long is lost, which ends the calls to it.
/// </remarks>
internal sealed partial class NodeFleet : IAsyncDisposable
{
    private const int LongestBackOff = 16;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly RouterOptions _options;
    private readonly Func<NodeAddress, NodeTransport> _connect;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly NodeTable _table;
    private readonly NodePicker _picker;
    private readonly Dictionary<string, NodeConnection> _connections = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FairQueue<HeldRequest>> _queues = new(StringComparer.Ordinal); // [model]
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _discovering;
    private readonly long _start;
    private bool _disposed;

    public NodeFleet(RouterOptions options, INodeDiscovery discovery, Func<NodeAddress, NodeTransport> connect, Random random, TimeProvider time, ILogger logger)
    {
        _options = options;
        _connect = connect;
        _time = time;
        _logger = logger;
        _start = time.GetTimestamp();
        _table = new NodeTable(options.Routing);
        _picker = new NodePicker(_table, options.Routing, random);
        _discovering = Task.Run(() => DiscoverAsync(discovery));
    }

    public int ReadyNodes
    {
        get
        {
            lock (_lock)
            {
                return _table.Nodes.Count(static node => node is { Ready: true, Draining: false });
            }
        }
    }

    /// <summary>The nodes' latest states.</summary>
    public IReadOnlyList<NodeState> States
    {
        get
        {
            lock (_lock)
            {
                return [.. _connections.Values.Where(static node => node.State is not null).Select(static node => node.State!)];
            }
        }
    }

    /// <summary>The nodes that are not lost, with their latest states.</summary>
    public IReadOnlyList<(NodeConnection Node, NodeState State)> Reported
    {
        get
        {
            lock (_lock)
            {
                return [.. _connections.Values.Where(static node => node.State is not null).Select(static node => (node, node.State!))];
            }
        }
    }

    public IReadOnlyList<NodeConnection> Connections
    {
        get
        {
            lock (_lock)
            {
                return [.. _connections.Values];
            }
        }
    }

    private TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>Nodes that know the model, those that have it loaded first.</summary>
    /// <exception cref="InferenceException">There is none.</exception>
    public IReadOnlyList<NodeConnection> NodesWith(string model, bool loaded)
    {
        lock (_lock)
        {
            if (_table.Find(model) is not { } replicas)
            {
                throw UnknownModel(model);
            }

            IEnumerable<ModelPlacement> placements = loaded ? replicas.Warm : replicas.Warm.Concat(replicas.Cold);
            return [.. placements.Where(static placement => placement.Node.Ready).Select(placement => _connections[placement.Node.Id])];
        }
    }

    /// <summary>Finds a place, or lets the request wait for one.</summary>
    /// <exception cref="InferenceException">No node can serve the request, or too many wait already.</exception>
    public bool TryPlace(Route route, out NodePlace place, [NotNullWhen(false)] out HeldRequest? held)
    {
        lock (_lock)
        {
            TimeSpan now = Now;
            held = null;

            // Who comes later must not overtake those who wait.
            bool others = _queues.TryGetValue(route.Model, out FairQueue<HeldRequest>? queue) && queue.Count > 0;
            if (!others && TryPlace_NeedsLock(route, mayLoadElsewhere: false, now, out place))
            {
                return true;
            }

            place = default;
            held = new HeldRequest(route, now);
            queue ??= _queues[route.Model] = new FairQueue<HeldRequest>(_options.Routing.Queue);
            EnqueueOutcome outcome = queue.TryEnqueue(held, route.Project, route.Priority, route.Cost, now, out QueueEntry<HeldRequest>? entry);
            if (outcome != EnqueueOutcome.Queued)
            {
                throw new InferenceException(InferenceError.Overloaded, outcome == EnqueueOutcome.ProjectFull
                    ? "Your project has too many requests waiting. Please try again later."
                    : "Too many requests are waiting for this model. Please try again later.") { RetryAfter = RetryAfter };
            }

            held.Entry = entry;
            Pump_NeedsLock(route.Model, queue, now);
            return false;
        }
    }

    /// <summary>Whether a node that has not failed the request could take it now or when it has room.</summary>
    public bool HasOther(Route route)
    {
        lock (_lock)
        {
            return Pick_NeedsLock(route, mayLoadElsewhere: true, Now).Kind is PickKind.Picked or PickKind.AllBusy;
        }
    }

    /// <summary>Lets a waiting request go; false when it waits no more, because it has its place or its refusal.</summary>
    public bool TryLeave(HeldRequest held)
    {
        lock (_lock)
        {
            return held.Entry is { IsWaiting: true } entry && _queues.TryGetValue(held.Route.Model, out FairQueue<HeldRequest>? queue) && queue.Remove(entry);
        }
    }

    /// <summary>Lets a request go whether it still waits or has just got its place.</summary>
    public void Abandon(HeldRequest held)
    {
        if (!TryLeave(held) && held.Granted is { } place)
        {
            End(place, NodeResult.Neutral);
        }
    }

    /// <summary>The request is done with its place.</summary>
    public void End(NodePlace place, NodeResult result)
    {
        lock (_lock)
        {
            // A node that ends its streams because it drains is not failing.
            NodeResult judged = result == NodeResult.Failed && place.Connection.View.Draining ? NodeResult.Neutral : result;
            TimeSpan now = Now;
            _table.End(place.Lease, judged, now);
            if (--place.Connection.Calls == 0 && place.Connection.View.IsRetired)
            {
                place.Connection.Removed.CancelAsync(); // its task does the rest
            }

            if (_queues.TryGetValue(place.Lease.Placement.Model, out FairQueue<HeldRequest>? queue))
            {
                Pump_NeedsLock(place.Lease.Placement.Model, queue, now);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _discovering.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(Connections.Select(static node => node.Watching)).ConfigureAwait(false);
        _stopping.Dispose();
    }

    private static InferenceException UnknownModel(string model) =>
        new(InferenceError.ModelNotFound, $"The model '{model}' does not exist or you do not have access to it.", "model");

    private bool TryPlace_NeedsLock(Route route, bool mayLoadElsewhere, TimeSpan now, out NodePlace place)
    {
        PickOutcome outcome = Pick_NeedsLock(route, mayLoadElsewhere, now);
        place = default;
        switch (outcome.Kind)
        {
            case PickKind.Picked:
                ModelPlacement placement = outcome.Placement!;
                NodeConnection node = _connections[placement.Node.Id];
                node.Calls++;
                place = new NodePlace(node, _table.Begin(placement, route.Chain, now));
                return true;
            case PickKind.AllBusy:
                return false;
            case PickKind.NoNodeForModel:
                throw _table.Nodes.Any(static node => node.Ready)
                    ? UnknownModel(route.Model)
                    : new InferenceException(InferenceError.Unavailable, $"No inference node is ready ({_table.Nodes.Count} known).") { RetryAfter = RetryAfter };
            default:
                throw new InferenceException(InferenceError.Unavailable, $"No node can serve the model '{route.Model}' now ({outcome.Facts}).") { RetryAfter = RetryAfter };
        }
    }

    private PickOutcome Pick_NeedsLock(Route route, bool mayLoadElsewhere, TimeSpan now) => _picker.Pick(new PickQuery
    {
        Model = route.Model,
        Chain = route.Chain,
        Excluded = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(route.Excluded),
        MayLoadElsewhere = mayLoadElsewhere,
        Now = now,
    });

    /// <summary>Places as many waiting requests as there is room for, in their order.</summary>
    private void Pump_NeedsLock(string model, FairQueue<HeldRequest> queue, TimeSpan now)
    {
        while (queue.TryPeek(now, out QueueEntry<HeldRequest>? next))
        {
            HeldRequest held = next.Value;
            try
            {
                if (!TryPlace_NeedsLock(held.Route, now - held.Since >= _options.ScaleOutAfter, now, out NodePlace place))
                {
                    return;
                }

                queue.TryDequeue(now, out _);
                held.Place(place);
            }
            catch (InferenceException refusal)
            {
                queue.TryDequeue(now, out _);
                held.Refuse(refusal);
            }
        }

        _queues.Remove(model);
    }

    private void PumpAll()
    {
        lock (_lock)
        {
            if (_queues.Count == 0)
            {
                return;
            }

            TimeSpan now = Now;
            foreach ((string model, FairQueue<HeldRequest> queue) in _queues.ToArray())
            {
                Pump_NeedsLock(model, queue, now);
            }
        }
    }
}
