using HelixFlow.Agents.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>What must be true of a journal at any time, whatever has happened to those who wrote it.</summary>
internal static class Ledger
{
    /// <summary>Compares every run's row and steps with what its events tell.</summary>
    public static async Task CheckAsync(IDatabase database, CancellationToken cancellationToken)
    {
        foreach (Entry entry in await database.ReadAsync(Load, cancellationToken))
        {
            Check(entry);
        }
    }

    private static List<Entry> Load(SqlSession session)
    {
        List<RunRecord> runs = session.Query($"select {RunRows.Columns} from runs order by number", RunRows.Read);
        return runs.ConvertAll(run => new Entry(
            run,
            session.Query(
                "select seq, at, kind, version, body from events where run = $1 order by seq",
                static row => new NumberedEvent(row.GetInt64(0), row.GetInt64(1), JournalEvent.Parse(row.GetString(2), (int)row.GetInt64(3), row.GetString(4))), run.Number),
            session.Query(
                "select address, digest, class, state, output, source, started_at, ended_at, fence, seq from steps where run = $1 order by address",
                static row => (new StepRecord(
                    row.GetString(0), row.GetString(1), (EffectClass)row.GetInt64(2), (StepState)row.GetInt64(3), RunRows.Text(row, 4), (StepSource)row.GetInt64(5), row.GetInt64(6),
                    row.GetInt64(7)), row.GetInt64(8), row.GetInt64(9)), run.Number),
            session.Query("select seq, name, taken_by from signals where run = $1 order by seq", static row => (row.GetInt64(0), row.GetString(1), RunRows.Text(row, 2)), run.Number),
            session.Query("select name, hash, length, content_type, created_at from artifacts where run = $1 order by name",
                static row => new Artifact(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetString(3), row.GetInt64(4)), run.Number),
            session.Number("select not_before from runs where number = $1", run.Number),
            session.Number("select count(*) from dependencies where run = $1", run.Number)));
    }

    private static void Check(Entry entry)
    {
        (RunRecord run, List<NumberedEvent> events, _, _, _, _, _) = entry;
        Assert.Equal(Enumerable.Range(1, events.Count).Select(static i => (long)i), events.Select(static numbered => numbered.Number));
        var fold = RunFold.Of(events);
        Assert.Equal(
            (fold.State, fold.Epoch, fold.Attempt, fold.Worker, fold.Input, fold.Output, fold.CancelRequested),
            (run.State, run.Epoch, run.Attempt, run.Worker, run.Input, run.Output, run.CancelRequested));
        Assert.Equal(
            (fold.Progress, fold.Message, fold.Signal, fold.CreatedAt, fold.StartedAt, fold.EndedAt, fold.LastEvent),
            (run.Progress, run.Message, run.Signal, run.CreatedAt, run.StartedAt, run.EndedAt, run.LastEvent));
        Assert.Equal((fold.Error?.Code, fold.Error?.Message), (run.Error?.Code, run.Error?.Message));
        Assert.Equal(fold.Usage, run.Usage);
        Assert.True(run.Fence >= fold.Fence);
        if (run.State == RunState.Waiting)
        {
            Assert.Equal(fold.NotBefore, entry.NotBefore);
        }

        Assert.InRange(entry.Dependencies, run.State == RunState.Waiting ? run.WaitsFor : 0, run is { State: RunState.Waiting, WaitsFor: > 0 } ? long.MaxValue : 0); // more when one of them is enough
        Assert.Equal(fold.Steps.Values.OrderBy(static step => step.Address, StringComparer.Ordinal), entry.Steps.Select(static step => step.Step));
        Assert.Equal(fold.Signals.Select(static signal => (signal.Key, signal.Value.Name, signal.Value.TakenBy)), entry.Signals);
        Assert.Equal(fold.Artifacts.Values, entry.Artifacts);
        foreach ((StepRecord step, long fence, long seq) in entry.Steps.Where(static step => step.Step.Source != StepSource.Decided))
        {
            // Whoever wrote the step held the run when he did.
            JournalEvent.AttemptStarted attempt = events.Take((int)seq).Select(static numbered => numbered.Event).OfType<JournalEvent.AttemptStarted>().Last();
            Assert.Equal(attempt.Fence, fence);
            Assert.Equal(step.Address, events[(int)seq - 1].Event switch
            {
                JournalEvent.StepSucceeded succeeded => succeeded.Address,
                JournalEvent.StepStarted started => started.Address,
                var other => $"{other.Kind} at {seq}",
            });
        }

        int ends = events.Count(static numbered => numbered.Event is JournalEvent.Succeeded or JournalEvent.Cancelled or JournalEvent.Died);
        Assert.Equal(run.Epoch - (run.HasEnded ? 0 : 1), ends);
    }

    private sealed record Entry(
        RunRecord Run, List<NumberedEvent> Events, List<(StepRecord Step, long Fence, long Seq)> Steps, List<(long, string, string?)> Signals, List<Artifact> Artifacts, long NotBefore, long Dependencies);
}
