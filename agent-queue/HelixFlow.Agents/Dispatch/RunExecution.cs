using System.Runtime.InteropServices;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Dispatch;

/// <summary>Does one attempt at a run and tells the journal what became of it. May be used by many runs at once.</summary>
internal sealed partial class RunExecution(IRunJournal journal, WorkerMetrics metrics, TimeProvider time, ILogger logger)
{
    /// <summary>Runs the job's code, and writes its outcome while the lease lasts.</summary>
    public async Task ExecuteAsync(ActiveRun active, IJobType type)
    {
        metrics.Started(type.Name);
        Run? run = null;
        string outcome = "lost";
        try
        {
            Outcome result;
            try
            {
                run = await Run.OpenAsync(journal, active.Claim, time, active.Held, active.Token).ConfigureAwait(false);
                JsonElement output = await run.DoAsync(type.RunAsync, active.Token).ConfigureAwait(false);
                await run.FlushAsync().ConfigureAwait(false);
                result = new Outcome("succeeded", token => journal.SucceedAsync(active.Lease, Bytes(output), token));
            }
            catch (Exception exception)
            {
                result = OutcomeOf(active, exception);
            }

            outcome = await WriteAsync(active, result).ConfigureAwait(false);
        }
        finally
        {
            metrics.Used(type.Name, active.Claim.Run.Project, run?.Used ?? []);
            metrics.Ended(type.Name, outcome, run?.Executed ?? 0, (ActiveRun.Now(time) - active.ClaimedAt) / 1000.0);
        }
    }

    /// <summary>Says that a run lives; stops its code when the journal says that it should end.</summary>
    public async Task BeatAsync(ActiveRun active, CancellationToken cancellationToken)
    {
        long sentAt = ActiveRun.Now(time);
        try
        {
            LeaseState state = await journal.ExtendAsync(active.Lease, cancellationToken).ConfigureAwait(false);
            if (state == LeaseState.Lost)
            {
                active.Stop(StopReason.LeaseLost);
                return;
            }

            active.Extend(sentAt);
            if (state == LeaseState.CancelRequested)
            {
                active.Stop(StopReason.Cancelled);
            }
        }
        catch (OperationCanceledException)
        {
            // The worker has ended.
        }
        catch (Exception exception)
        {
            // The lease ends by this process's clock when no sign of life gets through.
            Log.BeatFailed(logger, exception, active.Claim.Run.Id);
            active.BeatSoon();
        }
    }

    /// <summary>Gives a run back whose code does not end.</summary>
    public Task<string> HandBackAsync(ActiveRun active) => WriteAsync(active, new Outcome("released", token => journal.ReleaseAsync(active.Lease, token)));

    private Outcome OutcomeOf(ActiveRun active, Exception exception)
    {
        RunRecord run = active.Claim.Run;
        StopReason reason = active.Reason;
        switch (exception)
        {
            case RunSuspendedException:
                return new Outcome("suspended", null);
            case LeaseLostException:
                return new Outcome("lost", null);
            case JobFailedException failed:
                return Failure(active, new RunError(failed.Code, failed.Message), isFinal: true);
            case AttemptFailedException failed:
                return Failure(active, failed.Error, failed.IsFinal);
            case ReplayMismatchException mismatch:
                return Failure(active, new RunError("replay_mismatch", mismatch.Message), isFinal: true);
        }

        // Whatever the code threw after it had been told to end comes from that.
        switch (reason)
        {
            case StopReason.LeaseLost:
                return new Outcome("lost", null);
            case StopReason.Cancelled:
                return new Outcome("cancelled", token => journal.CancelledAsync(active.Lease, token));
            case StopReason.Stopping:
                return new Outcome("released", token => journal.ReleaseAsync(active.Lease, token));
            case StopReason.TimedOut:
                return Failure(active, new RunError("timeout", $"The attempt took longer than {run.Options.AttemptTimeoutMs} ms."), isFinal: false);
            case StopReason.None:
            default:
                Log.AttemptFailed(logger, exception, run.Type, run.Id, run.Attempt);
                return Failure(active, new RunError("job_error", exception.Message, DetailsOf(exception)), isFinal: false);
        }
    }

    private Outcome Failure(ActiveRun active, RunError error, bool isFinal) => new("failed", token => journal.FailAsync(active.Lease, error, isFinal, token));

    private async Task<string> WriteAsync(ActiveRun active, Outcome outcome)
    {
        if (outcome.Write is not { } write)
        {
            return outcome.Name;
        }

        try
        {
            return await StoragePatience.RepeatAsync(write, time, active.Held).ConfigureAwait(false) ? outcome.Name : "lost";
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException)
        {
            // The output is no value that JSON has a form for: the job's code is wrong, and would give the same again.
            var error = new RunError("invalid_output", $"The code of {active.Claim.Run.Type} has returned no valid JSON: {exception.Message}");
            return await WriteAsync(active, Failure(active, error, isFinal: true)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            return "lost";
        }
    }

    private static ReadOnlyMemory<byte> Bytes(JsonElement output) => JsonMarshal.GetRawUtf8Value(output).ToArray();

    private static JsonElement DetailsOf(Exception exception) => JsonSerializer.SerializeToElement(
        new FailureDetails(exception.GetType().FullName, exception.ToString()), FailureJson.Default.FailureDetails);

    /// <summary>What is to be written about an attempt.</summary>
    private sealed record Outcome(string Name, Func<CancellationToken, Task<bool>>? Write);

    private static partial class Log
    {
        [LoggerMessage(7010, LogLevel.Warning, "A sign of life for run {Run} could not be written; it is tried again while the lease lasts.")]
        public static partial void BeatFailed(ILogger logger, Exception exception, string run);

        [LoggerMessage(7011, LogLevel.Debug, "{Type} has failed in attempt {Attempt} of run {Run}.")]
        public static partial void AttemptFailed(ILogger logger, Exception exception, string type, string run, int attempt);
    }
}

/// <summary>What an operator needs to find a failure of a job's code.</summary>
internal sealed record FailureDetails(string? Type, string Stack);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(FailureDetails))]
internal sealed partial class FailureJson : System.Text.Json.Serialization.JsonSerializerContext;
