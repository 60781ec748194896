using System.Text.Json;
using HelixFlow.Agents.Schedules;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Journal;

/// <summary>What became of a wish to make or change a schedule.</summary>
public enum ScheduleOutcome
{
    /// <summary>It was made, or changed.</summary>
    Done,

    /// <summary>The project has no such schedule.</summary>
    Unknown,

    /// <summary>Another one of the project has the name.</summary>
    NameTaken,

    /// <summary>It has no time in the future.</summary>
    NeverFires,
}

public sealed partial class Journal
{
    /// <summary>Makes a schedule, which fires from now on.</summary>
    public async Task<(ScheduleOutcome Outcome, Schedule? Schedule)> CreateScheduleAsync(ScheduleDefinition wanted, CancellationToken cancellationToken)
    {
        long now = await NowAsync(cancellationToken).ConfigureAwait(false);
        if (wanted.Timing.After(now) is not { } next)
        {
            return (ScheduleOutcome.NeverFires, null);
        }

        var schedule = new Schedule
        {
            Id = NewId("sch_", now), Definition = wanted, State = ScheduleState.Active, NextFire = next, ActiveFrom = now, PlannedAt = now, Version = 1, CreatedAt = now, UpdatedAt = now,
        };
        bool isNew = await WriteAsync(
            change =>
            {
                bool isInserted = change.Session.Execute(
                    $"""
                    insert into schedules ({ScheduleRows.Columns})
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, null, $16, $16, 1, $16, $16) on conflict (project, name) do nothing
                    """,
                    [schedule.Id, wanted.Project, .. Values(wanted), next, now]) > 0;
                if (isInserted)
                {
                    KeepFiles(change, schedule);
                }

                return isInserted;
            },
            cancellationToken).ConfigureAwait(false);
        return isNew ? (ScheduleOutcome.Done, schedule) : (ScheduleOutcome.NameTaken, null);
    }

