using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Execution;

/// <summary>
/// Runs requests on one model replica with continuous batching: a thread of its own repeats schedule → run the batch → sample → emit.
/// </summary>
/// <remarks>
/// All public members are thread-safe and none blocks on a step. The runner is used by the engine thread only; the caller owns it and
/// disposes it after the engine. A step that fails ends the requests in it with an error; several in a row stop the engine as faulted.
/// </remarks>
public sealed class InferenceEngine : IAsyncDisposable
{
    private const double MinWeight = 1e-3;
    private const double MaxWeight = 1e3;

    private readonly Lock _admission = new();
    private readonly EngineInbox _inbox = new();
    private readonly EngineLoop _loop;
    private readonly EngineOptions _options;
    private readonly int _vocabularySize;
    private readonly int _hiddenSize;
    private readonly int[] _endIds;
    private long _arrivals;
    private bool _draining;

    /// <param name="runner">The model.</param>
    /// <param name="options">How to run it.</param>
    /// <param name="draft">
    /// A second, quicker model for <see cref="SpeculationMode.Draft"/>, whose token ids mean the same; used by the engine thread only, owned by the caller.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive; <see cref="EngineOptions.StepTimeBudget"/> may be null.</exception>
    /// <exception cref="ArgumentException">There is a draft but the mode is another, or the mode is <see cref="SpeculationMode.Draft"/> and there is none.</exception>
    public InferenceEngine(IModelRunner runner, EngineOptions options, IModelRunner? draft = null)
    {
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxBatchTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxSequences);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxWaiting);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxConsecutiveFailures);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.SpeculationTokens);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.AgeingInterval, TimeSpan.Zero, nameof(options));
        if (options.Speculation == SpeculationMode.Draft != (draft is not null))
        {
            throw new ArgumentException("a draft belongs to SpeculationMode.Draft, and that mode needs one", nameof(draft));
        }

        _options = options;
        _vocabularySize = runner.VocabularySize;
        _hiddenSize = runner.HiddenSize;
        _endIds = [.. options.EndIds];
        MaxSequenceTokens = (int)Math.Min(runner.ContextLength, (long)runner.KvBlocks * runner.KvBlockSize);
        _loop = new EngineLoop(runner, draft, options, _inbox);
        new Thread(_loop.Run) { Name = "helixflow-engine", IsBackground = true }.Start();
    }

    /// <summary>Most tokens of prompt and output together: the model's context length, or the key/value store if that is smaller.</summary>
    public int MaxSequenceTokens { get; }

    /// <summary>Most choices that one request may ask for.</summary>
    public int MaxChoices => _loop.MaxSequences;

    /// <summary>Hands a request in. Never blocks on a step and never throws for what a caller sent.</summary>
    /// <param name="request">What to generate. Prompt and <see cref="SequenceRequest.MaxTokens"/> together must fit <see cref="MaxSequenceTokens"/>.</param>
    /// <param name="stream">The request's events when the outcome is <see cref="SubmitOutcome.Accepted"/>; to be disposed by the caller.</param>
    public SubmitOutcome Submit(SequenceRequest request, out SequenceStream? stream)
    {
        ArgumentNullException.ThrowIfNull(request);
        stream = null;
        int[] stopIds = StopIds(request);
        if (request.FindProblem(_vocabularySize, MaxChoices, stopIds) is not null)
        {
            return SubmitOutcome.InvalidRequest;
        }

        int prompt = request.Prompt.Length;
        if (prompt + (long)(request.MaxTokens ?? Math.Max(1, request.LongestResumed)) > MaxSequenceTokens)
        {
            return SubmitOutcome.ContextLengthExceeded;
        }

        if (Volatile.Read(ref _loop.Waiting) >= _options.MaxWaiting && !Volatile.Read(ref _draining) && !_loop.IsFaulted)
        {
            return SubmitOutcome.Overloaded; // the cheap way out under load; decided for good in Admit
        }

        var accepted = new SequenceStream(_inbox, request);
        accepted.Generations = Generations(request, accepted, stopIds);
        SubmitOutcome outcome = Admit(accepted);
        stream = outcome == SubmitOutcome.Accepted ? accepted : null;
        return outcome;
    }

    /// <summary>Computes a text's vector; runs in the same batches as the generations, and is refused, scheduled and ended like one.</summary>
    /// <param name="request">What to embed; it must fit <see cref="MaxSequenceTokens"/>.</param>
    /// <param name="cancellationToken">Gives the request up: at once for the caller, at the next step for the engine.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<EmbeddingResult> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        SequenceRequest sequence = request.ToSequence();
        if (sequence.FindProblem(_vocabularySize, MaxChoices, []) is { } problem)
        {
            return new EmbeddingResult { Outcome = SubmitOutcome.InvalidRequest, Error = problem.Message };
        }

        if (request.Pooling == Pooling.First)
        {
            return new EmbeddingResult { Outcome = SubmitOutcome.InvalidRequest, Error = "this model's first token has seen nothing of the text: pool the last token's state or the mean" };
        }

        if (sequence.Prompt.Length > MaxSequenceTokens)
        {
            return new EmbeddingResult { Outcome = SubmitOutcome.ContextLengthExceeded };
        }

        var pool = new StatePool(request.Pooling, _hiddenSize);
        var submitted = new SequenceStream(_inbox, sequence);
        var sampling = new SamplerState(sequence.Sampling, 0, []);
        double weight = WeightOf(sequence.Project);
        long arrival = Interlocked.Increment(ref _arrivals);
        submitted.Generations =
        [
            new Generation(sequence, sequence.Prompt.Span, submitted, sampling, [], sequence.Prompt.Length, weight, arrival, 0)
            {
                Pool = pool,
                ReusesPrefix = request.Pooling == Pooling.Last,
                CountsAsWaiting = true,
            },
        ];
        SubmitOutcome outcome = Admit(submitted);
        if (outcome != SubmitOutcome.Accepted)
        {
            return new EmbeddingResult { Outcome = outcome };
        }

        using SequenceStream stream = submitted; // from here on: what was not admitted has nothing to cancel
        await stream.WaitToReadAsync(cancellationToken).ConfigureAwait(false);
        stream.TryRead(out SequenceEvent end);
        return end.Reason switch
        {
            FinishReason.Stop => new EmbeddingResult { Outcome = outcome, Vector = pool.Vector, CachedTokens = stream.CachedTokens },
            FinishReason.Cancelled => new EmbeddingResult { Outcome = outcome, Error = "the engine was stopped" },
            _ => new EmbeddingResult { Outcome = outcome, Error = end.Error },
        };
    }

    /// <summary>What is wrong with a request that was refused as invalid, in words for the caller; null when nothing is.</summary>
    public RequestProblem? FindProblem(SequenceRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.FindProblem(_vocabularySize, MaxChoices, StopIds(request));
    }

    /// <summary>What the engine was doing at the end of its latest step, and whether it makes progress now. Lock-free.</summary>
    public EngineSnapshot Snapshot() => _loop.Snapshot();

    /// <summary>Refuses new requests from now on and completes when all accepted ones have ended.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled; the engine still refuses and still works its requests off.</exception>
    public Task DrainAsync(CancellationToken cancellationToken)
    {
        lock (_admission)
        {
            _draining = true;
        }

        _loop.Drain();
        return _loop.Drained.WaitAsync(cancellationToken);
    }

    /// <summary>Stops after the current step; whatever still runs or waits ends as Cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_admission)
        {
            _draining = true;
        }

        _loop.Stop();
        await _loop.Stopped.ConfigureAwait(false);
    }

    private int[] StopIds(SequenceRequest request) => request.IgnoreEnd && request.Grammar is null ? [.. request.StopIds] : [.. request.StopIds, .. _endIds];

    private double WeightOf(string project)
    {
        double weight = _options.ProjectWeight?.Invoke(project) ?? 1;
        return double.IsNaN(weight) ? 1 : Math.Clamp(weight, MinWeight, MaxWeight);
    }

    /// <summary>One sequence that forks into the choices after the prompt, or one per resumed choice.</summary>
    private Generation[] Generations(SequenceRequest request, SequenceStream stream, int[] stopIds)
    {
        int maxLength = request.MaxTokens is int most ? request.Prompt.Length + most : MaxSequenceTokens;
        double weight = WeightOf(request.Project);
        long arrival = Interlocked.Increment(ref _arrivals);
        long seed = request.Sampling.Seed ?? (_options.Deterministic ? SamplingOptions.FixedSeed : Random.Shared.NextInt64());
        var sampling = new SamplerState(request.Sampling, seed, request.Prompt.Span);
        var generations = new Generation[request.Resume?.Count ?? request.Count];
        for (int i = 0; i < generations.Length; i++)
        {
            int choice = request.Resume?[i].Choice ?? i;
            ReadOnlySpan<int> prompt = request.Resume is null && i > 0 ? [] : request.Prompt.Span;
            var generation = new Generation(request, prompt, stream, sampling.ForChoice(choice), stopIds, maxLength, weight, arrival, choice)
            {
                Constraint = request.Grammar is null ? null : new ConstrainedText(request.Grammar.CreateMatcher(), _endIds, stopIds),
            };
            if (request.Resume is not null)
            {
                generation.Resume(request.Resume[i].Tokens.Span);
            }

            generation.CountsAsWaiting = prompt.Length > 0;
            generations[i] = generation;
        }

        if (request.Resume is null)
        {
            generations[0].Slots = request.Count;
        }

        return generations;
    }

    private SubmitOutcome Admit(SequenceStream stream)
    {
        lock (_admission)
        {
            if (_draining)
            {
                return SubmitOutcome.Draining;
            }

            if (_loop.IsFaulted)
            {
                return SubmitOutcome.Faulted;
            }

            if (Volatile.Read(ref _loop.Waiting) >= _options.MaxWaiting)
            {
                return SubmitOutcome.Overloaded;
            }

            Interlocked.Add(ref _loop.Waiting, stream.WaitingSequences);
            _inbox.PostRequest(stream);
            return SubmitOutcome.Accepted;
        }
    }
}
