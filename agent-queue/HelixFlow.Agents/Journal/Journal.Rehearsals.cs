using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    /// <summary>All that a run has recorded, small outputs included, in the order in which it did.</summary>
    internal Task<List<StepRecord>> RecordedAsync(RunRecord run, CancellationToken cancellationToken) => database.ReadAsync(
        session => Load(session, "and $2 = 0 order by seq", run.Number, 0), cancellationToken);

    /// <summary>What a run was told, by the step that has taken it; null when it was not.</summary>
    internal Task<string?> TakenSignalAsync(RunRecord run, string address, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First("select body from signals where run = $1 and taken_by = $2", static row => row.GetString(0), run.Number, address), cancellationToken);

    /// <summary>A child for which a run has asked at an address; null when it has not, or it was deleted.</summary>
    internal Task<RunRecord?> FindChildAsync(RunRecord run, string address, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First(
            $"select {RunRows.Columns} from runs where project = $1 and request_key = $2", RunRows.Read, run.Project, Run.KeyOfChild(run, address)),
        cancellationToken);
}
