using HelixFlow.Engine.Backends;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;
using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Execution;

/// <summary>The engine thread: takes messages, forms a step, runs it, samples, emits; parks when there is nothing to do.</summary>
/// <remarks>
/// Everything but the flags and the snapshot belongs to that thread. A step of decode rows allocates nothing but the doubling of a sequence's
/// own arrays.
/// </remarks>
internal sealed partial class EngineLoop
{
    private static readonly TimeSpan LongestGathering = TimeSpan.FromMilliseconds(8);

    private readonly IModelRunner _runner;
    private readonly IModelRunner? _draft;
    private readonly EngineOptions _options;
    private readonly EngineInbox _inbox;
    private readonly BlockPool _pool;
    private readonly Scheduler _scheduler;
    private readonly Sampler _sampler;
    private readonly ulong[] _allowed; // a bit per token
    private readonly ISpeculator? _speculator;
    private readonly Batch _batch;
    private readonly SnapshotCell _snapshot = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _created; // timestamp that the scheduler's time counts from
    private EngineSnapshot _totals;
    private int _waiting;
    private long _rounds;
    private int _consecutiveFailures;
    private volatile bool _hasWork;
    private volatile bool _draining;
    private volatile bool _stopping;
    private volatile bool _faulted;

    public EngineLoop(IModelRunner runner, IModelRunner? draft, EngineOptions options, EngineInbox inbox)
    {
        int maxRows = Math.Min(options.MaxBatchTokens, runner.MaxBatchRows);
        MaxSequences = Math.Min(options.MaxSequences, maxRows);
        _runner = runner;
        _draft = draft;
        _options = options;
        _inbox = inbox;
        _created = options.TimeProvider.GetTimestamp();
        _pool = new BlockPool(runner.KvBlocks, runner.KvBlockSize);
        _scheduler = new Scheduler(_pool, maxRows, MaxSequences, options.PrefixReuse, options.AgeingInterval, options.StepTimeBudget);
        _sampler = new Sampler(runner.VocabularySize);
        _allowed = new ulong[(runner.VocabularySize + 63) / 64];
        _speculator = options.Speculation switch
        {
            SpeculationMode.NGram => new NGramSpeculator(options.SpeculationTokens),
            SpeculationMode.Draft => new DraftSpeculator(draft!, runner.VocabularySize, options.SpeculationTokens, options.TimeProvider),
            _ => null,
        };
        _batch = new Batch(maxRows, MaxSequences);
        Publish();
    }

    public int MaxSequences { get; }

    /// <summary>Accepted requests that have not started; callers raise it, the loop lowers it.</summary>
    public ref int Waiting => ref _waiting;

    public bool IsFaulted => _faulted;

    private TimeSpan Now => _options.TimeProvider.GetElapsedTime(_created);

    /// <summary>Completes once <see cref="Drain"/> was called and nothing runs or waits.</summary>
    public Task Drained => _drained.Task;

    /// <summary>Completes when the thread has left the loop.</summary>
    public Task Stopped => _stopped.Task;

    /// <summary>Requests must not be posted after this.</summary>
    public void Drain()
    {
        _draining = true;
        _inbox.Wake();
    }

    /// <summary>As <see cref="Drain"/>, but what runs and waits is cancelled.</summary>
    public void Stop()
    {
        _stopping = true;
        Drain();
    }

    public EngineSnapshot Snapshot()
    {
        EngineSnapshot snapshot = _snapshot.Read();
        int waiting = snapshot.Waiting + Volatile.Read(ref _waiting);
        return snapshot with
        {
            Waiting = waiting,
            Busy = waiting > 0 || _hasWork,
            Progress = Volatile.Read(ref _rounds) + _runner.Progress + (_draft?.Progress ?? 0),
            Draining = _draining,
            Faulted = _faulted,
        };
    }

    /// <summary>The body of the engine thread.</summary>
    public void Run()
    {
        while (true)
        {
            bool draining = _draining; // read before the messages: no request is posted after it was set
            TakeMessages();
            if (_stopping)
            {
                EndAll(FinishReason.Cancelled, error: null, waitingToo: true);
            }

            Volatile.Write(ref _rounds, _rounds + 1);
            _hasWork = _scheduler.HasWork;
            if (_hasWork)
            {
                if (_scheduler.Running.Count == 0)
                {
                    Gather();
                }

                Step();
                continue;
            }

            Publish();
            if (draining)
            {
                _drained.TrySetResult();
            }

            if (draining && _stopping)
            {
                break;
            }

            _inbox.Park();
        }

        _stopped.SetResult();
    }

    private void TakeMessages()
    {
        foreach (EngineInbox.Message message in _inbox.TakeAll())
        {
            if (!message.IsRequest)
            {
                End(message.Stream.Find(message.Choice), FinishReason.Cancelled);
                continue;
            }

            Add(message.Stream);
            if (_faulted)
            {
                EndAll(FinishReason.Error, "the engine has stopped after repeated failures", waitingToo: true);
            }
        }
    }

    /// <summary>Lets requests that come in a burst begin in one step: the later ones would each have to wait for steps of the first.</summary>
    private void Gather()
    {
        TimeProvider time = _options.TimeProvider;
        long start = time.GetTimestamp();
        while (_scheduler.GatheringTime() is var quiet && quiet > TimeSpan.Zero
            && time.GetElapsedTime(start) < LongestGathering && _inbox.AwaitMore(quiet) && !_stopping)
        {
            TakeMessages();
        }
    }

