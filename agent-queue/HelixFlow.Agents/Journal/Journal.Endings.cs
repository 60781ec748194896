using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Ends a run with an output. False when the lease is lost: then nothing was written.</summary>
    /// <exception cref="FormatException">The output is no JSON that has a canonical form.</exception>
    public async Task<bool> SucceedAsync(Lease lease, ReadOnlyMemory<byte> output, CancellationToken cancellationToken)
    {
        byte[] value = CanonicalOf(output);
        string hash = await StoreAsync(value, cancellationToken).ConfigureAwait(false);
        return await ChangeAsync(
            lease,
            (session, run, now) =>
            {
                KeepInline(session, hash, value, now);
                End(session, run.Number, now, RunState.Succeeded, hash, null, new JournalEvent.Succeeded(hash));
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends an attempt that has failed: the run is tried again later, or is a dead letter.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="error">What happened.</param>
    /// <param name="isFinal">Whether trying again would be useless, for example because the input is wrong.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>False when the lease is lost: then nothing was written.</returns>
    public Task<bool> FailAsync(Lease lease, RunError error, bool isFinal, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (session, run, now) =>
        {
            if (run.CancelRequested)
            {
                End(session, run.Number, now, RunState.Cancelled, null, error, new JournalEvent.Cancelled());
            }
            else if (Park(session, run, now, error))
            {
                // Whether it is tried again is decided with the step that is in doubt.
            }
            else if (isFinal || run.Attempt >= run.Options.MaxAttempts)
            {
                Kill(session, run.Number, now, error);
            }
            else
            {
                Retry(session, run, now, error);
            }
        },
        cancellationToken);

    /// <summary>Gives a run back that was not failed, as a worker does that shuts down: another one goes on with it at once, and no attempt is counted.</summary>
    public Task<bool> ReleaseAsync(Lease lease, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (session, run, now) =>
        {
            Append(session, run.Number, now, new JournalEvent.AttemptReleased(run.Attempt));
            session.Execute("update runs set attempt = attempt - 1 where number = $1", run.Number);
            if (!Park(session, run, now, new RunError("worker_stopped", $"The worker {run.Worker} was stopped while the step ran.")))
            {
                MakeReady(session, run, now);
            }
        },
        cancellationToken);

    /// <summary>Ends a run that its worker has stopped, as was wanted. False when the lease is lost.</summary>
    public Task<bool> CancelledAsync(Lease lease, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (session, run, now) => End(session, run.Number, now, RunState.Cancelled, null, null, new JournalEvent.Cancelled()),
        cancellationToken);

    /// <summary>Asks that a run ends. One that no worker holds ends at once, and its children with it; null when the project has no such run.</summary>
    public async Task<RunRecord?> CancelAsync(string project, string id, string by, CancellationToken cancellationToken)
    {
        RunRecord? run = await database.WriteAsync(
            session =>
            {
                if (RunRows.Find(session, project, id) is not { } found)
                {
                    return null;
                }

                Cancel(session, found.Number, Now(session), by);
                return RunRows.Find(session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
        if (run is not null)
        {
            Changed?.Invoke(run.Id);
            Cancelling?.Invoke(run.Id);
        }

        return run;
    }

    /// <summary>Tries a run anew that is dead or cancelled, with its attempts counted from the beginning; what its steps recorded stays if the input does.</summary>
    /// <param name="project">The run's project.</param>
    /// <param name="id">The run.</param>
    /// <param name="input">Another input, or null for the same.</param>
    /// <param name="by">Who wants it.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The run; null when the project has none with this id. It is unchanged when it had not ended, or had succeeded.</returns>
    public async Task<RunRecord?> RequeueAsync(string project, string id, ReadOnlyMemory<byte>? input, string by, CancellationToken cancellationToken)
    {
        byte[]? value = input is { } json ? CanonicalOf(json) : null;
        string? hash = value is null ? null : await StoreAsync(value, cancellationToken).ConfigureAwait(false);
        RunRecord? run = await database.WriteAsync(
            session =>
            {
                if (RunRows.Find(session, project, id) is not { } found || RunRows.Lock(session, database.Dialect, found.Number) is not { } locked)
                {
                    return null;
                }

                if (locked.State is RunState.Dead or RunState.Cancelled)
                {
                    long now = Now(session);
                    if (value is not null)
                    {
                        KeepInline(session, hash!, value, now);
                        session.Execute("delete from steps where run = $1", locked.Number);
                        session.Execute("update runs set input = $2 where number = $1", locked.Number, hash);
                    }

                    session.Execute(
                        "update runs set epoch = epoch + 1, attempt = 0, error = null, cancel_requested = 0, ended_at = 0, progress = 0, message = null, start_by = 0 where number = $1",
                        locked.Number);
                    Append(session, locked.Number, now, new JournalEvent.Requeued(locked.Epoch + 1, hash ?? locked.Input, by));
                    MakeReady(session, locked, now);
                }

                return RunRows.Find(session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
        if (run is not null)
        {
            Tell(run);
        }

        return run;
    }

    /// <summary>Changes a run whose lease holds; what waits for it is told. False when the lease is lost.</summary>
    private async Task<bool> ChangeAsync(Lease lease, Action<SqlSession, RunRecord, long> change, CancellationToken cancellationToken)
    {
        bool isHeld = await database.WriteAsync(
            session =>
            {
                if (Held(session, lease) is not { } run)
                {
                    return false;
                }

                change(session, run, Now(session));
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        if (isHeld)
        {
            Changed?.Invoke(lease.RunId);
            Ready?.Invoke(""); // the run itself, or runs that waited for it
        }

        return isHeld;
    }

    private void End(SqlSession session, long run, long now, RunState state, string? output, RunError? error, JournalEvent happened)
    {
        bool hasWaiters = session.Number(
            """
            update runs set state = $2, output = $3, error = $4, worker = null, lease_until = 0, end_by = 0, ended_at = $5,
              progress = case when $2 = 4 then 100 else progress end where number = $1 returning has_waiters
            """,
            run, (long)state, output, error is null ? null : JsonSerializer.Serialize(error, JournalJson.Default.RunError), now) != 0;
        Append(session, run, now, happened);
        if (hasWaiters)
        {
            Release(session, run, now, state);
        }
    }

    private void Kill(SqlSession session, long run, long now, RunError error) => End(session, run, now, RunState.Dead, null, error, new JournalEvent.Died(error));

    /// <summary>Lets the runs go on that have waited for one that has ended.</summary>
    private void Release(SqlSession session, long ended, long now, RunState state)
    {
        string id = session.First("select id from runs where number = $1", static row => row.GetString(0), ended)!;
        foreach (long number in session.Query("select run from dependencies where on_run = $1 order by run", static row => row.GetInt64(0), ended))
        {
            if (RunRows.Lock(session, database.Dialect, number) is not { State: RunState.Waiting } waiting)
            {
                continue;
            }

            session.Execute("delete from dependencies where run = $1 and on_run = $2", number, ended);
            long left = session.Number("update runs set waits_for = waits_for - 1 where number = $1 returning waits_for", number);
            bool hasStarted = waiting.StartedAt > 0; // it waits for its own children, and looks at their outcome itself
            if (state != RunState.Succeeded && !hasStarted && !waiting.Options.RunAfterFailure)
            {
                Kill(session, number, now, new RunError("dependency_failed", $"The run {id}, which this one depends on, has not succeeded."));
            }
            else if (left == 0 && (hasStarted || waiting.NotBefore <= now))
            {
                Append(session, number, now, new JournalEvent.Released());
                MakeReady(session, waiting, now);
            }
        }
    }

    private void Cancel(SqlSession session, long number, long now, string by)
    {
        if (RunRows.Lock(session, database.Dialect, number) is not { HasEnded: false } run)
        {
            return;
        }

        if (!run.CancelRequested)
        {
            session.Execute("update runs set cancel_requested = 1 where number = $1", number);
            Append(session, number, now, new JournalEvent.CancelRequested(by));
        }

        if (run.State != RunState.Running)
        {
            End(session, number, now, RunState.Cancelled, null, null, new JournalEvent.Cancelled());
        }

        foreach (long child in session.Query("select number from runs where parent = $1 and state < 4 order by number", static row => row.GetInt64(0), number))
        {
            Cancel(session, child, now, by);
        }
    }

    /// <summary>Parks a run of whose steps one may have had an effect that must not be repeated; false when there is none.</summary>
    private static bool Park(SqlSession session, RunRecord run, long now, RunError error)
    {
        List<string> doubtful = session.Query("select address from steps where run = $1 and state = 0 order by seq", static row => row.GetString(0), run.Number);
        if (doubtful.Count == 0)
        {
            return false;
        }

        session.Execute(
            "update runs set state = 3, worker = null, lease_until = 0, end_by = 0, error = $2 where number = $1",
            run.Number, JsonSerializer.Serialize(error, JournalJson.Default.RunError));
        foreach (string address in doubtful)
        {
            Append(session, run.Number, now, new JournalEvent.StepParked(address));
        }

        return true;
    }

    private static void Retry(SqlSession session, RunRecord run, long now, RunError error)
    {
        long retryAt = now + Backoff(run);
        session.Execute(
            "update runs set state = 0, worker = null, lease_until = 0, end_by = 0, not_before = $2, error = $3 where number = $1",
            run.Number, retryAt, JsonSerializer.Serialize(error, JournalJson.Default.RunError));
        Append(session, run.Number, now, new JournalEvent.AttemptFailed(run.Attempt, error, retryAt));
    }

    /// <summary>Doubles with each attempt; up to a half is taken off by a hash, so that runs that failed together do not return together.</summary>
    private static long Backoff(RunRecord run)
    {
        double full = Math.Min(run.Options.MaxBackoffMs, run.Options.BackoffMs * Math.Pow(2, Math.Min(run.Attempt - 1, 40)));
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{run.Id} {run.Epoch} {run.Attempt}"));
        return (long)(full * (1 - (BitConverter.ToUInt16(hash) / 65536.0 / 2)));
    }

    private void MakeReady(SqlSession session, RunRecord run, long now) => session.Execute(
        "update runs set state = 1, worker = null, lease_until = 0, end_by = 0, not_before = 0, waits_for = 0, signal = null, share = $2, queued_at = $3 where number = $1",
        run.Number, FairShare.Tag(session, run.Priority, run.Project, WeightOf(run.Project)), now);
}
