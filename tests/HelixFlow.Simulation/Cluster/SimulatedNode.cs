using System.Globalization;
using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.Simulation.Measures;
using ModelPlacement = HelixFlow.InferenceNode.Placement.ModelPlacement;

namespace HelixFlow.Simulation.Cluster;

/// <summary>What a node tells the gateway about a request.</summary>
internal enum NodeAnswer
{
    Completed,

    /// <summary>Too many wait here; another node may take it.</summary>
    QueueFull,

    /// <summary>The model fits nowhere here; another node may take it.</summary>
    DoesNotFit,
}

/// <summary>A node: a <see cref="ModelPlacement"/>, and around it, in virtual time, what a node's model host and engines do.</summary>
/// <remarks>
/// Requests for models that are not there wait in the order in which their models were first waited for; they are asked for again whenever the
/// placement has changed, and first of all when their own load has ended. Victims are unloaded one by one before the load. An engine runs its
/// requests first come, first served.
/// </remarks>
internal sealed class SimulatedNode
{
    private readonly EventQueue _events;
    private readonly ClusterOptions _options;
    private readonly ClusterTally _tally;
    private readonly IReadOnlyDictionary<string, long> _sizes;
    private readonly List<Device> _devices;
    private readonly Action<SimulatedRequest, int, NodeAnswer> _answer;
    private readonly Action<SimulatedNode> _report;
    private readonly Dictionary<string, Waiters> _waiters = new(StringComparer.Ordinal);
    private readonly List<Waiters> _wanted = [];
    private readonly Dictionary<Replica, Engine> _engines = [];
    private ModelPlacement _placement;
    private MemoryLedger _ledger;
    private HashSet<string> _reported = [];
    private long _served = -1;
    private long _lastNumber;
    private int _waiting;
    private long _epoch; // what was scheduled before a failure does not happen after it

    public SimulatedNode(
        string id,
        EventQueue events,
        ClusterOptions options,
        ClusterTally tally,
        IReadOnlyList<long> budgets,
        IReadOnlyDictionary<string, long> sizes,
        Action<SimulatedRequest, int, NodeAnswer> answer,
        Action<SimulatedNode> report)
    {
        Id = id;
        _events = events;
        _options = options;
        _tally = tally;
        _sizes = sizes;
        _answer = answer;
        _report = report;
        _devices = [.. budgets.Select((bytes, at) => new Device(string.Create(CultureInfo.InvariantCulture, $"cpu:{at}"), DeviceKind.Cpu, "simulated", bytes, bytes))];
        (_placement, _ledger) = Start();
    }

    public string Id { get; }

    public bool IsUp { get; private set; } = true;

    public long BudgetBytes => _devices.Sum(static device => device.BudgetBytes);

    /// <summary>A request reaches the node.</summary>
    public void Submit(SimulatedRequest request, int attempt)
    {
        if (!IsUp)
        {
            return; // nobody answers; the gateway will notice by the node's silence
        }

        string model = request.Trace.Model;
        if (_placement.TryAcquire(model, _events.Now) is { } replica)
        {
            Classify(request, request.WasResidentAtArrival ? Residency.Hit : Residency.Joined);
            Run(request, attempt, replica);
            Check();
            return;
        }

        bool others = _waiters.TryGetValue(model, out Waiters? waiters) && waiters.Requests.Count > 0;
        if (_waiting >= _options.MaxWaitingPerNode)
        {
            Answer(request, attempt, NodeAnswer.QueueFull);
            return;
        }

        Classify(request, others || _placement.ReplicasOf(model).Any(static other => other.State == ReplicaState.Loading) ? Residency.Joined : Residency.Miss);
        if (waiters is null)
        {
            _waiters.Add(model, waiters = new Waiters(model));
        }

        waiters.Requests.Enqueue((request, attempt, ++_lastNumber));
        if (!others)
        {
            _wanted.Add(waiters);
        }

        _waiting++;
        Serve(waiters);
        ServeWaiters();
        Check();
    }

    /// <summary>The node stops without a word; what is on it is gone.</summary>
    public void Fail()
    {
        IsUp = false;
        _epoch++;
        _tally.UsedBytes(_events.Now, -_ledger.Used);
        foreach (Replica replica in _engines.Keys.Where(static replica => replica.State == ReplicaState.Resident))
        {
            _tally.ResidentGone(replica.Model);
        }

        _tally.Loading(_events.Now, -_engines.Values.Count(static engine => !engine.Ready));
        _tally.Running(_events.Now, -_engines.Values.Sum(static engine => engine.Running));
        _engines.Clear();
        _waiters.Clear();
        _wanted.Clear();
        _waiting = 0;
    }

