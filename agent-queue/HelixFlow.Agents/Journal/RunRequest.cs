using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Webhooks;

namespace HelixFlow.Agents.Journal;

/// <summary>How often, how patiently and for how long a run is tried. Times are in milliseconds.</summary>
/// <param name="MaxAttempts">Attempts before the run is a dead letter. An attempt whose worker was lost counts too: a job that kills its worker must end.</param>
/// <param name="BackoffMs">Wait after the first failed attempt; it doubles with each further one, less up to a half at random.</param>
/// <param name="MaxBackoffMs">The longest wait between attempts.</param>
/// <param name="LeaseMs">A worker that was silent for so long has lost the run.</param>
/// <param name="AttemptTimeoutMs">The longest that one attempt may take; 0 for no limit.</param>
/// <param name="StartTimeoutMs">The longest that the run may wait for its first attempt; 0 for no limit.</param>
/// <param name="RunAfterFailure">Whether the run is to start although a run that it depends on has not succeeded.</param>
/// <param name="TotalTimeoutMs">The longest that it may take altogether, with all attempts and waits, counted from when it is asked for or tried anew, or from its time if that is later; 0 for no limit.</param>
/// <remarks>Stored with each run. The defaults are those of the constructor, as a reader of JSON knows these only: what an older program did not store has them.</remarks>
public sealed record RunOptions(
    int MaxAttempts = 3, long BackoffMs = 1_000, long MaxBackoffMs = 300_000, long LeaseMs = 30_000, long AttemptTimeoutMs = 0, long StartTimeoutMs = 0,
    bool RunAfterFailure = false, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long TotalTimeoutMs = 0);

/// <summary>What somebody asks to be done.</summary>
public sealed record RunRequest
{
    /// <summary>On whose account.</summary>
    public required string Project { get; init; }

    /// <summary>The kind of job, which says who can do it.</summary>
    public required string Type { get; init; }

    /// <summary>The input: any JSON value, kept in its canonical form.</summary>
    public required ReadOnlyMemory<byte> Input { get; init; }

    /// <summary>The class in which it waits.</summary>
    public RunPriority Priority { get; init; } = RunPriority.Normal;

    /// <summary>The caller's name for this request: asking again with the same name and content gives the same run. Null for none.</summary>
    public string? Key { get; init; }

    /// <summary>Not to be started earlier; milliseconds since 1970, 0 for at once.</summary>
    public long NotBefore { get; init; }

    /// <summary>How it is tried.</summary>
    public RunOptions Options { get; init; } = new();

    /// <summary>The caller's own words about it.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Ids of runs that must have ended before; they exist already, so that there can be no cycle.</summary>
    public IReadOnlyList<string> DependsOn { get; init; } = [];

    /// <summary>Id of the run that asks for this one, and the address of the step in which it does.</summary>
    public string? Parent { get; init; }

    /// <inheritdoc cref="Parent" />
    public string? ParentAddress { get; init; }

    /// <summary>Id of the schedule that asks for it.</summary>
    public string? Schedule { get; init; }

    /// <summary>Where its events are told; null for nowhere.</summary>
    public WebhookTarget? Webhook { get; init; }

    /// <summary>Id of a run of the same project whose recorded steps may be used where the actions are the same.</summary>
    public string? ForkOf { get; init; }

    /// <summary>The first step of <see cref="ForkOf"/>, by its address, that is to be done anew with all that came after it; null to use what still fits.</summary>
    public string? ForkFrom { get; init; }
}

/// <summary>What became of a request.</summary>
public enum RunStartKind
{
    /// <summary>There is a new run.</summary>
    Created,

    /// <summary>The run had been asked for before, with the same key and content.</summary>
    Existing,

    /// <summary>The key was used before for something else; the run is that one.</summary>
    Conflict,

    /// <summary>A run that it names (a dependency, its parent, the one it is forked from) is not there.</summary>
    UnknownRun,

    /// <summary>A file that its input names is not there, or is another project's.</summary>
    UnknownArtifact,
}

/// <summary>What became of a request, and the run.</summary>
public sealed record RunStart(RunStartKind Kind, RunRecord? Run, string? Unknown = null);

/// <summary>A worker's hold on a run: whoever has claimed it since has a higher fence, and this one can write no more.</summary>
public sealed record Lease(long Run, string RunId, long Fence, string Worker);

/// <summary>A run as it stands.</summary>
public sealed record RunRecord
{
    internal long Number { get; init; }

    /// <summary>Rises with each claim, never falls.</summary>
    internal long Fence { get; init; }

    /// <summary>When the attempt must have ended; 0 for no such time.</summary>
    internal long EndBy { get; init; }

    /// <summary>Whether another run waits for this one.</summary>
    internal bool HasWaiters { get; init; }

    /// <summary>Runs that have not ended and for which this one waits.</summary>
    internal long WaitsFor { get; init; }

    /// <summary>Whether it may use the steps of another run.</summary>
    internal bool IsFork { get; init; }

    /// <summary>The signal for which it waits.</summary>
    internal string? Signal { get; init; }

    /// <summary>What its receiver is told.</summary>
    internal WebhookEvents Webhook { get; init; }

    public required string Id { get; init; }

    public required string Project { get; init; }

    public required string Type { get; init; }

    public required RunState State { get; init; }

    public required RunPriority Priority { get; init; }

    /// <summary>Hash of the input.</summary>
    public required string Input { get; init; }

    /// <summary>Hash of the output of a run that has succeeded.</summary>
    public string? Output { get; init; }

    /// <summary>What ended the run, or its last attempt.</summary>
    public RunError? Error { get; init; }

    public required RunOptions Options { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public string? Key { get; init; }

    public string? Schedule { get; init; }

    public long NotBefore { get; init; }

    public bool CancelRequested { get; init; }

    public int Epoch { get; init; }

    public int Attempt { get; init; }

    public string? Worker { get; init; }

    /// <summary>0 to 100.</summary>
    public int Progress { get; init; }

    public string? Message { get; init; }

    /// <summary>What its recorded steps have used of models, those of earlier epochs included.</summary>
    public RunUsage Usage { get; init; } = new(0, 0, 0);

    public long CreatedAt { get; init; }

    public long StartedAt { get; init; }

    public long EndedAt { get; init; }

    /// <summary>Number of the last event.</summary>
    public long LastEvent { get; internal set; }

    public bool HasEnded => State is RunState.Succeeded or RunState.Cancelled or RunState.Dead;
}

/// <summary>Why an attempt or a run has failed, for people and programs.</summary>
/// <param name="Code">One word, for example <c>timeout</c>.</param>
/// <param name="Message">What happened, and where.</param>
/// <param name="Details">More, as JSON; for example a stack of the worker.</param>
public sealed record RunError(string Code, string Message, JsonElement? Details = null);
