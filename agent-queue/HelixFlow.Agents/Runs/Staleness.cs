namespace HelixFlow.Agents.Runs;

/// <summary>What would become of a step if its run were done again.</summary>
public enum StepVerdict
{
    /// <summary>Its recorded output would be used.</summary>
    Reused,

    /// <summary>Its recorded output would be used if the steps that would be executed before it give what they gave.</summary>
    ReusedIfUnchanged,

    /// <summary>It would be executed.</summary>
    Executed,

    /// <summary>Nobody can know before other steps have been executed.</summary>
    Unknown,

    /// <summary>The code asks for it no more.</summary>
    Dropped,
}

/// <summary>Why a step would be executed.</summary>
public enum StaleReason
{
    /// <summary>It would not, or it is not known.</summary>
    None,

    /// <summary>Its input is another one.</summary>
    InputChanged,

    /// <summary>Its executor has another version than the one that was recorded.</summary>
    VersionChanged,

    /// <summary>The code asks for another action at its address, with the old input too: it was changed since, or depends on something besides its steps.</summary>
    ActionChanged,

    /// <summary>Its output is never taken from another run: a decision, an effect that must not be repeated, child runs.</summary>
    EffectForbids,

    /// <summary>Nothing was recorded at its address.</summary>
    NotRecorded,

    /// <summary>It is to be done anew, as it was recorded at or after the step that was named.</summary>
    AskedAnew,
}

/// <summary>A step of a run that might be done again.</summary>
/// <param name="Address">Its place in the run.</param>
/// <param name="Executor">What it does; null when the code was not followed to it.</param>
/// <param name="Verdict">What would become of it.</param>
/// <param name="Reason">Why it would be executed.</param>
/// <param name="Detail">The reason in a sentence.</param>
/// <param name="Changed">Where its input differs from the recorded one, as JSON Pointers.</param>
/// <param name="DependsOn">Steps before it that would be executed: the verdict holds if their outputs stay the same.</param>
public sealed record StaleStep(
    string Address, string? Executor, StepVerdict Verdict, StaleReason Reason, string Detail, IReadOnlyList<string> Changed, IReadOnlyList<string> DependsOn);

/// <summary>What would be done if a run were done again, found out without executing anything.</summary>
/// <param name="Steps">The steps in the order in which the code asks for them, then the recorded ones for which it did not.</param>
/// <param name="IsComplete">Whether the code could be followed to its end.</param>
/// <param name="Stopped">Where and why it could not; null when it could.</param>
public sealed record Staleness(IReadOnlyList<StaleStep> Steps, bool IsComplete, string? Stopped);
