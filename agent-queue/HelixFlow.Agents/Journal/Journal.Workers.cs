using System.Data.Common;
using System.Text.Json;

namespace HelixFlow.Agents.Journal;

/// <summary>A worker, for people.</summary>
/// <param name="Name">No other worker has it.</param>
/// <param name="Host">The machine.</param>
/// <param name="Program">The program and its version.</param>
/// <param name="Slots">Most runs that it does at the same time.</param>
/// <param name="Types">The types of jobs that it does.</param>
public sealed record WorkerEntry(string Name, string Host, string Program, int Slots, IReadOnlyList<string> Types)
{
    /// <summary>Since when it has been at work; milliseconds since 1970.</summary>
    public long StartedAt { get; init; }

    /// <summary>When it was last heard of; milliseconds since 1970.</summary>
    public long SeenAt { get; init; }

    /// <summary>The only project whose jobs it does; null for all.</summary>
    public string? Project { get; init; }
}

/// <summary>A type of job, as those who ask for one see it.</summary>
/// <param name="Name">The name under which it is asked for.</param>
/// <param name="Description">What it does, in a sentence.</param>
/// <param name="InputSchema">JSON Schema of the input.</param>
/// <param name="OutputSchema">JSON Schema of the output.</param>
/// <param name="Options">How its runs are tried where those who ask say nothing; null for the defaults of <see cref="RunOptions"/>.</param>
public sealed record JobTypeEntry(string Name, string Description, JsonElement InputSchema, JsonElement OutputSchema, RunOptions? Options)
{
    /// <summary>The only project that can ask for it, as its workers do the jobs of no other; null for all.</summary>
    public string? Project { get; init; }
}

public sealed partial class Journal
{
    /// <summary>How often workers say that they are there.</summary>
    public static readonly TimeSpan EntryInterval = TimeSpan.FromSeconds(15);

    // Four signs of life may be lost, or late.
    private const long WorkerSilenceMs = 75_000;

    // Jobs of a type may wait while its workers are away for a weekend; then it was taken away for good.
    private const long TypeSilenceMs = 7 * 86_400_000L;

    /// <summary>Called after workers have told of types that were not known, or known otherwise. A hint, as <see cref="Ready"/>.</summary>
    public event Action? TypesChanged;

    /// <summary>Says that a worker is there and which types it does; to be repeated at <see cref="EntryInterval"/>. The types are for the worker's project, if it has one.</summary>
    public async Task EnterAsync(WorkerEntry worker, IReadOnlyCollection<JobTypeEntry> types, CancellationToken cancellationToken)
    {
        bool isNews = await WriteAsync(change => Enter(change, worker, types), cancellationToken).ConfigureAwait(false);
        if (isNews)
        {
            TypesChanged?.Invoke();
        }
    }

    /// <summary>Says that a worker is gone, and hands the runs back that it holds. The result is how many they were.</summary>
    public Task<int> LeaveAsync(string worker, CancellationToken cancellationToken) => LeaveAsync(worker, null, cancellationToken);

    /// <summary>As the other one, for a worker of one project; null for one of all projects.</summary>
    internal Task<int> LeaveAsync(string worker, string? project, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            change.Session.Post("delete from workers where name = $1 and project = $2", worker, project ?? "");
            List<long> held = change.Session.Query("select number from runs where state = 2 and worker = $1 order by number", static row => row.GetInt64(0), worker);
            int released = 0;
            foreach (long number in held)
            {
                if (change.Lock(number) is { State: RunState.Running } run && run.Worker == worker && (project is null || run.Project == project))
                {
                    Release(change, run);
                    released++;
                }
            }

            return released;
        },
        cancellationToken);

    /// <summary>The workers that have been heard of lately, by name.</summary>
    public Task<List<WorkerEntry>> WorkersAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select name, host, program, slots, types, started_at, seen_at, project from workers where seen_at > $1 order by name, project", ReadWorker, Now(session) - WorkerSilenceMs),
        cancellationToken);

    /// <summary>The types that workers have told of, by name.</summary>
    public Task<List<JobTypeEntry>> TypesAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select name, description, input_schema, output_schema, options, project from job_types where seen_at > $1 order by name, project", ReadType, Now(session) - TypeSilenceMs),
        cancellationToken);

    private static bool Enter(Change change, WorkerEntry worker, IReadOnlyCollection<JobTypeEntry> types)
    {
        change.Session.Post("delete from workers where seen_at < $1", change.Now - TypeSilenceMs);
        change.Session.Post(
            """
            insert into workers (name, host, program, slots, types, started_at, seen_at, project) values ($1, $2, $3, $4, $5, $6, $6, $7)
            on conflict (name, project) do update set host = $2, program = $3, slots = $4, types = $5, seen_at = $6
            """,
            worker.Name, worker.Host, worker.Program, worker.Slots, JsonSerializer.Serialize(worker.Types, JournalJson.Default.IReadOnlyListString), change.Now, worker.Project ?? "");
        bool isNews = false;
        foreach (JobTypeEntry type in types.OrderBy(static type => type.Name, StringComparer.Ordinal))
        {
            object?[] row =
            [
                type.Name, type.Description, type.InputSchema.GetRawText(), type.OutputSchema.GetRawText(),
                type.Options is null ? "" : JsonSerializer.Serialize(type.Options, JournalJson.Default.RunOptions), worker.Project ?? "",
            ];
            isNews |= change.Session.Number(
                "select count(*) from job_types where name = $1 and description = $2 and input_schema = $3 and output_schema = $4 and options = $5 and project = $6", row) == 0;
            change.Session.Post(
                """
                insert into job_types (name, description, input_schema, output_schema, options, project, seen_at) values ($1, $2, $3, $4, $5, $6, $7)
                on conflict (name, project) do update set description = $2, input_schema = $3, output_schema = $4, options = $5, seen_at = $7
                """,
                [.. row, change.Now]);
        }

        return isNews;
    }

    private static WorkerEntry ReadWorker(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), (int)row.GetInt64(3), JsonSerializer.Deserialize(row.GetString(4), JournalJson.Default.IReadOnlyListString)!)
    {
        StartedAt = row.GetInt64(5), SeenAt = row.GetInt64(6), Project = ProjectOf(row, 7),
    };

    private static JobTypeEntry ReadType(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), JsonElement.Parse(row.GetString(2)), JsonElement.Parse(row.GetString(3)),
        row.GetString(4) is { Length: > 0 } options ? JsonSerializer.Deserialize(options, JournalJson.Default.RunOptions) : null) { Project = ProjectOf(row, 5) };

    private static string? ProjectOf(DbDataReader row, int column) => row.GetString(column) is { Length: > 0 } project ? project : null;
}
