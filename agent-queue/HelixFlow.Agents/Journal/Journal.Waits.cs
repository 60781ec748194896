using System.Text.Json;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Far beyond any time that a run waits for.</summary>
    private const long Never = long.MaxValue;

    /// <summary>What a run's signal is called when it waits for several: each one wakes it, and its code looks which it was.</summary>
    private const string SeveralSignals = "*";

    /// <summary>Lets go of a run that waits, so that it holds no worker: it is claimed again when what it waits for is there.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="until">The latest time to go on, in milliseconds since 1970; null for no such time.</param>
    /// <param name="signal">Go on when this signal is there, and no step has taken it; null for none.</param>
    /// <param name="runs">Go on when all of these runs have ended; ids of the same project.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>False when the lease is lost.</returns>
    public Task<bool> SuspendAsync(Lease lease, long? until, string? signal, IReadOnlyList<string> runs, CancellationToken cancellationToken) =>
        SuspendAsync(lease, new RunWait(until, signal is null ? [] : [signal], runs, IsAnyEnough: false), cancellationToken);

    /// <summary>As the other one, for several things at once: the run goes on when one of them is there.</summary>
    public Task<bool> SuspendAsync(Lease lease, RunWait wait, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            List<RunRecord> open = Open(change, lease, wait.Runs);
            if (change.Held(lease) is not { } run)
            {
                return false;
            }

            bool isThere = wait.Until <= change.Now
                || wait.Signals.Any(signal => change.Session.Number("select count(*) from signals where run = $1 and name = $2 and taken_by is null", run.Number, signal) > 0)
                || (wait.Runs.Count > 0 && (wait.IsAnyEnough ? open.Count < wait.Runs.Distinct(StringComparer.Ordinal).Count() : open.Count == 0));
            string? awaited = wait.Signals.Count switch { 0 => null, 1 => wait.Signals[0], _ => SeveralSignals };
            change.Append(run, new JournalEvent.Suspended(wait.Until ?? 0, awaited, wait.Runs));
            change.Session.Post("update runs set attempt = attempt - 1 where number = $1", run.Number); // waiting is no failure
            if (isThere)
            {
                change.Append(run, new JournalEvent.Released());
                MakeReady(change, run);
                return true;
            }

            foreach (RunRecord other in open)
            {
                change.Session.Post("insert into dependencies (run, on_run) values ($1, $2) on conflict (run, on_run) do nothing", run.Number, other.Number);
                change.Session.Post("update runs set has_waiters = 1 where number = $1", other.Number);
            }

            change.Session.Post(
                "update runs set state = 0, worker = null, lease_until = 0, end_by = 0, not_before = $2, waits_for = $3, signal = $4, last_event = $5 where number = $1",
                run.Number, wait.Until ?? Never, (long)(wait.IsAnyEnough ? Math.Min(1, open.Count) : open.Count), awaited, run.LastEvent);
            return true;
        },
        cancellationToken);

    /// <summary>Those of a project's runs that have not ended, locked before the run that waits for them, as whoever ends them locks it after them.</summary>
    private static List<RunRecord> Open(Change change, Lease lease, IReadOnlyList<string> runs)
    {
        if (runs.Count == 0)
        {
            return [];
        }

        string project = change.Session.First("select project from runs where number = $1", static row => row.GetString(0), lease.Run)!;
        var found = new List<RunRecord>();
        foreach (string id in runs.Distinct(StringComparer.Ordinal))
        {
            if (RunRows.Find(change.Session, project, id) is { } run && run.Number != lease.Run)
            {
                found.Add(run);
            }
        }

        found.Sort(static (a, b) => a.Number.CompareTo(b.Number));
        return found.ConvertAll(run => change.Lock(run.Number)!).FindAll(static run => !run.HasEnded);
    }

    /// <summary>Tells a run something; one that waits for it goes on.</summary>
    /// <returns>Null when the project has no such run; otherwise the run. A run that has ended is told nothing.</returns>
    public Task<RunRecord?> SignalAsync(string project, string id, string name, JsonElement body, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Lock(project, id) is not { HasEnded: false } run)
            {
                return RunRows.Find(change.Session, project, id);
            }

            Give(change, run, name, body);
            return RunRows.Find(change.Session, project, id);
        },
        cancellationToken);

    private static long Give(Change change, RunRecord run, string name, JsonElement body)
    {
        long seq = change.Append(run, new JournalEvent.Signalled(name, run.LastEvent + 1, body));
        change.Session.Post("insert into signals (run, name, seq, body) values ($1, $2, $3, $4)", run.Number, name, seq, body.GetRawText());
        if (run.State == RunState.Waiting && (run.Signal == name || run.Signal == SeveralSignals))
        {
            change.Append(run, new JournalEvent.Released());
            MakeReady(change, run);
        }
        else
        {
            change.Save(run);
        }

        return seq;
    }

    /// <summary>Takes the oldest signal of a name for a step, which keeps it when it is asked again; null when there is none yet, or the lease is lost.</summary>
    public Task<string?> TakeSignalAsync(Lease lease, string name, string address, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Held(lease) is not { } run)
            {
                return null;
            }

            (long seq, string? body, string? takenBy) = change.Session.First(
                """
                select seq, body, taken_by from signals where run = $1 and name = $2 and (taken_by is null or taken_by = $3) order by (taken_by is null), seq limit 1
                """,
                static row => (row.GetInt64(0), row.GetString(1), RunRows.Text(row, 2)), run.Number, name, address);
            if (body is not null && takenBy is null)
            {
                change.Session.Post("update signals set taken_by = $4 where run = $1 and name = $2 and seq = $3", run.Number, name, seq, address);
                change.Append(run, new JournalEvent.SignalTaken(name, seq, address));
                change.Save(run);
            }

            return body;
        },
        cancellationToken);

    /// <summary>Does what is due: leases that ran out, runs whose time has come or has passed, those that have waited for long, questions that nobody has answered in time, and schedules.</summary>
    /// <param name="most">Runs and schedules to look at in this call, for each of the reasons.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>Whether there may be more to do at once.</returns>
    public async Task<bool> TickAsync(int most, CancellationToken cancellationToken)
    {
        bool isMoreDue = await WriteAsync(change => Tick(change, most) >= most, cancellationToken).ConfigureAwait(false);
        return await FireAsync(most, cancellationToken).ConfigureAwait(false) || isMoreDue;
    }

    private int Tick(Change change, int most)
    {
        List<RunRecord> lost = Due(change, "state = 2 and lease_until < $1 order by lease_until", change.Now, most);
        foreach (RunRecord run in lost)
        {
            Lose(change, run);
        }

        List<RunRecord> late = Due(change, "state in (0, 1) and start_by > 0 and start_by < $1 order by start_by", change.Now, most);
        foreach (RunRecord run in late)
        {
            // One that depends on another late one has ended with it.
            if (change.Lock(run.Number) is { HasEnded: false } open)
            {
                Kill(change, open, new RunError("not_started_in_time", $"No worker has started it within {run.Options.StartTimeoutMs} ms."));
            }
        }

        int overdue = EndOverdue(change, most);
        List<RunRecord> due = Due(change, "state = 0 and not_before <= $1 and (waits_for = 0 or started_at > 0) order by not_before", change.Now, most);
        foreach (RunRecord run in due)
        {
            change.Append(run, new JournalEvent.Released());
            MakeReady(change, run); // it has waited for other runs as long as it wanted
        }

        int risen = 0;
        foreach (RunPriority priority in (RunPriority[])[RunPriority.High, RunPriority.Normal, RunPriority.Low])
        {
            risen += Raise(change, priority, most);
        }

        int expired = Expire(change, most);
        return new[] { lost.Count, late.Count, overdue, due.Count, risen, expired }.Max();
    }

    private static List<RunRecord> Due(Change change, string condition, long until, int most) => change.Session.Query(
        $"select {RunRows.Columns} from runs where {condition} limit $2{(change.IsPostgres ? " for update skip locked" : "")}", RunRows.Read, until, most);

    /// <summary>Moves those of a class that have waited for long into the next one, behind those that it serves now. Who asked with which priority stays in the events.</summary>
    private int Raise(Change change, RunPriority priority, int most)
    {
        List<long> old = change.Session.Query(
            $"select number from runs where state = 1 and priority = $1 and queued_at <= $2 order by queued_at limit $3{(change.IsPostgres ? " for update skip locked" : "")}",
            static row => row.GetInt64(0), (long)priority, change.Now - options.AgeingMs, most);
        foreach (long number in old)
        {
            change.Session.Post(
                "update runs set priority = $2, queued_at = $3, share = (select come_to from queues where queues.priority = $2) where number = $1",
                number, (long)priority - 1, change.Now);
        }

        return old.Count;
    }

    /// <summary>A worker was silent for too long, or has taken too long.</summary>
    private static void Lose(Change change, RunRecord run)
    {
        RunError error = run.EndBy > 0 && run.EndBy < change.Now
            ? new RunError("timeout", $"The attempt took longer than {run.Options.AttemptTimeoutMs} ms.")
            : new RunError("worker_lost", $"The worker {run.Worker} has not been heard of for {run.Options.LeaseMs} ms.");
        change.Count(metrics => metrics.Lost(run.Type, error.Code));
        change.Session.Post("update runs set fence = fence + 1 where number = $1", run.Number); // from here on the worker writes nothing, whatever state the run is in
        Fail(change, run, error, isFinal: false);
    }
}
