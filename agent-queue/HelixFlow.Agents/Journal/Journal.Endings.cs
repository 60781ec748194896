using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Ends a run with an output. False when the lease is lost: then nothing was written.</summary>
    /// <exception cref="FormatException">The output is no JSON that has a canonical form.</exception>
    public async Task<bool> SucceedAsync(Lease lease, ReadOnlyMemory<byte> output, CancellationToken cancellationToken)
    {
        StoredValue value = await StoreAsync(CanonicalOf(output), cancellationToken).ConfigureAwait(false);
        return await ChangeAsync(
            lease,
            (change, run) =>
            {
                Keep(change, value);
                End(change, run, RunState.Succeeded, value.Reference, null, new JournalEvent.Succeeded(value.Reference));
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends an attempt that has failed: the run is tried again later, or is a dead letter.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="error">What happened.</param>
    /// <param name="isFinal">Whether trying again would be useless, for example because the input is wrong.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>False when the lease is lost: then nothing was written.</returns>
    public Task<bool> FailAsync(Lease lease, RunError error, bool isFinal, CancellationToken cancellationToken) =>
        ChangeAsync(lease, (change, run) => Fail(change, run, error, isFinal), cancellationToken);

    /// <summary>Gives a run back that was not failed, as a worker does that shuts down: another one goes on with it at once, and no attempt is counted.</summary>
    public Task<bool> ReleaseAsync(Lease lease, CancellationToken cancellationToken) => ChangeAsync(lease, Release, cancellationToken);

    /// <summary>Ends a run that its worker has stopped, as was wanted; one that nobody wants to end is given back. False when the lease is lost.</summary>
    public Task<bool> CancelledAsync(Lease lease, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        static (change, run) =>
        {
            if (run.CancelRequested)
            {
                End(change, run, RunState.Cancelled, null, null, new JournalEvent.Cancelled());
            }
            else
            {
                Release(change, run);
            }
        },
        cancellationToken);

    /// <summary>Asks that a run ends. One that no worker holds ends at once, and its children with it; null when the project has no such run.</summary>
    public Task<RunRecord?> CancelAsync(string project, string id, string by, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (RunRows.Find(change.Session, project, id) is not { } found)
            {
                return null;
            }

            Cancel(change, found.Number, by);
            return RunRows.Find(change.Session, project, id);
        },
        cancellationToken);

    /// <summary>Tries a run anew that is dead or cancelled, with its attempts counted from the beginning; what its steps recorded stays if the input does.</summary>
    /// <remarks>It waits again for the runs that it depends on, and is dead again when one of them has not succeeded and it needs that.</remarks>
    /// <param name="project">The run's project.</param>
    /// <param name="id">The run.</param>
    /// <param name="input">Another input, or null for the same.</param>
    /// <param name="by">Who wants it.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The run; null when the project has none with this id. It is unchanged when it had not ended, or had succeeded.</returns>
    public async Task<RunRecord?> RequeueAsync(string project, string id, ReadOnlyMemory<byte>? input, string by, CancellationToken cancellationToken)
    {
        byte[]? canonical = input is { } json ? CanonicalOf(json) : null;
        StoredValue? value = canonical is null ? null : await StoreAsync(canonical, cancellationToken).ConfigureAwait(false);
        HashSet<string> files = ArtifactReference.In(canonical ?? []);
        return await WriteAsync(
            change =>
            {
                List<RunRecord> dependencies = LockDependencies(change, project, id);
                if (change.Lock(project, id) is not { State: RunState.Dead or RunState.Cancelled } run)
                {
                    return RunRows.Find(change.Session, project, id);
                }

                if (MissingFile(change, project, files) is not null)
                {
                    return run; // as one that cannot be requeued: whoever asks has checked the input
                }

                string reference = value?.Reference ?? run.Input;
                if (reference != run.Input)
                {
                    Keep(change, value!.Value);
                    KeepFor(change, run, run.Input, isFile: false);
                    KeepFilesFor(change, run, files);
                    change.Session.Post("delete from steps where run = $1", run.Number);
                    change.Session.Post("delete from artifacts where run = $1", run.Number);
                    change.Session.Post("delete from questions where run = $1 and answer = 0", run.Number);
                }

                RunError? failure = FailureAmong(dependencies, run.Options);
                List<RunRecord> open = failure is null ? dependencies.FindAll(static dependency => !dependency.HasEnded) : [];
                change.Append(run, new JournalEvent.Requeued(run.Epoch + 1, reference, by, open.Count > 0 ? RunState.Waiting : null));
                change.Session.Post(
                    """
                    update runs set input = $2, epoch = epoch + 1, attempt = 0, error = null, cancel_requested = 0, ended_at = 0, progress = 0, message = null, start_by = 0
                    where number = $1
                    """,
                    run.Number, reference);
                LimitTotal(change, run with { NotBefore = 0 });
                if (failure is not null)
                {
                    Kill(change, run, failure);
                }
                else if (open.Count > 0)
                {
                    WaitAgain(change, run, open);
                }
                else if (!Park(change, run, new RunError("step_in_doubt", "The run was cancelled before it was decided what became of the step.")))
                {
                    MakeReady(change, run);
                }

                return RunRows.Find(change.Session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
    }

    private static void Release(Change change, RunRecord run)
    {
        change.Append(run, new JournalEvent.AttemptReleased(run.Attempt));
        change.Session.Post("update runs set attempt = attempt - 1 where number = $1", run.Number);
        if (!Park(change, run, new RunError("worker_stopped", $"The worker {run.Worker} was stopped while the step ran.")))
        {
            MakeReady(change, run);
        }
    }

    /// <summary>Ends an attempt whose worker has failed, or was lost.</summary>
    private static void Fail(Change change, RunRecord run, RunError error, bool isFinal)
    {
        if (run.CancelRequested)
        {
            End(change, run, RunState.Cancelled, null, error, new JournalEvent.Cancelled(error));
        }
        else if (Park(change, run, error))
        {
            // Whether it is tried again is decided with the step that is in doubt.
        }
        else if (isFinal || run.Attempt >= run.Options.MaxAttempts)
        {
            Kill(change, run, error);
        }
        else
        {
            long retryAt = change.Now + Backoff(run);
            change.Append(run, new JournalEvent.AttemptFailed(run.Attempt, error, retryAt));
            change.Session.Post(
                "update runs set state = 0, worker = null, lease_until = 0, end_by = 0, not_before = $2, error = $3, last_event = $4 where number = $1",
                run.Number, retryAt, Json(error), run.LastEvent);
        }
    }

    private static void End(Change change, RunRecord run, RunState state, string? output, RunError? error, JournalEvent happened)
    {
        EndAlone(change, run, state, output, error, happened);
        if (run.HasWaiters)
        {
            Release(change, run, state);
        }
    }

    private static void Kill(Change change, RunRecord run, RunError error) => End(change, run, RunState.Dead, null, error, new JournalEvent.Died(error));

    private static void EndAlone(Change change, RunRecord run, RunState state, string? output, RunError? error, JournalEvent happened)
    {
        change.Append(run, happened);
        change.Session.Post(
            """
            update runs set state = $2, output = $3, error = $4, worker = null, lease_until = 0, end_by = 0, waits_for = 0, signal = null, ended_at = $5,
              progress = case when $2 = 4 then 100 else progress end, last_event = $6 where number = $1
            """,
            run.Number, (long)state, output, Json(error), change.Now, run.LastEvent);
        if (run.WaitsFor > 0)
        {
            change.Session.Post("delete from dependencies where run = $1", run.Number);
        }
    }

    /// <summary>Lets the runs go on that have waited for one that has ended. Those that end with it are dealt with in their turn: chains may be long.</summary>
    private static void Release(Change change, RunRecord run, RunState outcome)
    {
        var ended = new Queue<(RunRecord Run, bool HasSucceeded)>([(run, outcome == RunState.Succeeded)]);
        while (ended.TryDequeue(out (RunRecord Run, bool HasSucceeded) next))
        {
            foreach (long number in change.Session.Query("select run from dependencies where on_run = $1 order by run", static row => row.GetInt64(0), next.Run.Number))
            {
                if (change.Lock(number) is not { State: RunState.Waiting } waiting)
                {
                    continue;
                }

                change.Session.Post("delete from dependencies where run = $1 and on_run = $2", number, next.Run.Number);
                waiting = waiting with { WaitsFor = waiting.WaitsFor - 1 };
                bool hasStarted = waiting.StartedAt > 0; // it waits for its own children, and looks at their outcome itself
                if (!next.HasSucceeded && !hasStarted && !waiting.Options.RunAfterFailure)
                {
                    var error = new RunError("dependency_failed", $"The run {next.Run.Id}, which this one depends on, has not succeeded.");
                    EndAlone(change, waiting, RunState.Dead, null, error, new JournalEvent.Died(error));
                    if (waiting.HasWaiters)
                    {
                        ended.Enqueue((waiting, false));
                    }
                }
                else if (waiting.WaitsFor == 0 && (hasStarted || waiting.NotBefore <= change.Now))
                {
                    change.Append(waiting, new JournalEvent.Released());
                    change.Session.Post("delete from dependencies where run = $1", number); // others, when one was enough
                    MakeReady(change, waiting);
                }
                else
                {
                    change.Session.Post("update runs set waits_for = $2 where number = $1", number, waiting.WaitsFor);
                }
            }
        }
    }

    private static void Cancel(Change change, long number, string by)
    {
        var open = new Stack<long>([number]);
        while (open.TryPop(out long next))
        {
            if (change.Lock(next) is not { HasEnded: false } run)
            {
                continue;
            }

            if (!run.CancelRequested)
            {
                change.Append(run, new JournalEvent.CancelRequested(by));
                change.Session.Post("update runs set cancel_requested = 1, last_event = $2 where number = $1", next, run.LastEvent);
            }

            if (run.State == RunState.Running)
            {
                change.TellCancelling(run.Id);
            }
            else
            {
                End(change, run, RunState.Cancelled, null, null, new JournalEvent.Cancelled());
            }

            foreach (long child in change.Session.Query("select number from runs where parent = $1 and state < 4 order by number desc", static row => row.GetInt64(0), next))
            {
                open.Push(child);
            }
        }
    }

    /// <summary>Parks a run of whose steps one may have had an effect that must not be repeated; false when there is none.</summary>
    private static bool Park(Change change, RunRecord run, RunError error)
    {
        List<string> doubtful = change.Session.Query("select address from steps where run = $1 and state = 0 order by seq", static row => row.GetString(0), run.Number);
        if (doubtful.Count == 0)
        {
            return false;
        }

        foreach (string address in doubtful)
        {
            change.Append(run, new JournalEvent.StepParked(address, error));
        }

        change.Session.Post(
            "update runs set state = 3, worker = null, lease_until = 0, end_by = 0, error = $2, last_event = $3 where number = $1", run.Number, Json(error), run.LastEvent);
        return true;
    }

    /// <summary>Doubles with each attempt; up to a half is taken off by a hash, so that runs that failed together do not return together.</summary>
    private static long Backoff(RunRecord run)
    {
        double full = Math.Min(run.Options.MaxBackoffMs, run.Options.BackoffMs * Math.Pow(2, Math.Min(run.Attempt - 1, 40)));
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{run.Id} {run.Epoch} {run.Attempt}"));
        return (long)(full * (1 - (BitConverter.ToUInt16(hash) / 65536.0 / 2)));
    }

    private static void MakeReady(Change change, RunRecord run)
    {
        change.Session.Post(
            """
            update runs set state = 1, worker = null, lease_until = 0, end_by = 0, not_before = 0, waits_for = 0, signal = null, share = $2, queued_at = $3, last_event = $4
            where number = $1
            """,
            run.Number, FairShare.Tag(change.Session, run.Priority, run.Project, change.WeightOf(run.Project)), change.Now, run.LastEvent);
        if (run.WaitsFor > 0)
        {
            change.Session.Post("delete from dependencies where run = $1", run.Number);
        }

        change.TellReady(run.Type);
    }
}
