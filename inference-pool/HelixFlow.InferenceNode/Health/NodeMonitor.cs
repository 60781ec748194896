using HelixFlow.Engine.Execution;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Serving;
using Microsoft.Extensions.Logging;

namespace HelixFlow.InferenceNode.Health;

/// <summary>Watches a node's engines, so that the node never says that it is well while one of them is not.</summary>
/// <remarks>
/// An engine that works must make progress; one that idles computes a token now and then, the canary, to prove that it still can. One that has
/// given up is unloaded, so that the next request loads its model anew. A hung engine cannot be ended from outside: the node stays unhealthy,
/// its streams go on elsewhere, and whoever supervises the process restarts it. Owns one task.
/// </remarks>
internal sealed partial class NodeMonitor : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly ModelHost<ServedModel> _host;
    private readonly NodeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action _changed;
    private readonly long _start;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Dictionary<ServedModel, EngineWatch> _watches = [];
    private Task _watching = Task.CompletedTask;
    private volatile string? _problem;

    public NodeMonitor(ModelHost<ServedModel> host, NodeOptions options, TimeProvider time, ILoggerFactory loggers, Action changed)
    {
        _host = host;
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<NodeMonitor>();
        _changed = changed;
        _start = time.GetTimestamp();
    }

    /// <summary>What is wrong; null when nothing is.</summary>
    public string? Problem => _problem;

    public void Start() => _watching = Task.Run(WatchAsync);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task WatchAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await LookAsync().ConfigureAwait(false);
                await Task.Delay(Interval, _time, _stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception exception)
            {
                Log.LookFailed(_logger, exception); // the watch must outlive what it watches
            }
        }
    }

    /// <summary>Looks at all engines once.</summary>
    private async Task LookAsync()
    {
        TimeSpan now = _time.GetElapsedTime(_start);
        string? problem = null;
        foreach (ModelStatus hosted in _host.Snapshot().Models)
        {
            foreach (ServedModel model in _host.LoadedOf(hosted.Name))
            {
                if (!_watches.TryGetValue(model, out EngineWatch? watch))
                {
                    _watches.Add(model, watch = new EngineWatch(model, new StepWatch(Interval, _options.HangLimit), now));
                }

                problem ??= await LookAsync(hosted.Name, watch, now).ConfigureAwait(false);
            }
        }

        foreach (ServedModel gone in _watches.Keys.Where(static model => model.IsDisposed).ToArray())
        {
            _watches.Remove(gone);
        }

        if (problem is null != _problem is null)
        {
            Report(problem);
        }

        if (problem != _problem)
        {
            _problem = problem;
            _changed();
        }
    }

    private async ValueTask<string?> LookAsync(string name, EngineWatch watch, TimeSpan now)
    {
        EngineSnapshot snapshot = watch.Model.Snapshot();
        switch (watch.Steps.Look(snapshot, now))
        {
            case StepHealth.Hung:
                return $"the engine of {name} has made no progress for {watch.Steps.Silence.TotalSeconds:F1} s";
            case StepHealth.Faulted:
                Log.Reloading(_logger, name);
                await _host.UnloadAsync(name, waitForIdle: true, _stopping.Token).ConfigureAwait(false);
                return null;
            default:
                return await SingAsync(name, watch, snapshot, now).ConfigureAwait(false);
        }
    }

    private async ValueTask<string?> SingAsync(string name, EngineWatch watch, EngineSnapshot snapshot, TimeSpan now)
    {
        if (snapshot.Busy)
        {
            watch.IdleSince = now;
        }
        else if (now - watch.IdleSince >= _options.CanaryInterval)
        {
            watch.IdleSince = now;
            watch.Canary ??= Task.Run(() => SingAsync(watch.Model));
        }

        if (watch.Canary is { IsCompleted: true } sung)
        {
            watch.CanaryFailure = await sung.ConfigureAwait(false);
            watch.Canary = null;
        }

        return watch.CanaryFailure is { } failure ? $"the engine of {name} fails: {failure}" : null;
    }

    /// <summary>One token through the whole engine; the result says what failed, null for nothing.</summary>
    private static async Task<string?> SingAsync(ServedModel model)
    {
        int token = model.Tokenizer.BosId ?? 0;
        if (model.Encoder is { } encoder)
        {
            return (await encoder.RunAsync(new EncoderRequest { RequestId = "canary", Tokens = new[] { token } }, CancellationToken.None).ConfigureAwait(false)).Error;
        }

        var request = new SequenceRequest { RequestId = "canary", Prompt = new[] { token }, MaxTokens = 1, IgnoreEnd = true, CacheSalt = "canary" };
        if (model.Engine.Submit(request, out SequenceStream? stream) != SubmitOutcome.Accepted)
        {
            return null; // it is busy after all, or on its way out
        }

        using (stream)
        {
            while (await stream!.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (stream.TryRead(out SequenceEvent next))
                {
                    if (next is { Kind: SequenceEventKind.Finished, Reason: FinishReason.Error })
                    {
                        return next.Error;
                    }
                }
            }
        }

        return null;
    }

    private void Report(string? problem)
    {
        if (problem is null)
        {
            Log.Healthy(_logger);
        }
        else
        {
            Log.Unhealthy(_logger, problem);
        }
    }

    private sealed class EngineWatch(ServedModel model, StepWatch steps, TimeSpan idleSince)
    {
        public ServedModel Model { get; } = model;

        public StepWatch Steps { get; } = steps;

        public TimeSpan IdleSince { get; set; } = idleSince;

        public Task<string?>? Canary { get; set; }

        public string? CanaryFailure { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(2031, LogLevel.Error, "Unhealthy: {Problem}")]
        public static partial void Unhealthy(ILogger logger, string problem);

        [LoggerMessage(2032, LogLevel.Information, "Healthy again")]
        public static partial void Healthy(ILogger logger);

        [LoggerMessage(2033, LogLevel.Error, "The engine of {Model} has given up after repeated failures: it is unloaded, to be loaded anew")]
        public static partial void Reloading(ILogger logger, string model);

        [LoggerMessage(2034, LogLevel.Error, "The engines could not be looked at")]
        public static partial void LookFailed(ILogger logger, Exception exception);
    }
}
