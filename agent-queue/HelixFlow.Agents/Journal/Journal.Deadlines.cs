namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>Notes until when a run must have ended.</summary>
    private static void LimitTotal(Change change, RunRecord run)
    {
        if (run.Options.TotalTimeoutMs > 0)
        {
            change.Session.Post("update runs set die_by = $2 where number = $1", run.Number, Math.Max(change.Now, run.NotBefore) + run.Options.TotalTimeoutMs);
        }
    }

    /// <summary>Ends runs that have taken too long altogether, and the children for which nobody waits then. One that a person has to decide about is left to that person.</summary>
    private static int EndOverdue(Change change, int most)
    {
        List<RunRecord> overdue = Due(change, "state in (0, 1, 2) and die_by > 0 and die_by < $1 order by die_by", change.Now, most);
        foreach (RunRecord found in overdue)
        {
            // One that depends on another overdue one has ended with it.
            if (change.Lock(found.Number) is not { HasEnded: false } run)
            {
                continue;
            }

            var error = new RunError("total_timeout", $"It has not ended within {run.Options.TotalTimeoutMs} ms.");
            if (run.State == RunState.Running)
            {
                change.Session.Post("update runs set fence = fence + 1 where number = $1", run.Number); // from here on its worker writes nothing
                change.TellCancelling(run.Id);
            }

            if (!Park(change, run, error))
            {
                Kill(change, run, error);
            }

            foreach (long child in change.Session.Query("select number from runs where parent = $1 and state < 4 order by number desc", static row => row.GetInt64(0), run.Number))
            {
                Cancel(change, child, "total_timeout");
            }
        }

        return overdue.Count;
    }
}
