using System.Text.Json.Serialization;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.CrashHost;

/// <summary>Where a host has its journal.</summary>
internal enum TrialRole
{
    /// <summary>In the process.</summary>
    Alone,

    /// <summary>In the process, and workers in others use it too, by the worker protocol.</summary>
    Server,

    /// <summary>In the server's process.</summary>
    Remote,
}

/// <summary>How a host of a trial is started: its first and only argument, as JSON.</summary>
/// <param name="Role">Where it has its journal.</param>
/// <param name="Port">The server's.</param>
/// <param name="Connection">PostgreSQL's connection string; null for SQLite in the folder.</param>
/// <param name="Broker">The RabbitMQ broker that carries hints; null for PostgreSQL, where that is the database.</param>
/// <param name="Folder">Where the database, the blobs and the effects are.</param>
/// <param name="Name">The worker's name.</param>
/// <param name="Slots">Runs that the worker does at the same time.</param>
/// <param name="RepeatPercent">How many of the worker's calls are sent twice.</param>
/// <param name="Seed">Says which.</param>
/// <param name="OffsetMs">How far the clock is ahead.</param>
internal sealed record TrialHostOptions(
    TrialRole Role, int Port, string? Connection, string? Broker, string Folder, string Name, int Slots, int RepeatPercent, int Seed, long OffsetMs);

/// <summary>A line that a host is told. What is null is not meant.</summary>
/// <param name="Number">Comes back with the answer.</param>
internal sealed record TrialOrder(long Number)
{
    /// <summary>Asks for a job.</summary>
    public TrialRequest? Submit { get; init; }

    /// <summary>Sends the signal to the run with this id.</summary>
    public string? Signal { get; init; }

    /// <summary>Cancels the run with this id.</summary>
    public string? Cancel { get; init; }

    /// <summary>The project of the run.</summary>
    public string? Project { get; init; }

    /// <summary>Puts the clock so far ahead: the journal's, or with <see cref="IsOwnClock"/> only this machine's.</summary>
    public long? OffsetMs { get; init; }

    /// <inheritdoc cref="OffsetMs" />
    public bool IsOwnClock { get; init; }

    /// <summary>Kills the process at this write, counted from now; negative for before its commit. A worker on a server's journal at this call.</summary>
    public int DieAt { get; init; }

    /// <summary>Delivers every kind of hint so often, about this run and about all types.</summary>
    public int Hints { get; init; }

    /// <inheritdoc cref="Hints" />
    public string? HintedRun { get; init; }

    /// <summary>Asks what is open.</summary>
    public bool IsQuestion { get; init; }
}

/// <summary>A job of a trial.</summary>
internal sealed record TrialRequest(string Key, string Project, string Type, RunPriority Priority, IReadOnlyList<TrialMove> Moves, long LeaseMs)
{
    /// <summary>As the journal takes it.</summary>
    public RunRequest ToRequest() => new()
    {
        Project = Project, Type = Type, Input = TrialJob.InputOf(Moves), Key = Key, Priority = Priority,
        Options = new RunOptions { BackoffMs = 1, MaxBackoffMs = 5, MaxAttempts = 1000, LeaseMs = LeaseMs },
    };
}

/// <summary>What a host answers.</summary>
/// <param name="Number">That of the order; 0 when the host is ready.</param>
/// <param name="Run">The run that was asked for.</param>
/// <param name="Open">Runs that have not ended.</param>
/// <param name="Parked">Those of them that wait for a decision.</param>
/// <param name="Problem">What went wrong.</param>
internal sealed record TrialAnswer(long Number, string? Run = null, int Open = 0, IReadOnlyList<string>? Parked = null, string? Problem = null);

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(TrialHostOptions))]
[JsonSerializable(typeof(TrialOrder))]
[JsonSerializable(typeof(TrialAnswer))]
internal sealed partial class TrialJson : JsonSerializerContext;
