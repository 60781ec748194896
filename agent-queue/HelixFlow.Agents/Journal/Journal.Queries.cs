namespace HelixFlow.Agents.Journal;

/// <summary>Which runs of a project to list.</summary>
/// <param name="State">Only those in this state; null for all.</param>
/// <param name="Type">Only those of this type; null for all.</param>
/// <param name="After">Id of the run after which the list goes on, newest first; null for the beginning.</param>
/// <param name="Most">The most to list.</param>
public sealed record RunFilter(RunState? State, string? Type, string? After, int Most);

public sealed partial class Journal
{
    /// <summary>A run of a project; null when it has none with this id.</summary>
    public Task<RunRecord?> GetAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => RunRows.Find(session, project, id), cancellationToken);

    /// <summary>Runs of a project, newest first.</summary>
    public async Task<List<RunRecord>> ListAsync(string project, RunFilter filter, CancellationToken cancellationToken)
    {
        long? before = filter.After is null ? null
            : await database.ReadAsync(session => session.Number("select number from runs where project = $1 and id = $2", project, filter.After), cancellationToken).ConfigureAwait(false);
        RunPage page = await PageAsync(project, new RunPageFilter(filter.State is { } state ? [state] : [], filter.Type, before, filter.Most), cancellationToken).ConfigureAwait(false);
        return [.. page.Runs];
    }

    /// <summary>What has happened to a run after an event, in order; empty when the project has no such run.</summary>
    public Task<List<NumberedEvent>> EventsAsync(string project, string id, long after, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is not { } run ? [] : session.Query(
            "select seq, at, kind, version, body from events where run = $1 and seq > $2 order by seq limit $3",
            static row => new NumberedEvent(row.GetInt64(0), row.GetInt64(1), JournalEvent.Parse(row.GetString(2), (int)row.GetInt64(3), row.GetString(4))),
            run.Number, after, most),
        cancellationToken);

    /// <summary>Runs by type and state, over all projects.</summary>
    public Task<List<(string Type, RunState State, long Count)>> CountAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select type, state, count(*) from runs group by type, state order by type, state", static row => (row.GetString(0), (RunState)row.GetInt64(1), row.GetInt64(2))),
        cancellationToken);
}
