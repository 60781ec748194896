using HelixFlow.Gateway.Health;
using HelixFlow.Schemas;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Reads the files that wait in the database, a few at a time, from where the last process has left them.</summary>
/// <remarks>One loop starts them; each then runs as a task of its own. <see cref="Wake"/> may be called from any thread.</remarks>
internal sealed partial class IngestionQueue(
    IngestionStore store, Ingestion ingestion, VectorStoreOptions options, IReadiness readiness, TimeProvider time, ILogger<IngestionQueue> logger) : BackgroundService, IAsyncDisposable
{
    private static readonly TimeSpan ReadinessInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<long, Task> _running = [];
    private readonly Dictionary<long, Rest> _resting = [];
    private TaskCompletionSource _signal = NewSignal();

    /// <summary>Tells that there is a new file.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            _signal.TrySetResult();
        }
    }

    /// <summary>Waits until nothing uses the database any more, which is disposed afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await (ExecuteTask ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!readiness.IsReady && !stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(ReadinessInterval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        DateTimeOffset sweep = time.GetUtcNow();
        while (!stoppingToken.IsCancellationRequested)
        {
            Task signal;
            lock (_lock)
            {
                _signal = _signal.Task.IsCompleted ? NewSignal() : _signal;
                signal = _signal.Task;
            }

            TimeSpan wait = options.SweepInterval;
            try
            {
                if (time.GetUtcNow() >= sweep)
                {
                    await store.SweepAsync(stoppingToken);
                    sweep = time.GetUtcNow() + options.SweepInterval;
                }

                // Those that run or rest are among the first.
                Begin(await store.WaitingAsync(options.MaxRunning + Occupied(), stoppingToken), stoppingToken);
                wait = store.LookInterval < wait ? store.LookInterval : wait;
                wait = Occupied() > 0 && options.RetryDelay < wait ? options.RetryDelay : wait;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Log.LookFailed(logger, exception.Message);
                wait = options.RetryDelay;
            }

            await signal.WaitAsync(wait, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Task[] left;
        lock (_lock)
        {
            left = [.. _running.Values];
        }

        await Task.WhenAll(left);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // A model that is not served may come with the next node.
    private static bool MayRetry(InferenceError error) => error is
        InferenceError.ModelNotFound or InferenceError.Overloaded or InferenceError.Unavailable or InferenceError.ModelUnavailable or InferenceError.Internal or InferenceError.DeadlineExceeded;

    private int Occupied()
    {
        lock (_lock)
        {
            return _running.Count + _resting.Count;
        }
    }

    private void Begin(List<StoreFile> waiting, CancellationToken stopping)
    {
        lock (_lock)
        {
            DateTimeOffset now = time.GetUtcNow();
            foreach (StoreFile file in waiting)
            {
                if (_running.Count < options.MaxRunning && !_running.ContainsKey(file.Seq) && !(_resting.TryGetValue(file.Seq, out Rest rest) && rest.Until > now))
                {
                    _running.Add(file.Seq, Task.Run(() => RunAsync(file, stopping), CancellationToken.None));
                }
            }
        }
    }

    private async Task RunAsync(StoreFile file, CancellationToken stopping)
    {
        bool isDone = true;
        try
        {
            if (await store.TakeAsync(file, stopping))
            {
                await ReadAsync(file, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // It goes on after the next start.
        }
        catch (Exception exception)
        {
            // The disk, as a rule: what is recorded stays, and the rest is tried again.
            Log.FileFailed(logger, file.FileId, exception);
            isDone = false;
        }

        lock (_lock)
        {
            _running.Remove(file.Seq);
            if (isDone)
            {
                _resting.Remove(file.Seq);
            }
            else
            {
                _resting[file.Seq] = new Rest(_resting.GetValueOrDefault(file.Seq).Count + 1, time.GetUtcNow() + options.RetryDelay);
            }
        }

        Wake();
    }

    private async Task ReadAsync(StoreFile file, CancellationToken stopping)
    {
        try
        {
            await ingestion.RunAsync(file, stopping);
        }
        catch (IngestionException exception)
        {
            await store.FailAsync(file, exception.Code, exception.Message, stopping);
        }
        catch (InferenceException exception) when (!MayRetry(exception.Error) || IsLastTime(file))
        {
            await store.FailAsync(file, IngestionException.Server, exception.Message, stopping);
        }
    }

    private bool IsLastTime(StoreFile file)
    {
        lock (_lock)
        {
            return _resting.GetValueOrDefault(file.Seq).Count >= options.MaxRetries;
        }
    }

    private readonly record struct Rest(int Count, DateTimeOffset Until);

    private static partial class Log
    {
        [LoggerMessage(1301, LogLevel.Warning, "Files that wait for their vector stores could not be looked after: {Reason}")]
        public static partial void LookFailed(ILogger logger, string reason);

        [LoggerMessage(1302, LogLevel.Warning, "File {File} was interrupted on its way into a vector store and will go on")]
        public static partial void FileFailed(ILogger logger, string file, Exception exception);
    }
}
