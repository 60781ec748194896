using System.Runtime.InteropServices;
using HelixFlow.Gateway.Routing;
using HelixFlow.Simulation.Measures;

namespace HelixFlow.Simulation.Cluster;

/// <summary>How the simulated gateway finds nodes.</summary>
public enum RoutingMode
{
    /// <summary>As the product does: by its picker.</summary>
    Picker,

    /// <summary>Any node that is ready, equally likely, whatever it has loaded.</summary>
    AnyNode,
}

/// <summary>
/// A gateway: the product's table, picker and queues, used as its fleet and router use them, in virtual time. Requests that fail are tried again
/// as the router does it.
/// </summary>
internal sealed class SimulatedGateway
{
    private readonly EventQueue _events;
    private readonly ClusterOptions _options;
    private readonly ClusterTally _tally;
    private readonly RoutingMode _mode;
    private readonly Random _random;
    private readonly NodeTable _table;
    private readonly NodePicker _picker;
    private readonly Action<SimulatedRequest, RequestOutcome> _ended;
    private readonly ModelReport[] _all;
    private readonly Dictionary<string, FairQueue<SimulatedRequest>> _queues = new(StringComparer.Ordinal); // [model]
    private readonly Dictionary<string, SimulatedNode> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<SimulatedNode, SortedDictionary<int, SimulatedRequest>> _on = [];
    private readonly HashSet<SimulatedNode> _known = []; // those whose whole state has been reported

    public SimulatedGateway(
        EventQueue events,
        ClusterOptions options,
        ClusterTally tally,
        RoutingMode mode,
        Random random,
        IReadOnlyDictionary<string, long> sizes,
        Action<SimulatedRequest, RequestOutcome> ended)
    {
        _events = events;
        _options = options;
        _tally = tally;
        _mode = mode;
        _random = random;
        _ended = ended;
        _table = new NodeTable(options.Router.Routing);
        _picker = new NodePicker(_table, options.Router.Routing, random);
        _all = [.. sizes.Select(static model => new ModelReport(model.Key, ModelReadiness.Loadable, model.Value))];
    }

    /// <summary>Requests that wait for a node.</summary>
    public int Held => _queues.Values.Sum(static queue => queue.Count);

    public int InFlight => _table.InFlight;

    public void Add(SimulatedNode node)
    {
        _nodes.Add(node.Id, node);
        _on.Add(node, []);
        _table.Add(node.Id, _events.Now);
    }

    public void Arrive(SimulatedRequest request)
    {
        request.WasResidentAtArrival = _tally.IsResident(request.Trace.Model);
        Enter(request);
    }

    /// <summary>A node's state arrives.</summary>
    public void Reported(SimulatedNode node)
    {
        if (!node.IsUp)
        {
            return;
        }

        node.Report(_table, View(node), _all, everything: _known.Add(node));
        PumpAll();
    }

    /// <summary>A node has been silent for too long: what is on it goes on elsewhere.</summary>
    public void Lose(SimulatedNode node)
    {
        _known.Remove(node);
        View(node).Lost();
        foreach (SimulatedRequest request in _on[node].Values.ToArray())
        {
            Retry(request);
        }

        PumpAll();
    }

    /// <summary>A node answers a request; late answers of an attempt that was given up are ignored.</summary>
    public void Answered(SimulatedRequest request, int attempt, NodeAnswer answer)
    {
        if (request.Attempts != attempt || request.Node is null)
        {
            return;
        }

        if (answer == NodeAnswer.Completed)
        {
            End(request, NodeResult.Succeeded);
            _ended(request, RequestOutcome.Completed);
        }
        else
        {
            Retry(request, NodeResult.Neutral);
        }
    }

    private NodeView View(SimulatedNode node) => _table.TryGet(node.Id, out NodeView? view) ? view : throw new InvalidOperationException($"{node.Id} is unknown");

