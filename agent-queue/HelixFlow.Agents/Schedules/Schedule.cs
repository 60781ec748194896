using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Webhooks;

namespace HelixFlow.Agents.Schedules;

/// <summary>What is done about times that passed while nobody could fire, because no process ran or the clock was put forward. The numbers are stored.</summary>
public enum MisfirePolicy
{
    /// <summary>Nothing.</summary>
    Skip = 0,

    /// <summary>One run for all of them, for the last one.</summary>
    Once = 1,

    /// <summary>A run for each, up to <see cref="ScheduleDefinition.MostMissed"/> of the last ones.</summary>
    All = 2,
}

/// <summary>What is done at a time when an earlier run of the schedule has not ended. The numbers are stored.</summary>
public enum OverlapPolicy
{
    /// <summary>Another run is started.</summary>
    Allow = 0,

    /// <summary>Nothing.</summary>
    Skip = 1,

    /// <summary>One run waits for the end of the earlier one; while it waits, nothing more is started.</summary>
    BufferOne = 2,
}

/// <summary>Where a schedule is. The numbers are stored.</summary>
public enum ScheduleState
{
    /// <summary>It fires when its time comes.</summary>
    Active = 0,

    /// <summary>It does not, until somebody wants it to.</summary>
    Paused = 1,

    /// <summary>There are no times left.</summary>
    Finished = 2,
}

/// <summary>What became of a time of a schedule. The numbers are stored.</summary>
public enum FireOutcome
{
    /// <summary>A run was asked for.</summary>
    Started = 0,

    /// <summary>A run was asked for that waits for the end of the earlier one.</summary>
    Buffered = 1,

    /// <summary>An earlier run had not ended.</summary>
    Skipped = 2,

    /// <summary>It had passed, with those that followed it before the next one that is listed.</summary>
    Missed = 3,

    /// <summary>The run's key had been used for something else.</summary>
    Refused = 4,
}

/// <summary>The job that a schedule asks for.</summary>
public sealed record JobTemplate
{
    public required string Type { get; init; }

    public required JsonElement Input { get; init; }

    public RunPriority Priority { get; init; } = RunPriority.Normal;

    public RunOptions Options { get; init; } = new();

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public WebhookTarget? Webhook { get; init; }
}

/// <summary>What somebody wants to be done when.</summary>
public sealed record ScheduleDefinition
{
    public required string Project { get; init; }

    /// <summary>Unique in the project.</summary>
    public required string Name { get; init; }

    public required Timing Timing { get; init; }

    public required JobTemplate Job { get; init; }

    public MisfirePolicy Misfire { get; init; } = MisfirePolicy.Once;

    /// <summary>A time counts as missed when it is noticed later than this. Milliseconds; default one minute.</summary>
    public long GraceMs { get; init; } = 60_000;

    /// <summary>The most runs that are asked for at once for times that have passed; 1 or more.</summary>
    public int MostMissed { get; init; } = 100;

    public OverlapPolicy Overlap { get; init; } = OverlapPolicy.Allow;
}

/// <summary>A schedule as it stands.</summary>
public sealed record Schedule
{
    public required string Id { get; init; }

    public required ScheduleDefinition Definition { get; init; }

    public required ScheduleState State { get; init; }

    /// <summary>When it fires next; null when it does not.</summary>
    public long? NextFire { get; init; }

    /// <summary>The last time that it fired for; null before the first one.</summary>
    public long? LastFire { get; init; }

    public long CreatedAt { get; init; }

    public long UpdatedAt { get; init; }

    /// <summary>No time before it counts: when it was made, changed or resumed.</summary>
    internal long ActiveFrom { get; init; }

    /// <summary>What the clock said when <see cref="NextFire"/> was computed.</summary>
    internal long PlannedAt { get; init; }

    /// <summary>Rises with each change.</summary>
    internal long Version { get; init; }
}

/// <summary>A time of a schedule that has come.</summary>
/// <param name="FireAt">The time for which it was.</param>
/// <param name="At">When it was noticed.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Run">Id of the run, when one was asked for.</param>
public sealed record ScheduleFire(long FireAt, long At, FireOutcome Outcome, string? Run);
