using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

/// <summary>The worker no longer holds the run: whoever holds it now goes on with it. Job types let it pass.</summary>
public sealed class LeaseLostException(string run) : OperationCanceledException($"The run {run} is no longer this worker's.");

/// <summary>The run waits for something and lets go of its worker; its code runs again when that is there. Job types let it pass.</summary>
public sealed class RunSuspendedException(string run) : OperationCanceledException($"The run {run} waits.");

/// <summary>The job cannot succeed however often it is tried, for example because its input is wrong.</summary>
/// <param name="code">One word for programs.</param>
/// <param name="message">What was wrong, where, and what would be right.</param>
/// <param name="cause">What it came from.</param>
public sealed class JobFailedException(string code, string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>One word for programs.</summary>
    public string Code => code;
}

/// <summary>The attempt has failed, and its code can say more about it than a message.</summary>
/// <param name="error">What happened.</param>
/// <param name="isFinal">Whether trying again would be useless.</param>
public sealed class AttemptFailedException(RunError error, bool isFinal) : Exception(error.Message)
{
    /// <summary>What happened.</summary>
    public RunError Error => error;

    /// <summary>Whether trying again would be useless.</summary>
    public bool IsFinal => isFinal;
}

/// <summary>A step did nothing: whatever its effect class, it may be tried again.</summary>
public sealed class StepHadNoEffectException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The code has asked at an address for something else than it had recorded there: it was changed while the run was under way, or depends on something besides its steps.</summary>
public sealed class ReplayMismatchException(string message) : Exception(message);
