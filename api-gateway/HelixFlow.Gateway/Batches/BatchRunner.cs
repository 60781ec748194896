using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Batches;

/// <summary>Drives every unfinished batch through its states, from where the last process has left it.</summary>
/// <remarks>One loop starts the batches; each then runs as a task of its own. <see cref="Wake"/> and <see cref="Cancel"/> may be called from any thread.</remarks>
internal sealed partial class BatchRunner(
    BatchStore store, BatchValidation validation, BatchExecution execution, BatchFinish finish, ModelSlots slots, BatchOptions options, TimeProvider time, ILogger<BatchRunner> logger)
    : BackgroundService, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, Running> _running = [];
    private TaskCompletionSource _signal = NewSignal();

    /// <summary>Tells that there is a new batch.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            _signal.TrySetResult();
        }
    }

    /// <summary>Tells that a batch is being cancelled.</summary>
    public void Cancel(long seq)
    {
        CancellationTokenSource? cancelled;
        lock (_lock)
        {
            cancelled = _running.GetValueOrDefault(seq)?.Cancelled;
        }

        cancelled?.Cancel();
        Wake();
    }

    /// <summary>Waits until nothing uses the database any more, which is disposed afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await (ExecuteTask ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        bool isClean = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            Task signal;
            lock (_lock)
            {
                _signal = _signal.Task.IsCompleted ? NewSignal() : _signal;
                signal = _signal.Task;
            }

            bool isBusy = true;
            try
            {
                if (!isClean)
                {
                    await store.DropLeftoversAsync(stoppingToken);
                    isClean = true;
                }

                List<Batch> unfinished = await store.UnfinishedAsync(options.MaxRunning, stoppingToken);
                isBusy = unfinished.Count > 0;
                if (isBusy)
                {
                    await slots.RefreshAsync(stoppingToken);
                    Begin(unfinished, stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                Log.LookFailed(logger, exception.Message);
            }

            await signal.WaitAsync(isBusy || store.IsShared ? options.Interval : Timeout.InfiniteTimeSpan, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Task[] left;
        lock (_lock)
        {
            left = [.. _running.Values.Select(static running => running.Task)];
        }

        await Task.WhenAll(left);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Begin(List<Batch> unfinished, CancellationToken stopping)
    {
        lock (_lock)
        {
            foreach (Batch batch in unfinished)
            {
                if (_running.TryGetValue(batch.Seq, out Running? known))
                {
                    if (batch.Status == BatchStatus.Cancelling)
                    {
                        known.Cancelled.Cancel(); // by way of another gateway
                    }
                }
                else if (_running.Count < options.MaxRunning)
                {
                    var running = new Running();
                    _running.Add(batch.Seq, running);
                    running.Task = Task.Run(() => RunAsync(batch, running.Cancelled.Token, stopping), CancellationToken.None);
                }
            }
        }
    }

    private async Task RunAsync(Batch batch, CancellationToken cancelled, CancellationToken stopping)
    {
        try
        {
            if (await store.TakeAsync(batch.Seq, stopping))
            {
                // Read again: it may have been cancelled before it could be told so here.
                await AdvanceAsync(await store.GetAsync(batch.Seq, stopping), cancelled, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // It goes on after the next start.
        }
        catch (Exception exception)
        {
            // The disk, as a rule: what is recorded stays, and the rest is tried again.
            Log.BatchFailed(logger, batch.Id, exception);
            await Task.Delay(options.LongestRetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        lock (_lock)
        {
            _running.Remove(batch.Seq);
        }

        Wake();
    }

    private async Task AdvanceAsync(Batch batch, CancellationToken cancelled, CancellationToken stopping)
    {
        while (!BatchLife.IsFinal(batch.Status))
        {
            Batch? next = batch.Status switch
            {
                BatchStatus.Validating => await ValidateAsync(batch, cancelled, stopping),
                BatchStatus.InProgress => await ExecuteAsync(batch, cancelled, stopping),
                BatchStatus.Finalizing => await finish.RunAsync(batch, BatchStatus.Completed, stopping),
                BatchStatus.Cancelling => await finish.RunAsync(batch, BatchStatus.Cancelled, stopping),
                _ => throw new InvalidOperationException($"A batch that is {batch.Status} does not go on."),
            };
            batch = next ?? await store.GetAsync(batch.Seq, stopping);
        }

        Log.BatchEnded(logger, batch.Id, BatchLife.NameOf(batch.Status), batch.Completed, batch.Failed);
    }

    private async Task<Batch?> ValidateAsync(Batch batch, CancellationToken cancelled, CancellationToken stopping)
    {
        if (store.Now >= batch.ExpiresAt)
        {
            return await finish.RunAsync(batch, BatchStatus.Expired, stopping);
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancelled, stopping);
        try
        {
            return await validation.RunAsync(batch, ended.Token);
        }
        catch (OperationCanceledException) when (cancelled.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task<Batch?> ExecuteAsync(Batch batch, CancellationToken cancelled, CancellationToken stopping) => await execution.RunAsync(batch, cancelled, stopping) switch
    {
        ExecutionEnd.Done => await store.MoveAsync(batch.Seq, BatchStatus.Finalizing, stopping),
        ExecutionEnd.Expired => await finish.RunAsync(batch, BatchStatus.Expired, stopping),
        ExecutionEnd.Cancelled => null,
        var end => throw new InvalidOperationException($"A batch cannot end as {end}."),
    };

    private sealed class Running
    {
        public CancellationTokenSource Cancelled { get; } = new();

        public Task Task { get; set; } = Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(1111, LogLevel.Warning, "Batches could not be looked after: {Reason}")]
        public static partial void LookFailed(ILogger logger, string reason);

        [LoggerMessage(1112, LogLevel.Error, "Batch {Batch} was interrupted and will go on")]
        public static partial void BatchFailed(ILogger logger, string batch, Exception exception);

        [LoggerMessage(1113, LogLevel.Information, "Batch {Batch} is {Status}: {Completed} requests completed, {Failed} failed")]
        public static partial void BatchEnded(ILogger logger, string batch, string status, long completed, long failed);
    }
}