    /// <summary>The node is back, with nothing loaded.</summary>
    public void Return()
    {
        (_placement, _ledger) = Start();
        _served = -1;
        IsUp = true;
    }

    /// <summary>Tells the gateway's table about the node: everything, or what has changed since the last time.</summary>
    public void Report(NodeTable table, NodeView view, ReadOnlySpan<ModelReport> all, bool everything)
    {
        var running = new LoadReport(_waiting, 0, 0, 0, 0);
        var present = new HashSet<string>(StringComparer.Ordinal);
        var reports = new List<ModelReport>();
        long free = 0;
        for (int device = 0; device < _devices.Count; device++)
        {
            free = Math.Max(free, _devices[device].BudgetBytes - _placement.UsedBytes(device));
            foreach (Replica replica in _placement.ReplicasOn(device))
            {
                if (!present.Contains(replica.Model) && ReportOf(replica.Model) is { } report)
                {
                    present.Add(replica.Model);
                    reports.Add(report);
                    LoadReport load = report.Load ?? default;
                    int heldHere = report.Load is null ? 0 : WaitingFor(replica.Model);
                    running = new LoadReport(
                        running.Waiting + load.Waiting - heldHere, running.Running + load.Running, running.MaxSequences + load.MaxSequences, 0, 0);
                }
            }
        }

        view.Report(new NodeReport(true, false, running, free, _devices.Max(static device => device.BudgetBytes)), _events.Now);
        if (everything)
        {
            table.ReportModels(view, all);
            _reported = [];
        }

        foreach (ModelReport report in reports)
        {
            table.ReportModel(view, report);
        }

        foreach (string gone in _reported)
        {
            if (!present.Contains(gone))
            {
                table.ReportModel(view, new ModelReport(gone, ModelReadiness.Loadable, _sizes[gone]));
            }
        }

        _reported = present;
    }

    private ModelReport? ReportOf(string model)
    {
        int resident = 0;
        bool loading = false;
        int running = 0;
        int queued = 0;
        foreach (Replica replica in _placement.ReplicasOf(model))
        {
            loading |= replica.State == ReplicaState.Loading;
            if (replica.State == ReplicaState.Resident)
            {
                Engine engine = _engines[replica];
                resident++;
                running += engine.Running;
                queued += engine.Queue.Count;
            }
        }

        return resident > 0
            ? new ModelReport(model, ModelReadiness.Resident, 0, new LoadReport(WaitingFor(model) + queued, running, resident * _options.SequencesPerReplica, 0, 0), resident * _sizes[model])
            : loading ? new ModelReport(model, ModelReadiness.Loading) : null;
    }

    private int WaitingFor(string model) => _waiters.TryGetValue(model, out Waiters? waiters) ? waiters.Requests.Count : 0;

    private (ModelPlacement Placement, MemoryLedger Ledger) Start()
    {
        var placement = new ModelPlacement(_devices, _options.Placement);
        foreach ((string model, long bytes) in _sizes)
        {
            placement.AddModel(model, new ModelNeed(bytes, 0, 0));
        }

        return (placement, new MemoryLedger(Id, [.. _devices.Select(static device => device.BudgetBytes)]));
    }

    private static void Classify(SimulatedRequest request, Residency residency)
    {
        if (request.Residency == Residency.Unknown)
        {
            request.Residency = residency;
        }
    }

    private void Serve(Waiters waiters)
    {
        while (waiters.Requests.TryPeek(out (SimulatedRequest Request, int Attempt, long Number) first))
        {
            AcquireOutcome outcome = _placement.Acquire(waiters.Model, _events.Now);
            switch (outcome.Status)
            {
                case AcquireStatus.Resident:
                    Leave(waiters);
                    Run(first.Request, first.Attempt, outcome.Replica!);
                    break;
                case AcquireStatus.StartLoad:
                    Carry(outcome.Plan!);
                    return;
                case AcquireStatus.Impossible:
                    Leave(waiters);
                    Answer(first.Request, first.Attempt, NodeAnswer.DoesNotFit);
                    break;
                default:
                    return;
            }
        }
    }

    private void Leave(Waiters waiters)
    {
        waiters.Requests.Dequeue();
        _waiting--;
        if (waiters.Requests.Count == 0)
        {
            _wanted.Remove(waiters);
            _placement.StopWaiting(waiters.Model);
        }
    }