    /// <summary>Replaces what a schedule does. Times before now no longer count; one that is paused stays so.</summary>
    public async Task<(ScheduleOutcome Outcome, Schedule? Schedule)> ChangeScheduleAsync(string id, ScheduleDefinition wanted, CancellationToken cancellationToken)
    {
        long now = await NowAsync(cancellationToken).ConfigureAwait(false);
        if (wanted.Timing.After(now) is not { } next)
        {
            return (ScheduleOutcome.NeverFires, null);
        }

        return await WriteAsync<(ScheduleOutcome, Schedule?)>(
            change =>
            {
                if (change.Session.Number("select count(*) from schedules where project = $1 and name = $2 and id <> $3", wanted.Project, wanted.Name, id) > 0)
                {
                    return (ScheduleOutcome.NameTaken, null);
                }

                Schedule? changed = change.Session.First(
                    $"""
                    update schedules set name = $3, cron = $4, zone = $5, every_ms = $6, at_time = $7, starts_at = $8, ends_at = $9, job = $10, misfire = $11, grace_ms = $12,
                      most_missed = $13, overlap = $14, state = case when state = 1 then 1 else 0 end, next_fire = case when state = 1 then null else $15 end,
                      active_from = $16, planned_at = $16, version = version + 1, updated_at = $16
                    where id = $1 and project = $2 returning {ScheduleRows.Columns}
                    """,
                    ScheduleRows.Read, [id, wanted.Project, .. Values(wanted), next, now]);
                if (changed is not null)
                {
                    KeepFiles(change, changed);
                }

                return (changed is null ? ScheduleOutcome.Unknown : ScheduleOutcome.Done, changed);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Keeps a schedule from firing. Null when the project has none with this id.</summary>
    public Task<Schedule?> PauseScheduleAsync(string project, string id, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            change.Session.Post(
                "update schedules set state = 1, next_fire = null, version = version + 1, updated_at = $3 where id = $1 and project = $2 and state = 0", id, project, change.Now);
            return FindSchedule(change.Session, project, id);
        },
        cancellationToken);

    /// <summary>Lets a paused schedule fire again; the times that passed meanwhile do not count. Null when the project has none with this id.</summary>
    public async Task<Schedule?> ResumeScheduleAsync(string project, string id, CancellationToken cancellationToken)
    {
        long now = await NowAsync(cancellationToken).ConfigureAwait(false);
        if (await GetScheduleAsync(project, id, cancellationToken).ConfigureAwait(false) is not { } schedule)
        {
            return null;
        }

        long? next = schedule.Definition.Timing.After(now);
        return await WriteAsync(
            change =>
            {
                change.Session.Post(
                    """
                    update schedules set state = $4, next_fire = $5, active_from = $6, planned_at = $6, version = version + 1, updated_at = $6
                    where id = $1 and project = $2 and version = $3 and state = 1
                    """,
                    schedule.Id, project, schedule.Version, (long)(next is null ? ScheduleState.Finished : ScheduleState.Active), next, now);
                return FindSchedule(change.Session, project, id);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes a schedule. Its runs stay.</summary>
    public Task<bool> DeleteScheduleAsync(string project, string id, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Session.Execute("delete from schedules where id = $1 and project = $2", id, project) == 0)
            {
                return false;
            }

            change.Session.Post("delete from schedule_fires where schedule = $1", id);
            change.Session.Post("delete from schedule_files where schedule = $1", id);
            return true;
        },
        cancellationToken);

    /// <summary>Asks for a schedule's job now, whatever its times, its state and its earlier runs are.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="key">The caller's name for the wish, or null.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<RunStart> RunScheduleAsync(Schedule schedule, string? key, CancellationToken cancellationToken) =>
        RequestAsync(RequestOf(schedule) with { Input = InputOf(schedule), Key = key }, cancellationToken);

    /// <summary>A schedule by its id or its name; null when the project has none.</summary>
    public Task<Schedule?> GetScheduleAsync(string project, string idOrName, CancellationToken cancellationToken) =>
        database.ReadAsync(session => FindSchedule(session, project, idOrName), cancellationToken);

    /// <summary>A project's schedules by name, after the one with a name.</summary>
    public Task<List<Schedule>> SchedulesAsync(string project, string after, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query($"select {ScheduleRows.Columns} from schedules where project = $1 and name > $2 order by name limit $3", ScheduleRows.Read, project, after, most),
        cancellationToken);

    /// <summary>What became of a schedule's times, the last first. Those of a long time ago are not kept.</summary>
    public Task<List<ScheduleFire>> ScheduleFiresAsync(string id, int most, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query(
            "select fire_at, at, outcome, run from schedule_fires where schedule = $1 order by version desc, fire_at desc limit $2",
            static row => new ScheduleFire(row.GetInt64(0), row.GetInt64(1), (FireOutcome)row.GetInt64(2), RunRows.Text(row, 3)), id, most),
        cancellationToken);

    /// <summary>What the journal's clock says: its own, or the server's.</summary>
    public Task<long> NowAsync(CancellationToken cancellationToken) => database.ReadAsync(Now, cancellationToken);

    /// <summary>Notes which files a schedule's runs will need, so that they are not collected between one and the next.</summary>
    private static void KeepFiles(Change change, Schedule schedule)
    {
        change.Session.Post("delete from schedule_files where schedule = $1", schedule.Id);
        foreach (string hash in ArtifactReference.In(InputOf(schedule)))
        {
            change.Session.Post("insert into schedule_files (schedule, hash) values ($1, $2)", schedule.Id, hash);
            change.Session.Post("update blobs set touched_at = $2 where hash = $1", hash, change.Now);
        }
    }

    private static Schedule? FindSchedule(Storage.SqlSession session, string project, string idOrName) => session.First(
        $"select {ScheduleRows.Columns} from schedules where project = $1 and (id = $2 or name = $2)", ScheduleRows.Read, project, idOrName);

    // What a client may set, in the order of the columns from "name" on.
    private static object?[] Values(ScheduleDefinition wanted) =>
    [
        wanted.Name, wanted.Timing.Cron, wanted.Timing.TimeZone, wanted.Timing.EveryMs, wanted.Timing.At, wanted.Timing.StartsAt, wanted.Timing.EndsAt,
        JsonSerializer.Serialize(wanted.Job, ScheduleDocument.Default.JobTemplate), (long)wanted.Misfire, wanted.GraceMs, (long)wanted.MostMissed, (long)wanted.Overlap,
    ];

    private static RunRequest RequestOf(Schedule schedule)
    {
        JobTemplate job = schedule.Definition.Job;
        return new RunRequest
        {
            Project = schedule.Definition.Project, Type = job.Type, Input = default, Priority = job.Priority, Options = job.Options, Labels = job.Labels, Webhook = job.Webhook, Schedule = schedule.Id,
        };
    }

    private static byte[] InputOf(Schedule schedule) => CanonicalJson.Of(schedule.Definition.Job.Input);
}
