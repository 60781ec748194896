namespace HelixFlow.Agents.Journal;

/// <summary>How long runs that have ended are kept. Of several rules the first that matches a run counts; a run that none matches is kept for ever.</summary>
/// <remarks>
/// A run stays beyond its time while another one needs it: its parent, which reads its output; a fork that has not ended; a run that waits for it.
/// With a run go its events, steps and idempotency key, and the values that nothing else reaches.
/// </remarks>
public sealed record RetentionRule
{
    /// <summary>Only runs of this project; null for all.</summary>
    public string? Project { get; init; }

    /// <summary>Only runs of this type; null for all.</summary>
    public string? Type { get; init; }

    /// <summary>For how long runs that have succeeded are kept; null for ever.</summary>
    public TimeSpan? Succeeded { get; init; }

    /// <summary>For how long runs that are dead or cancelled are kept; null for ever.</summary>
    public TimeSpan? Failed { get; init; }

    /// <summary>So many of the newest runs of each project and type are kept however old they are.</summary>
    public int KeepLast { get; init; }

    internal bool Matches(RunRecord run) => (Project is null || Project == run.Project) && (Type is null || Type == run.Type);

    internal TimeSpan? For(RunState state) => state == RunState.Succeeded ? Succeeded : Failed;
}