    private void ServeWaiters()
    {
        while (_served != _placement.Changes)
        {
            _served = _placement.Changes;
            _wanted.Sort(static (a, b) => a.FirstNumber.CompareTo(b.FirstNumber));
            foreach (Waiters waiters in _wanted.ToArray())
            {
                Serve(waiters);
            }
        }
    }

    private void Carry(LoadPlan plan)
    {
        _engines.Add(plan.Replica, new Engine());
        _tally.Loading(_events.Now, 1);
        foreach (Replica leaving in plan.Evict)
        {
            _tally.ResidentGone(leaving.Model);
        }

        UnloadNext(plan, 0);
        Changed();
    }

    private void UnloadNext(LoadPlan plan, int at)
    {
        if (at == plan.Evict.Count)
        {
            Load(plan.Replica);
            return;
        }

        Replica victim = plan.Evict[at];
        _ledger.Require(_engines[victim] is { Running: 0, Queue.Count: 0 }, $"{victim} is evicted in use");
        Later(_options.UnloadTime, () =>
        {
            _engines.Remove(victim);
            _placement.Unloaded(victim);
            _ledger.Give(victim, _sizes[victim.Model]);
            _tally.UsedBytes(_events.Now, -_sizes[victim.Model]);
            _tally.Evicted(_events.Now);
            UnloadNext(plan, at + 1);
            ServeWaiters();
            Changed();
        });
    }

    private void Load(Replica replica)
    {
        long bytes = _sizes[replica.Model];
        int device = _devices.IndexOf(replica.Device);
        _ledger.Take(replica, device, bytes);
        _tally.UsedBytes(_events.Now, bytes);
        _tally.LoadBegun(_events.Now, bytes);
        Later(_options.LoadExtra + TimeSpan.FromSeconds(bytes / _options.LoadBytesPerSecond), () =>
        {
            _ledger.Ready(replica);
            _engines[replica].Ready = true;
            _placement.LoadSucceeded(replica, _events.Now);
            _tally.Loading(_events.Now, -1);
            _tally.ResidentCame(replica.Model);
            if (_waiters.TryGetValue(replica.Model, out Waiters? waiters))
            {
                Serve(waiters);
            }

            ServeWaiters();
            Changed();
        });
    }

    private void Run(SimulatedRequest request, int attempt, Replica replica)
    {
        Engine engine = _engines[replica];
        engine.Queue.Enqueue((request, attempt));
        RunNext(engine, replica);
    }

    private void RunNext(Engine engine, Replica replica)
    {
        while (engine.Running < _options.SequencesPerReplica && engine.Queue.TryDequeue(out (SimulatedRequest Request, int Attempt) next))
        {
            _ledger.RequireReady(replica);
            engine.Running++;
            _tally.Running(_events.Now, 1);
            next.Request.StartedAt ??= _events.Now;
            Later(next.Request.Service, () =>
            {
                engine.Running--;
                _tally.Running(_events.Now, -1);
                Answer(next.Request, next.Attempt, NodeAnswer.Completed);
                _placement.Release(replica);
                RunNext(engine, replica);
                ServeWaiters();
            });
        }
    }

    private void Answer(SimulatedRequest request, int attempt, NodeAnswer answer) =>
        _events.Schedule(_options.NetworkDelay, () => _answer(request, attempt, answer));

    private void Changed()
    {
        if (_options.ReportsChanges)
        {
            Later(_options.NetworkDelay, () => _report(this));
        }
    }

    /// <summary>Schedules what happens unless the node fails before.</summary>
    private void Later(TimeSpan after, Action happening)
    {
        long epoch = _epoch;
        _events.Schedule(after, () =>
        {
            if (epoch == _epoch)
            {
                happening();
                Check();
            }
        });
    }

    private void Check()
    {
        if (!_options.ChecksInvariants)
        {
            return;
        }

        _placement.CheckInvariants();
        for (int device = 0; device < _devices.Count; device++)
        {
            _ledger.Require(_ledger.UsedOn(device) <= _placement.UsedBytes(device), $"device {device} holds more than the placement counts");
        }
    }

    private sealed class Waiters(string model)
    {
        public string Model => model;

        public Queue<(SimulatedRequest Request, int Attempt, long Number)> Requests { get; } = [];

        /// <summary>The number of the request that has waited longest.</summary>
        public long FirstNumber => Requests.Peek().Number;
    }

    private sealed class Engine
    {
        public bool Ready { get; set; }

        public int Running { get; set; }

        public Queue<(SimulatedRequest Request, int Attempt)> Queue { get; } = [];
    }
}
