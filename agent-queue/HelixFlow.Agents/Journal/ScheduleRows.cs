using System.Data.Common;
using System.Text.Json;
using HelixFlow.Agents.Schedules;

namespace HelixFlow.Agents.Journal;

/// <summary>The table of schedules as records.</summary>
internal static class ScheduleRows
{
    /// <summary>The columns that <see cref="Read"/> expects, in its order.</summary>
    public const string Columns = """
        id, project, name, cron, zone, every_ms, at_time, starts_at, ends_at, job, misfire, grace_ms, most_missed, overlap,
        state, next_fire, last_fire, active_from, planned_at, version, created_at, updated_at
        """;

    public static Schedule Read(DbDataReader row) => new()
    {
        Id = row.GetString(0),
        Definition = new ScheduleDefinition
        {
            Project = row.GetString(1),
            Name = row.GetString(2),
            Timing = ReadTiming(row),
            Job = JsonSerializer.Deserialize(row.GetString(9), ScheduleDocument.Default.JobTemplate)!,
            Misfire = (MisfirePolicy)row.GetInt64(10),
            GraceMs = row.GetInt64(11),
            MostMissed = (int)row.GetInt64(12),
            Overlap = (OverlapPolicy)row.GetInt64(13),
        },
        State = (ScheduleState)row.GetInt64(14),
        NextFire = row.IsDBNull(15) ? null : row.GetInt64(15),
        LastFire = row.IsDBNull(16) ? null : row.GetInt64(16),
        ActiveFrom = row.GetInt64(17),
        PlannedAt = row.GetInt64(18),
        Version = row.GetInt64(19),
        CreatedAt = row.GetInt64(20),
        UpdatedAt = row.GetInt64(21),
    };

    private static Timing ReadTiming(DbDataReader row)
    {
        (long every, long at, long startsAt, long endsAt) = (row.GetInt64(5), row.GetInt64(6), row.GetInt64(7), row.GetInt64(8));
        return RunRows.Text(row, 3) is { } cron ? Timing.OfStoredCron(cron, row.GetString(4), startsAt, endsAt)
            : every > 0 ? Timing.OfInterval(every, startsAt, endsAt)
            : Timing.OfTime(at);
    }
}
