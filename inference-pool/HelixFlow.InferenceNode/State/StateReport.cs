using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas.Inference.V1;
using LoadProgress = HelixFlow.Schemas.Inference.V1.LoadProgress;

namespace HelixFlow.InferenceNode.State;

/// <summary>What a node tells of itself: its models, engines and devices at one moment. Thread-safe.</summary>
internal sealed class StateReport(string nodeId, DateTimeOffset started, ModelCatalog catalog, ModelHost<ServedModel> host)
{
    private readonly ModelTotals _totals = new();
    private long _revision;

    public NodeState Build(NodePhase phase, string reason, uint requests)
    {
        HostSnapshot snapshot = host.Snapshot();
        var state = new NodeState
        {
            NodeId = nodeId,
            Phase = phase,
            Reason = reason,
            Revision = (ulong)Interlocked.Increment(ref _revision),
            StartedMs = started.ToUnixTimeMilliseconds(),
            Requests = requests,
        };
        foreach (ModelStatus model in snapshot.Models)
        {
            state.Models.Add(Describe(catalog.Find(model.Name)!, model));
        }

        foreach (DeviceStatus device in snapshot.Devices)
        {
            state.Devices.Add(new DeviceState
            {
                Id = device.Device.Id,
                Name = device.Device.Name,
                MemoryBytes = (ulong)device.Device.TotalBytes,
                BudgetBytes = (ulong)device.Device.BudgetBytes,
                UsedBytes = (ulong)device.UsedBytes,
                Usable = device.Device.CanRun,
            });
        }

        return state;
    }

    /// <summary>What a request that is held for this model is told.</summary>
    public Waiting WaitingFor(string name) => Find(name)?.Progress is { } progress
        ? new Waiting { Reason = $"loading {name}", Progress = (float)progress.Fraction }
        : new Waiting { Reason = $"waiting for memory to load {name}" };

    /// <summary>How far a model's load is.</summary>
    public LoadProgress ProgressOf(string name)
    {
        ModelStatus? model = Find(name);
        return model is null ? new LoadProgress { Phase = ModelPhase.Unloaded } : new LoadProgress
        {
            Phase = PhaseOf(model.State),
            Progress = (float)(model.Progress?.Fraction ?? (model.State == Hosting.ModelState.Resident ? 1 : 0)),
            Step = model.Progress?.Phase ?? "",
            DeviceId = model.Replicas.Count > 0 ? model.Replicas[0].DeviceId : "",
        };
    }

    private static ModelPhase PhaseOf(Hosting.ModelState state) => state switch
    {
        Hosting.ModelState.Loading => ModelPhase.Loading,
        Hosting.ModelState.Resident => ModelPhase.Resident,
        Hosting.ModelState.Failed => ModelPhase.Failed,
        _ => ModelPhase.Unloaded,
    };

    private ModelStatus? Find(string name) => host.Snapshot().Models.FirstOrDefault(model => model.Name == name);

    private Schemas.Inference.V1.ModelState Describe(CatalogEntry entry, ModelStatus hosted)
    {
        var state = new Schemas.Inference.V1.ModelState
        {
            Name = hosted.Name,
            Phase = PhaseOf(hosted.State),
            Progress = (float)(hosted.Progress?.Fraction ?? 0),
            Reason = hosted.Failure ?? hosted.Refusal?.Reason ?? "",
            Waiting = (uint)hosted.Waiting,
            MemoryBytes = (ulong)hosted.Need.TotalBytes,
            Pinned = hosted.Pinned,
            Description = entry.Description,
        };
        foreach (ReplicaStatus replica in hosted.Replicas)
        {
            if (replica.State == ReplicaState.Resident)
            {
                state.Replicas++;
                state.DeviceIds.Add(replica.DeviceId);
            }
        }

        foreach (ServedModel replica in host.LoadedOf(hosted.Name))
        {
            EngineSnapshot engine = replica.Snapshot();
            state.Waiting += (uint)engine.Waiting;
            state.Running += (uint)engine.Running;
            state.MaxSequences += (uint)replica.MaxSequences;
            state.KvBlocksTotal += (uint)engine.BlocksTotal;
            state.KvBlocksHeld += (uint)engine.BlocksHeld;
            state.KvBlocksCached += (uint)engine.BlocksCached;
            state.KvBlockSize = (uint)replica.KvBlockSize;
            _totals.Note(hosted.Name, replica, engine);
        }

        _totals.Write(state);
        return state;
    }
}

/// <summary>Counters over all replicas that a model has had: they must not fall when one is unloaded. Thread-safe.</summary>
internal sealed class ModelTotals
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<ServedModel, EngineSnapshot>> _live = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EngineSnapshot> _past = new(StringComparer.Ordinal);

    /// <summary>Notes what a replica has done so far.</summary>
    public void Note(string model, ServedModel replica, in EngineSnapshot engine)
    {
        lock (_lock)
        {
            if (!_live.TryGetValue(model, out Dictionary<ServedModel, EngineSnapshot>? replicas))
            {
                _live.Add(model, replicas = []);
            }

            replicas[replica] = engine;
        }
    }

    public void Write(Schemas.Inference.V1.ModelState state)
    {
        lock (_lock)
        {
            EngineSnapshot sum = _past.GetValueOrDefault(state.Name);
            if (_live.TryGetValue(state.Name, out Dictionary<ServedModel, EngineSnapshot>? replicas))
            {
                foreach ((ServedModel replica, EngineSnapshot engine) in replicas.ToArray())
                {
                    sum = Add(sum, engine);
                    if (replica.IsDisposed)
                    {
                        replicas.Remove(replica);
                        _past[state.Name] = Add(_past.GetValueOrDefault(state.Name), engine);
                    }
                }
            }

            state.PromptTokensTotal = (ulong)sum.PromptTokens;
            state.CachedTokensTotal = (ulong)sum.CachedTokens;
            state.ComputedTokensTotal = (ulong)sum.ComputedTokens;
            state.GeneratedTokensTotal = (ulong)sum.GeneratedTokens;
            state.StepsTotal = (ulong)sum.Steps;
            state.PreemptionsTotal = (ulong)sum.Preemptions;
            state.ProposedTokensTotal = (ulong)sum.ProposedTokens;
            state.AcceptedTokensTotal = (ulong)sum.AcceptedTokens;
        }
    }

    private static EngineSnapshot Add(in EngineSnapshot a, in EngineSnapshot b) => a with
    {
        PromptTokens = a.PromptTokens + b.PromptTokens,
        CachedTokens = a.CachedTokens + b.CachedTokens,
        ComputedTokens = a.ComputedTokens + b.ComputedTokens,
        GeneratedTokens = a.GeneratedTokens + b.GeneratedTokens,
        Steps = a.Steps + b.Steps,
        Preemptions = a.Preemptions + b.Preemptions,
        ProposedTokens = a.ProposedTokens + b.ProposedTokens,
        AcceptedTokens = a.AcceptedTokens + b.AcceptedTokens,
    };
}
