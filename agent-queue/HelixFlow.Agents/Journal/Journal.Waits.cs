using System.Text.Json;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Far beyond any time that a run waits for.</summary>
    private const long Never = long.MaxValue;

    /// <summary>Lets go of a run that waits, so that it holds no worker: it is claimed again when what it waits for is there.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="until">The latest time to go on, in milliseconds since 1970; null for no such time.</param>
    /// <param name="signal">Go on when this signal is there, and no step has taken it; null for none.</param>
    /// <param name="runs">Go on when all of these runs have ended; ids of the same project.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>False when the lease is lost.</returns>
    public Task<bool> SuspendAsync(Lease lease, long? until, string? signal, IReadOnlyList<string> runs, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (session, run, now) =>
        {
            var open = new List<long>();
            foreach (string id in runs.Distinct(StringComparer.Ordinal))
            {
                if (RunRows.Find(session, run.Project, id) is { } found && RunRows.Lock(session, database.Dialect, found.Number) is { HasEnded: false } other)
                {
                    open.Add(other.Number);
                }
            }

            bool isThere = signal is not null
                ? session.Number("select count(*) from signals where run = $1 and name = $2 and taken_by is null", run.Number, signal) > 0
                : runs.Count > 0 && open.Count == 0;
            Append(session, run.Number, now, new JournalEvent.Suspended(until ?? 0, signal, runs));
            session.Execute("update runs set attempt = attempt - 1 where number = $1", run.Number); // waiting is no failure
            if (isThere || until <= now)
            {
                MakeReady(session, run, now);
                return;
            }

            foreach (long other in open)
            {
                session.Execute("insert into dependencies (run, on_run) values ($1, $2) on conflict (run, on_run) do nothing", run.Number, other);
                session.Execute("update runs set has_waiters = 1 where number = $1", other);
            }

            session.Execute(
                "update runs set state = 0, worker = null, lease_until = 0, end_by = 0, not_before = $2, waits_for = $3, signal = $4 where number = $1",
                run.Number, until ?? Never, (long)open.Count, signal);
        },
        cancellationToken);

    /// <summary>Tells a run something; one that waits for it goes on.</summary>
    /// <returns>Null when the project has no such run; otherwise the run. A run that has ended is told nothing.</returns>
    public async Task<RunRecord?> SignalAsync(string project, string id, string name, JsonElement body, CancellationToken cancellationToken)
    {
        RunRecord? told = await database.WriteAsync(
            session =>
            {
                if (RunRows.Find(session, project, id) is not { } found || RunRows.Lock(session, database.Dialect, found.Number) is not { } run)
                {
                    return null;
                }

                if (!run.HasEnded)
                {
                    long now = Now(session);
                    long seq = Append(session, run.Number, now, new JournalEvent.Signalled(name, run.LastEvent + 1, body));
                    session.Execute("insert into signals (run, name, seq, body) values ($1, $2, $3, $4)", run.Number, name, seq, body.GetRawText());
                    if (run.State == RunState.Waiting && session.First("select signal from runs where number = $1", static row => RunRows.Text(row, 0), run.Number) == name)
                    {
                        MakeReady(session, run, now);
                    }
                }

                return RunRows.Find(session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
        if (told is not null)
        {
            Tell(told);
        }

        return told;
    }

    /// <summary>Takes the oldest signal of a name for a step, which keeps it when it is asked again; null when there is none yet, or the lease is lost.</summary>
    public Task<string?> TakeSignalAsync(Lease lease, string name, string address, CancellationToken cancellationToken) => database.WriteAsync(
        session => Held(session, lease) is not { } run ? null : session.First(
            """
            update signals set taken_by = $3 where run = $1 and name = $2 and seq =
              (select seq from signals where run = $1 and name = $2 and (taken_by is null or taken_by = $3) order by (taken_by is null), seq limit 1)
            returning body
            """,
            static row => row.GetString(0), run.Number, name, address),
        cancellationToken);

    /// <summary>Does what is due: leases that ran out, runs whose time has come or has passed, and those that have waited for long.</summary>
    /// <param name="most">Runs to look at in this call, for each of the reasons.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>Whether there may be more to do at once.</returns>
    public async Task<bool> TickAsync(int most, CancellationToken cancellationToken)
    {
        int done = await database.WriteAsync(session => Tick(session, most), cancellationToken).ConfigureAwait(false);
        if (done > 0)
        {
            Ready?.Invoke("");
        }

        return done >= most;
    }

    private int Tick(SqlSession session, int most)
    {
        long now = Now(session);
        string locked = database.Dialect == SqlDialect.Postgres ? " for update skip locked" : "";
        List<RunRecord> lost = session.Query(
            $"select {RunRows.Columns} from runs where state = 2 and lease_until < $1 order by lease_until limit $2{locked}", RunRows.Read, now, most);
        foreach (RunRecord run in lost)
        {
            Lose(session, run, now);
        }

        List<RunRecord> late = session.Query(
            $"select {RunRows.Columns} from runs where state in (0, 1) and start_by > 0 and start_by < $1 order by start_by limit $2{locked}", RunRows.Read, now, most);
        foreach (RunRecord run in late)
        {
            Kill(session, run.Number, now, new RunError("not_started_in_time", $"No worker has started it within {run.Options.StartTimeoutMs} ms."));
        }

        List<RunRecord> due = session.Query(
            $"select {RunRows.Columns} from runs where state = 0 and waits_for = 0 and not_before <= $1 order by not_before limit $2{locked}", RunRows.Read, now, most);
        foreach (RunRecord run in due.Where(run => !late.Exists(other => other.Number == run.Number)))
        {
            Append(session, run.Number, now, new JournalEvent.Released());
            MakeReady(session, run, now);
        }

        int risen = 0;
        foreach (RunPriority priority in (RunPriority[])[RunPriority.High, RunPriority.Normal, RunPriority.Low])
        {
            foreach (RunRecord run in session.Query(
                $"select {RunRows.Columns} from runs where state = 1 and priority = $1 and queued_at <= $2 order by queued_at limit $3{locked}",
                RunRows.Read, (long)priority, now - options.AgeingMs, most))
            {
                session.Execute(
                    "update runs set priority = $2, queued_at = $3, share = (select come_to from queues where queues.priority = $2) where number = $1",
                    run.Number, (long)priority - 1, now);
                risen++;
            }
        }

        return Math.Max(Math.Max(lost.Count, late.Count), Math.Max(due.Count, risen));
    }

    /// <summary>A worker was silent for too long, or has taken too long.</summary>
    private void Lose(SqlSession session, RunRecord run, long now)
    {
        bool isOverTime = session.Number("select end_by from runs where number = $1", run.Number) is > 0 and var endBy && endBy < now;
        RunError error = isOverTime
            ? new RunError("timeout", $"The attempt took longer than {run.Options.AttemptTimeoutMs} ms.")
            : new RunError("worker_lost", $"The worker {run.Worker} has not been heard of for {run.Options.LeaseMs} ms.");
        session.Execute("update runs set fence = fence + 1 where number = $1", run.Number); // from here on the worker writes nothing, whatever state the run is in
        List<string> doubtful = session.Query("select address from steps where run = $1 and state = 0 order by seq", static row => row.GetString(0), run.Number);
        if (run.CancelRequested)
        {
            End(session, run.Number, now, RunState.Cancelled, null, error, new JournalEvent.Cancelled());
        }
        else if (doubtful.Count > 0)
        {
            session.Execute(
                "update runs set state = 3, worker = null, lease_until = 0, end_by = 0, error = $2 where number = $1",
                run.Number, JsonSerializer.Serialize(error, JournalJson.Default.RunError));
            foreach (string address in doubtful)
            {
                Append(session, run.Number, now, new JournalEvent.StepParked(address));
            }
        }
        else if (run.Attempt >= run.Options.MaxAttempts)
        {
            Kill(session, run.Number, now, error);
        }
        else
        {
            Retry(session, run, now, error);
        }
    }
}
