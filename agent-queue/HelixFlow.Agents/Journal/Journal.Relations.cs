using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>What a run has to do with others.</summary>
/// <param name="Parent">Id of the run that has asked for it; null for none.</param>
/// <param name="ForkedFrom">Id of the run whose recorded steps it may use; null for none.</param>
/// <param name="Children">How many runs it has asked for.</param>
/// <param name="WaitsFor">Ids of runs that have not ended and for which it waits, the first hundred.</param>
/// <param name="Questions">Addresses at which it has asked people something and has no answer.</param>
public sealed record RunRelations(string? Parent, string? ForkedFrom, long Children, IReadOnlyList<string> WaitsFor, IReadOnlyList<string> Questions);

public sealed partial class Journal
{
    private const int MostAwaited = 100;

    /// <summary>What a run has to do with others; null when the project has none with this id.</summary>
    public Task<RunRelations?> RelationsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run ? Relations(session, run) : null, cancellationToken);

    private static RunRelations Relations(SqlSession session, RunRecord run)
    {
        (string? parent, string? forkedFrom, long children) = session.First(
            """
            select (select id from runs parents where parents.number = runs.parent), (select id from runs sources where sources.number = runs.forked_from),
              (select count(*) from runs children where children.parent = runs.number)
            from runs where number = $1
            """,
            static row => (RunRows.Text(row, 0), RunRows.Text(row, 1), row.GetInt64(2)), run.Number);
        List<string> waitsFor = run.State != RunState.Waiting ? [] : session.Query(
            "select id from runs join dependencies on on_run = number where run = $1 order by number limit $2", static row => row.GetString(0), run.Number, MostAwaited);
        List<string> questions = run.HasEnded ? [] : session.Query(
            "select address from questions where run = $1 and answer = 0 order by seq", static row => row.GetString(0), run.Number);
        return new RunRelations(parent, forkedFrom, children, waitsFor, questions);
    }

    /// <summary>What the recorded steps of a run have used of models, by their addresses; steps that asked none are left out.</summary>
    public Task<Dictionary<string, StepUsage>> StepUsagesAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            var usages = new Dictionary<string, StepUsage>(StringComparer.Ordinal);
            if (RunRows.Find(session, project, id) is { } run)
            {
                foreach (JournalEvent happened in session.Query(
                    "select kind, version, body from events where run = $1 and kind = 'StepSucceeded' and body like '%\"usage\":%' order by seq",
                    static row => JournalEvent.Parse(row.GetString(0), (int)row.GetInt64(1), row.GetString(2)), run.Number))
                {
                    if (happened is JournalEvent.StepSucceeded { Usage: { } usage } step)
                    {
                        usages[step.Address] = usage;
                    }
                }
            }

            return usages;
        },
        cancellationToken);
}
