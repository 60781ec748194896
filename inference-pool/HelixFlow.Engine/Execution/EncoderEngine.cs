using System.Diagnostics;
using HelixFlow.Engine.Models;

namespace HelixFlow.Engine.Execution;

/// <summary>
/// Runs texts on one encoder replica: a thread of its own repeats take what waits, up to a batch's tokens → run the batch → hand out vectors or scores.
/// Texts of any lengths share a batch without padding; a text runs as a whole, in one batch.
/// </summary>
/// <remarks>
/// All public members are thread-safe and none blocks on a batch. The runner is used by the engine thread only; the caller owns it and disposes it after
/// the engine. A batch that fails ends the requests in it with an error; several in a row stop the engine as faulted.
/// </remarks>
public sealed class EncoderEngine : IAsyncDisposable
{
    private readonly object _gate = new(); // an object, not a Lock: the engine thread waits on it
    private readonly EncoderRunner _runner;
    private readonly EngineOptions _options;
    private readonly EncoderQueue _queue;
    private readonly List<EncoderJob> _running = [];
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _created;
    private EngineSnapshot _totals;
    private long _numbers;
    private long _rounds;
    private int _consecutiveFailures;
    private bool _stopping;
    private bool _faulted;

    /// <param name="runner">The model.</param>
    /// <param name="options">
    /// How to run it: <see cref="EngineOptions.MaxWaiting"/>, <see cref="EngineOptions.MaxConsecutiveFailures"/>, <see cref="EngineOptions.ProjectWeight"/>,
    /// <see cref="EngineOptions.AgeingInterval"/> and <see cref="EngineOptions.TimeProvider"/> are looked at; the rest is about generating.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive.</exception>
    public EncoderEngine(EncoderRunner runner, EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxWaiting);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxConsecutiveFailures);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.AgeingInterval, TimeSpan.Zero, nameof(options));
        _runner = runner;
        _options = options;
        _queue = new EncoderQueue(options.AgeingInterval);
        _created = options.TimeProvider.GetTimestamp();
        new Thread(Loop) { Name = "helixflow-encoder", IsBackground = true }.Start();
    }

    private TimeSpan Now => _options.TimeProvider.GetElapsedTime(_created);

    /// <summary>Computes a text's vector of unit length or, on a model with a classification head, its raw scores.</summary>
    /// <param name="request">The text; it must fit the model's context.</param>
    /// <param name="cancellationToken">Gives the request up at once; a batch that already runs goes on for the others in it.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<EmbeddingResult> RunAsync(EncoderRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        if (FindProblem(request) is { } problem)
        {
            return new EmbeddingResult { Outcome = SubmitOutcome.InvalidRequest, Error = problem };
        }

        if (request.Tokens.Length > _runner.ContextLength)
        {
            return new EmbeddingResult { Outcome = SubmitOutcome.ContextLengthExceeded };
        }

        double weight = Math.Clamp(_options.ProjectWeight?.Invoke(request.Project) ?? 1, 1e-3, 1e3);
        EncoderJob job;
        lock (_gate)
        {
            SubmitOutcome outcome = _stopping ? SubmitOutcome.Draining
                : _faulted ? SubmitOutcome.Faulted
                : _queue.Count >= _options.MaxWaiting ? SubmitOutcome.Overloaded
                : SubmitOutcome.Accepted;
            if (outcome != SubmitOutcome.Accepted)
            {
                return new EmbeddingResult { Outcome = outcome };
            }

            job = new EncoderJob(request, weight, Now, _numbers++);
            _queue.Add(job);
            Monitor.Pulse(_gate);
        }

        using CancellationTokenRegistration registration = cancellationToken.Register(() => GiveUp(job, cancellationToken));
        return await job.Result.ConfigureAwait(false);
    }

    /// <summary>What the engine does at this moment.</summary>
    public EngineSnapshot Snapshot()
    {
        lock (_gate)
        {
            return _totals with
            {
                Waiting = _queue.Count,
                Running = _running.Count,
                Busy = _queue.Count > 0 || _running.Count > 0,
                Progress = Volatile.Read(ref _rounds) + _runner.Progress,
                Draining = _stopping,
                Faulted = _faulted,
            };
        }
    }

    /// <summary>Ends what waits, lets the batch that runs end, and stops the thread.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.Pulse(_gate);
        }

        await _stopped.Task.ConfigureAwait(false);
    }

    private string? FindProblem(EncoderRequest request)
    {
        ReadOnlySpan<int> tokens = request.Tokens.Span;
        if (tokens.IsEmpty)
        {
            return "the text has no tokens";
        }

        if (request.SecondText is { } second && (second < 1 || second > tokens.Length))
        {
            return $"the second text begins at {second}; there are {tokens.Length} tokens";
        }

        int vocabulary = _runner.Config.Vocabulary;
        return tokens.IndexOfAnyExceptInRange(0, vocabulary - 1) is var bad && bad >= 0
            ? $"token {tokens[bad]} is not in the model's vocabulary of {vocabulary}"
            : null;
    }

    private void GiveUp(EncoderJob job, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _queue.Remove(job);
        }

        job.Cancel(cancellationToken);
    }

    /// <summary>The body of the engine thread.</summary>
    private void Loop()
    {
        while (TakeBatch())
        {
            long start = _options.TimeProvider.GetTimestamp();
            Exception? failure = null;
            try
            {
                RunBatch();
            }
            catch (Exception exception)
            {
                failure = exception; // the boundary of the loop: whoever took part is told, and the engine goes on
            }

            EndBatch(start, failure);
        }

        _stopped.SetResult();
    }

    /// <summary>Waits for work and takes it; false when the engine stops.</summary>
    private bool TakeBatch()
    {
        lock (_gate)
        {
            while (_queue.Count == 0 && !_stopping)
            {
                Monitor.Wait(_gate);
            }

            if (_stopping)
            {
                EndAll("the engine was stopped");
                return false;
            }

            int rows = 0;
            _queue.Take(Now, Fits, _running);
            Debug.Assert(_running.Count > 0, "the first text fits any batch");
            return true;

            bool Fits(EncoderJob job)
            {
                bool fits = rows == 0 || (_running.Count < EncoderRunner.MaxSequences && rows + job.Tokens.Length <= _runner.BatchRows);
                rows += job.Tokens.Length;
                return fits;
            }
        }
    }

    private void RunBatch()
    {
        _runner.Clear();
        bool scores = _runner.Config.Labels > 0;
        foreach (EncoderJob job in _running)
        {
            job.Results = _runner.Add(job.Tokens.Span, job.Request.SecondText ?? job.Tokens.Length, job.Request.Pooling);
            job.Pool = scores ? null : new StatePool(job.Request.Pooling, _runner.ResultSize);
            job.Pool?.Begin(0, job.Tokens.Length, job.Tokens.Length);
        }

        ReadOnlySpan<float> results = _runner.Run(); // [result, size]
        foreach (EncoderJob job in _running)
        {
            int size = job.Results * _runner.ResultSize;
            Finish(job, results[..size]);
            results = results[size..];
        }
    }

    private static void Finish(EncoderJob job, ReadOnlySpan<float> results)
    {
        float[]? vector = null;
        if (job.Pool is { } pool)
        {
            pool.Take(results);
            vector = pool.TryFinish() ? pool.Vector : null;
        }
        else if (!results.ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
        {
            vector = results.ToArray();
        }

        if (vector is null)
        {
            job.Fail("the model gave hidden states that are not finite numbers");
        }
        else
        {
            job.Complete(vector);
        }
    }

    private void EndBatch(long start, Exception? failure)
    {
        Volatile.Write(ref _rounds, _rounds + 1); // one writer
        lock (_gate)
        {
            int tokens = _running.Sum(static job => job.Tokens.Length);
            if (failure is not null)
            {
                _faulted = ++_consecutiveFailures >= _options.MaxConsecutiveFailures;
                string error = $"the model failed: {failure.Message}";
                _running.ForEach(job => job.Fail(error)); // those that have their results keep them
                if (_faulted)
                {
                    EndAll(error);
                }
            }
            else
            {
                _consecutiveFailures = 0;
            }

            _running.Clear();
            _totals = _totals with
            {
                Steps = _totals.Steps + 1,
                FailedSteps = _totals.FailedSteps + (failure is null ? 0 : 1),
                PromptTokens = _totals.PromptTokens + tokens,
                ComputedTokens = _totals.ComputedTokens + (failure is null ? tokens : 0),
                LastStepAt = _options.TimeProvider.GetUtcNow(),
                LastStepDuration = _options.TimeProvider.GetElapsedTime(start),
            };
        }
    }

    /// <summary>Needs the lock.</summary>
    private void EndAll(string error)
    {
        foreach (EncoderJob job in _queue.TakeAll())
        {
            job.Fail(error);
        }
    }
}
