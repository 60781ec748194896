namespace HelixFlow.Agents.Journal;

/// <summary>A type of which no run is claimed.</summary>
/// <param name="Type">The type's name.</param>
/// <param name="PausedAt">Since when; milliseconds since 1970.</param>
/// <param name="PausedBy">Who wanted it.</param>
public sealed record PausedType(string Type, long PausedAt, string PausedBy);

public sealed partial class Journal
{
    /// <summary>Keeps workers from claiming runs of a type, whoever asks for them. Those that are claimed go on; others wait, and rise by waiting.</summary>
    public Task PauseTypeAsync(string type, string by, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            change.Session.Post("insert into paused_types (name, paused_at, paused_by) values ($1, $2, $3) on conflict (name) do nothing", type, change.Now, by);
            return true;
        },
        cancellationToken);

    /// <summary>Lets workers claim runs of a type again, at once.</summary>
    public Task ResumeTypeAsync(string type, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            change.Session.Post("delete from paused_types where name = $1", type);
            change.TellReady(type);
            return true;
        },
        cancellationToken);

    /// <summary>The types that are paused, by name.</summary>
    public Task<List<PausedType>> PausedTypesAsync(CancellationToken cancellationToken) => database.ReadAsync(
        static session => session.Query(
            "select name, paused_at, paused_by from paused_types order by name", static row => new PausedType(row.GetString(0), row.GetInt64(1), row.GetString(2))),
        cancellationToken);
}
