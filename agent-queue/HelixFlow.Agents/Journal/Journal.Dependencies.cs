namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Why a run cannot be done after those that it depends on; null when it can, or when some have not ended.</summary>
    private static RunError? FailureAmong(List<RunRecord> dependencies, RunOptions options) =>
        !options.RunAfterFailure && dependencies.Find(static dependency => dependency.HasEnded && dependency.State != RunState.Succeeded) is { } failed
            ? new RunError("dependency_failed", $"The run {failed.Id}, which this one depends on, has not succeeded.")
            : null;

    /// <summary>Notes for which runs a run waits; they are locked.</summary>
    private static void WaitFor(Change change, RunRecord run, List<RunRecord> open)
    {
        foreach (RunRecord dependency in open)
        {
            change.Session.Post("insert into dependencies (run, on_run) values ($1, $2)", run.Number, dependency.Number);
            change.Session.Post("update runs set has_waiters = 1 where number = $1", dependency.Number);
        }
    }

    /// <summary>Has a run that is tried anew wait for others as one that was just asked for.</summary>
    private static void WaitAgain(Change change, RunRecord run, List<RunRecord> open)
    {
        WaitFor(change, run, open);
        change.Session.Post(
            "update runs set state = 0, worker = null, lease_until = 0, end_by = 0, not_before = 0, started_at = 0, waits_for = $2, signal = null, last_event = $3 where number = $1",
            run.Number, (long)open.Count, run.LastEvent);
    }

    /// <summary>The runs that a run depends on, locked before it as whoever ends them locks it after them. Those that were deleted had ended, and are not missed.</summary>
    private static List<RunRecord> LockDependencies(Change change, string project, string id)
    {
        if (RunRows.Find(change.Session, project, id) is not { } run)
        {
            return [];
        }

        JournalEvent first = change.Session.First(
            "select kind, version, body from events where run = $1 and seq = 1", static row => JournalEvent.Parse(row.GetString(0), (int)row.GetInt64(1), row.GetString(2)), run.Number)!;
        IEnumerable<string> known = ((JournalEvent.Requested)first).DependsOn.Where(other => RunRows.Find(change.Session, project, other) is not null);
        return Dependencies(change, project, [.. known], out _)!;
    }
}
