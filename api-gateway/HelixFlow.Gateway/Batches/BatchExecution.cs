using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Batches;

/// <summary>Why the requests of a batch are no longer run.</summary>
internal enum ExecutionEnd
{
    /// <summary>All are done.</summary>
    Done,

    /// <summary>The batch has been cancelled.</summary>
    Cancelled,

    /// <summary>The completion window has passed.</summary>
    Expired,
}

/// <summary>Runs the requests of a batch that are not done yet. Thread-safe.</summary>
internal sealed class BatchExecution(
    BatchStore store, FileStore files, BatchDispatcher dispatcher, ModelSlots slots, BatchMetrics metrics, BatchOptions options, TimeProvider time)
{
    private const int PageLines = 256;
    private const int MostFailures = 3; // of the server itself (500): more often it is the request that breaks it

    /// <param name="batch">In progress.</param>
    /// <param name="cancelled">The batch is being cancelled: nothing new begins, and what runs is ended after a while.</param>
    /// <param name="stopping">The server stops: everything ends at once, and goes on after the next start.</param>
    /// <exception cref="OperationCanceledException">The server stops.</exception>
    public async Task<ExecutionEnd> RunAsync(Batch batch, CancellationToken cancelled, CancellationToken stopping)
    {
        TimeSpan left = DateTimeOffset.FromUnixTimeSeconds(batch.ExpiresAt) - time.GetUtcNow();
        using var deadline = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stopping);
        using var admit = CancellationTokenSource.CreateLinkedTokenSource(abort.Token, cancelled);
        await using FileStream input = files.Blobs.Open(batch.InputHash);
        using var room = new SemaphoreSlim(options.MaxConcurrency);
        var running = new List<Task>();
        int open = 0; // requests that were ended, not done
        try
        {
            int after = 0;
            while (await store.OpenAsync(batch.Seq, after, PageLines, admit.Token) is { Count: > 0 } page)
            {
                foreach (BatchLine line in page)
                {
                    await room.WaitAsync(admit.Token);
                    running.Add(OneAsync(line));
                    after = line.Line;
                }

                running.RemoveAll(static task => task.IsCompletedSuccessfully);
            }

            await Task.WhenAll(running).WaitAsync(admit.Token);
            if (Volatile.Read(ref open) == 0)
            {
                return ExecutionEnd.Done;
            }
        }
        catch (OperationCanceledException) when (admit.IsCancellationRequested)
        {
            await EndAsync(running, abort, cancelled);
        }
        catch
        {
            await abort.CancelAsync();
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        stopping.ThrowIfCancellationRequested();
        return deadline.IsCancellationRequested ? ExecutionEnd.Expired : ExecutionEnd.Cancelled;

        async Task OneAsync(BatchLine line)
        {
            try
            {
                await ExecuteAsync(batch, line, input, admit.Token, abort.Token);
            }
            catch (OperationCanceledException) when (abort.IsCancellationRequested || admit.IsCancellationRequested)
            {
                Interlocked.Increment(ref open);

                // It stays open: for the next start, or for the error file. What is linked to "abort" is told of it one after the other, "admit" last.
            }
            catch
            {
                await abort.CancelAsync(); // the disk fails: no further request is worth its tokens
                throw;
            }
            finally
            {
                room.Release();
            }
        }
    }

    private async Task EndAsync(List<Task> running, CancellationTokenSource abort, CancellationToken cancelled)
    {
        var all = Task.WhenAll(running);
        if (cancelled.IsCancellationRequested && !abort.IsCancellationRequested)
        {
            await Task.WhenAny(all, Task.Delay(options.CancelGrace, time, abort.Token));
        }

        await abort.CancelAsync();
        await all;
    }

    private async Task ExecuteAsync(Batch batch, BatchLine line, FileStream input, CancellationToken admit, CancellationToken abort)
    {
        TimeSpan delay = options.RetryDelay;
        int failures = 0;
        while (true)
        {
            BatchAnswer? answer = null;
            await slots.EnterAsync(batch.Model!, admit);
            try
            {
                answer = await dispatcher.RunAsync(batch.Endpoint, batch.Project, await BodyAsync(line, input, abort), abort);
            }
            finally
            {
                slots.Leave(batch.Model!, refused: answer?.Status is 429 or 503);
            }

            bool again = answer.Status is 429 or 503 || (answer.Status is 500 && ++failures < MostFailures);
            if (!again)
            {
                bool completed = answer.Status < 400;
                if (await store.RecordAsync(batch.Seq, line.Line, completed, BatchResult.Answered(batch, line, answer), answer.Usage, CancellationToken.None))
                {
                    metrics.CountDone(completed);
                }

                return;
            }

            metrics.CountRetry();
            await Task.Delay(answer.RetryAfter is { } asked && asked > delay ? asked : delay, time, admit);
            delay = delay * 2 < options.LongestRetryDelay ? delay * 2 : options.LongestRetryDelay;
        }
    }

    private static async Task<byte[]> BodyAsync(BatchLine line, FileStream input, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[line.Length];
        int length = 0;
        while (length < bytes.Length)
        {
            int read = await RandomAccess.ReadAsync(input.SafeFileHandle, bytes.AsMemory(length), line.Start + length, cancellationToken);
            length += read > 0 ? read : throw new InvalidDataException("The input file of a batch has become shorter.");
        }

        return BatchBody.Of(bytes, FairQueue<object>.LowestPriority);
    }
}
