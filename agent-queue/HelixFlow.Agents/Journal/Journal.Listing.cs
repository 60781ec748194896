using System.Globalization;
using System.Text;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>Which page of a project's runs to list.</summary>
/// <param name="States">Only those in these states; empty for all.</param>
/// <param name="Type">Only those of this type; null for all.</param>
/// <param name="Before">Only runs asked for before the one with this number; null for the newest.</param>
/// <param name="Most">The most to list.</param>
public sealed record RunPageFilter(IReadOnlyCollection<RunState> States, string? Type, long? Before, int Most)
{
    /// <summary>Only those that the schedule with this id has asked for; null for all.</summary>
    public string? Schedule { get; init; }

    /// <summary>Only those that the run with this id has asked for; null for all.</summary>
    public string? Parent { get; init; }

    /// <summary>Only those whose error, or that of whose last attempt, has this code; null for all.</summary>
    public string? ErrorCode { get; init; }

    /// <summary>Only those that have all of these labels.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
}

/// <summary>A page of runs, newest first.</summary>
/// <param name="Runs">The runs.</param>
/// <param name="Next">What the next page's <see cref="RunPageFilter.Before"/> is; null when there are no more.</param>
public sealed record RunPage(IReadOnlyList<RunRecord> Runs, long? Next);

/// <summary>A run that a worker holds now.</summary>
/// <param name="Run">The run.</param>
/// <param name="LeaseUntil">Until when it is the worker's unless it shows that it lives; milliseconds since 1970.</param>
public sealed record HeldRun(RunRecord Run, long LeaseUntil);

/// <summary>What became of a wish to delete a run.</summary>
public enum RunDeletion
{
    /// <summary>The run and all its rows are gone.</summary>
    Deleted,

    /// <summary>The project has no such run.</summary>
    Unknown,

    /// <summary>It has not ended.</summary>
    NotEnded,

    /// <summary>A run that has not ended waits for it, is its child, or uses what it recorded.</summary>
    InUse,
}

public sealed partial class Journal
{
    // Enough for a median; how far back to look for them bounds the time that one answer takes.
    private const int DurationSample = 50;
    private const int DurationWindow = 1000;

    /// <summary>A page of a project's runs, newest first. Pages neither repeat nor skip a run while others are added or deleted.</summary>
    public Task<RunPage> PageAsync(string project, RunPageFilter filter, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            List<object?> parameters = [project, filter.Before ?? long.MaxValue, filter.Most + 1];
            string condition = Condition(filter, parameters);
            List<RunRecord> runs = session.Query(
                $"select {RunRows.Columns} from runs where project = $1 and number < $2{condition} order by number desc limit $3", RunRows.Read, [.. parameters]);
            if (runs.Count <= filter.Most)
            {
                return new RunPage(runs, null);
            }

            runs.RemoveAt(filter.Most);
            return new RunPage(runs, runs[^1].Number);
        },
        cancellationToken);

    /// <summary>A filter as SQL; its values are added to the parameters.</summary>
    private string Condition(RunPageFilter filter, List<object?> parameters)
    {
        bool isPostgres = database.Dialect == SqlDialect.Postgres;
        var condition = new StringBuilder();
        if (filter.States.Count > 0)
        {
            condition.Append(CultureInfo.InvariantCulture, $" and state in ({string.Join(", ", filter.States.Distinct().Order().Select(static state => (long)state))})");
        }

        if (filter.Type is { } type)
        {
            condition.Append(CultureInfo.InvariantCulture, $" and type = {Next(type)}");
        }

        if (filter.Schedule is { } schedule)
        {
            condition.Append(CultureInfo.InvariantCulture, $" and schedule = {Next(schedule)}");
        }

        if (filter.Parent is { } parent)
        {
            condition.Append(CultureInfo.InvariantCulture, $" and parent = (select parents.number from runs parents where parents.project = $1 and parents.id = {Next(parent)})");
        }

        if (filter.ErrorCode is { } code)
        {
            condition.Append(CultureInfo.InvariantCulture, $" and {(isPostgres ? "error::json ->> 'code'" : "json_extract(error, '$.code')")} = {Next(code)}");
        }

        foreach ((string name, string value) in filter.Labels)
        {
            (string nameAt, string valueAt) = (Next(name), Next(value));
            condition.Append(isPostgres ? $" and labels::json ->> {nameAt} = {valueAt}" : $" and exists (select 1 from json_each(labels) where key = {nameAt} and value = {valueAt})");
        }

        return condition.ToString();

        string Next(string value)
        {
            parameters.Add(value);
            return string.Create(CultureInfo.InvariantCulture, $"${parameters.Count}");
        }
    }

    /// <summary>The newest runs of a project by their ids, oldest first, with the number of each one's last event.</summary>
    public Task<Dictionary<string, long>> LastEventsAsync(string project, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            List<(string Id, long LastEvent)> newest = session.Query(
                "select id, last_event from runs where project = $1 order by number desc limit $2", static row => (row.GetString(0), row.GetInt64(1)), project, most);
            newest.Reverse();
            return newest.ToDictionary(StringComparer.Ordinal);
        },
        cancellationToken);

    /// <summary>How long runs of a type took from their last claim to their success: the median over recent ones of the project, in milliseconds; null when there are none.</summary>
    public Task<long?> UsualDurationAsync(string project, string type, CancellationToken cancellationToken) => database.ReadAsync<long?>(
        session =>
        {
            List<long> durations = session.Query(
                """
                select ended_at - started_at from (select type, state, started_at, ended_at from runs where project = $1 order by number desc limit $2) recent
                where type = $3 and state = 4 and started_at > 0 limit $4
                """,
                static row => row.GetInt64(0), project, DurationWindow, type, DurationSample);
            durations.Sort();
            return durations.Count == 0 ? null : Math.Max(0, durations[durations.Count / 2]);
        },
        cancellationToken);

    /// <summary>The runs of a project that workers hold now, those held longest first.</summary>
    public Task<List<HeldRun>> HeldAsync(string project, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            $"select {RunRows.Columns}, lease_until from runs where state = 2 and project = $1 order by started_at, number limit $2",
            static row => new HeldRun(RunRows.Read(row), row.GetInt64(RunRows.Count)), project, most),
        cancellationToken);

    /// <summary>Deletes a run that has ended, with its events, steps and signals. Nothing else is changed by it but that forks and children forget where they came from.</summary>
    public Task<RunDeletion> DeleteAsync(string project, string id, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            SqlSession session = change.Session;
            if (change.Lock(project, id) is not { } run)
            {
                return RunDeletion.Unknown;
            }

            if (!run.HasEnded)
            {
                return RunDeletion.NotEnded;
            }

            if (IsInUse(session, run))
            {
                return RunDeletion.InUse;
            }

            Delete(session, run);
            return RunDeletion.Deleted;
        },
        cancellationToken);
}