    private void Enter(SimulatedRequest request)
    {
        TimeSpan now = _events.Now;
        string model = request.Trace.Model;
        bool others = _queues.TryGetValue(model, out FairQueue<SimulatedRequest>? queue) && queue.Count > 0;
        if (!others && TryPlace(request, mayLoadElsewhere: false, now) is not PickKind.AllBusy and var kind)
        {
            if (kind != PickKind.Picked)
            {
                _ended(request, RequestOutcome.NoNode);
            }

            return;
        }

        request.HeldSince = now;
        queue ??= _queues[model] = new FairQueue<SimulatedRequest>(_options.Router.Routing.Queue);
        if (queue.TryEnqueue(request, request.Trace.Project, request.Trace.Priority, request.Cost, now, out QueueEntry<SimulatedRequest>? entry) != EnqueueOutcome.Queued)
        {
            _ended(request, RequestOutcome.QueueFull);
            return;
        }

        request.Entry = entry;
        _events.Schedule(_options.Router.HoldLimit, () =>
        {
            if (entry!.IsWaiting && queue.Remove(entry))
            {
                _ended(request, RequestOutcome.HeldTooLong);
            }
        });
        Pump(model, queue, now);
    }

    private PickKind TryPlace(SimulatedRequest request, bool mayLoadElsewhere, TimeSpan now)
    {
        PickOutcome outcome = Pick(request, mayLoadElsewhere, now);
        if (outcome.Kind != PickKind.Picked)
        {
            return outcome.Kind;
        }

        SimulatedNode node = _nodes[outcome.Placement!.Node.Id];
        request.Lease = _table.Begin(outcome.Placement, [], now);
        request.Node = node;
        int attempt = ++request.Attempts;
        _on[node].Add(request.Index, request);
        _events.Schedule(_options.NetworkDelay, () =>
        {
            _tally.Dispatched(_events.Now, node, request);
            node.Submit(request, attempt);
        });
        return PickKind.Picked;
    }

    private PickOutcome Pick(SimulatedRequest request, bool mayLoadElsewhere, TimeSpan now) => _mode switch
    {
        RoutingMode.Picker => _picker.Pick(new PickQuery
        {
            Model = request.Trace.Model,
            Excluded = CollectionsMarshal.AsSpan(request.Excluded),
            MayLoadElsewhere = mayLoadElsewhere,
            Now = now,
        }),
        RoutingMode.AnyNode => PickAny(request, now),
        _ => throw new InvalidOperationException($"There is no mode {_mode}."),
    };

    private PickOutcome PickAny(SimulatedRequest request, TimeSpan now)
    {
        NodeView[] ready = [.. _table.Nodes.Where(node => node.Ready && node.Circuit.Admits(now) && !request.Excluded.Contains(node))];
        return ready.Length == 0
            ? new PickOutcome(PickKind.NoneReady, null, 0, default)
            : new PickOutcome(PickKind.Picked, ready[_random.Next(ready.Length)].Models[request.Trace.Model], 0, default);
    }

    private void Retry(SimulatedRequest request, NodeResult result = NodeResult.Failed)
    {
        NodeView tried = request.Lease.Placement.Node;
        End(request, result);
        request.Excluded.Add(tried);
        if (request.Attempts < _options.Router.MaxAttempts && Pick(request, mayLoadElsewhere: true, _events.Now).Kind is PickKind.Picked or PickKind.AllBusy)
        {
            Enter(request);
        }
        else
        {
            _ended(request, RequestOutcome.Failed);
        }
    }

    private void End(SimulatedRequest request, NodeResult result)
    {
        TimeSpan now = _events.Now;
        _table.End(request.Lease, result, now);
        _on[request.Node!].Remove(request.Index);
        request.Node = null;
        string model = request.Trace.Model;
        if (_queues.TryGetValue(model, out FairQueue<SimulatedRequest>? queue))
        {
            Pump(model, queue, now);
        }
    }

    private void Pump(string model, FairQueue<SimulatedRequest> queue, TimeSpan now)
    {
        while (queue.TryPeek(now, out QueueEntry<SimulatedRequest>? next))
        {
            PickKind kind = TryPlace(next.Value, now - next.Value.HeldSince >= _options.Router.ScaleOutAfter, now);
            if (kind == PickKind.AllBusy)
            {
                return;
            }

            queue.TryDequeue(now, out _);
            if (kind != PickKind.Picked)
            {
                _ended(next.Value, RequestOutcome.NoNode);
            }
        }

        _queues.Remove(model);
    }

    private void PumpAll()
    {
        if (_queues.Count == 0)
        {
            return;
        }

        foreach ((string model, FairQueue<SimulatedRequest> queue) in _queues.ToArray())
        {
            Pump(model, queue, _events.Now);
        }
    }
}