    private void Add(SequenceStream stream)
    {
        foreach (Generation generation in stream.Generations)
        {
            if (generation.Constraint is { MustEnd: true })
            {
                End(generation, FinishReason.Stop); // nothing can follow what it was resumed with, or the constraint allows the empty text alone
                continue;
            }

            if (!generation.CountsAsWaiting)
            {
                break; // the first one forks into the others
            }

            if (generation.Length >= generation.MaxLength && generation.Pool is null)
            {
                End(generation, FinishReason.Length); // it was resumed with all its tokens
                continue;
            }

            _scheduler.Add(generation, Now);
        }
    }

    private void Step()
    {
        TimeProvider time = _options.TimeProvider;
        long start = time.GetTimestamp();
        try
        {
            StepPlan plan = _scheduler.Plan(Now);
            _speculator?.Extend(plan, _scheduler);
            RunPlan(plan);
            TimeSpan took = time.GetElapsedTime(start);
            _scheduler.Learn(plan, took);
            _speculator?.Learn(plan, took);
            _consecutiveFailures = 0;
        }
        catch (Exception failure)
        {
            // The boundary of the loop: whatever failed, everyone who took part is told, and the engine goes on.
            _totals = _totals with { FailedSteps = _totals.FailedSteps + 1 };
            _faulted = ++_consecutiveFailures >= _options.MaxConsecutiveFailures;
            EndAll(FinishReason.Error, $"the model failed: {failure.Message}", waitingToo: _faulted);
        }

        _totals = _totals with
        {
            Steps = _totals.Steps + 1,
            LastStepAt = time.GetUtcNow(),
            LastStepDuration = time.GetElapsedTime(start),
        };
        Publish();
    }

    private void RunPlan(StepPlan plan)
    {
        NoteStarts(plan);
        foreach (BlockCopy copy in plan.Copies)
        {
            _runner.CopyBlock(copy.Source, copy.Destination);
        }

        _batch.Clear();
        foreach (PlannedRows entry in plan.Entries)
        {
            var sequence = (Generation)entry.Sequence;
            ReadOnlySpan<int> tokens = sequence.TokensToRun(entry.Rows + entry.Guesses);
            if (sequence.Pool is { } pool)
            {
                _batch.AddForStates(tokens, sequence.Computed, sequence.Table.Blocks, pool.Begin(sequence.Computed, entry.Rows, sequence.Length));
            }
            else
            {
                _batch.AddForLogits(tokens, sequence.Computed, sequence.Table.Blocks, entry.IsLast ? 1 + entry.Guesses : 0);
            }
        }

        ReadOnlySpan<float> logits = _runner.Run(_batch); // [logit row, vocabulary]
        _scheduler.Commit(plan);
        _totals = _totals with { ComputedTokens = _totals.ComputedTokens + plan.OwnRows };
        int size = _runner.VocabularySize;
        int row = 0;
        ReadOnlySpan<float> states = _runner.States; // [state row, hidden]
        foreach (PlannedRows entry in plan.Entries)
        {
            var generation = (Generation)entry.Sequence;
            if (generation.Pool is { } pool)
            {
                states = pool.Take(states);
                if (generation.Pending == 0)
                {
                    EndEmbedding(generation, pool);
                }
            }
            else if (generation.Pending == 0)
            {
                int rows = 1 + entry.Guesses;
                SampleRows(generation, logits.Slice(row * size, rows * size), rows);
                row += rows;
            }
        }
    }

    /// <summary>Counts the requests whose first rows are in this plan, and what was found of prompts.</summary>
    private void NoteStarts(StepPlan plan)
    {
        foreach (PlannedRows entry in plan.Entries)
        {
            var generation = (Generation)entry.Sequence;
            StopWaiting(generation);
            SequenceStream stream = generation.Stream;
            if (stream.Starter is null)
            {
                stream.Starter = generation;
                _totals = _totals with { PromptTokens = _totals.PromptTokens + generation.PromptLength };
            }

            int cached = Math.Min(generation.CachedTokens, generation.PromptLength); // of a resumed choice its output may be cached, too
            if (generation == stream.Starter && cached > stream.CachedTokens)
            {
                _totals = _totals with { CachedTokens = _totals.CachedTokens + cached - stream.CachedTokens };
                stream.ReportCachedTokens(cached);
            }
        }
    }

    private void StopWaiting(Generation generation)
    {
        if (generation.CountsAsWaiting)
        {
            generation.CountsAsWaiting = false;
            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Publish()
    {
        int preempted = 0;
        foreach (Sequence sequence in _scheduler.Waiting)
        {
            preempted += sequence.HasStarted ? 1 : 0; // the others are counted by their callers
        }

        _totals = _totals with
        {
            Waiting = preempted,
            Running = _scheduler.Running.Count,
            BlocksTotal = _pool.Total,
            BlocksHeld = _pool.Held,
            BlocksCached = _pool.Cached,
            BlocksFree = _pool.Free,
            Preemptions = _scheduler.Preemptions,
        };
        _snapshot.Write(_totals);
    }
}
