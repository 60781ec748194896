namespace HelixFlow.Engine.Execution;

/// <summary>
/// What an <see cref="InferenceEngine"/> was doing at the end of its latest step, all values of the same moment but <see cref="Waiting"/>,
/// <see cref="Busy"/> and <see cref="Progress"/>, which are of the moment of asking.
/// </summary>
public readonly record struct EngineSnapshot
{
    /// <summary>Requests and preempted choices that wait for a step, those just submitted included.</summary>
    public int Waiting { get; init; }

    /// <summary>Choices that prefill or decode.</summary>
    public int Running { get; init; }

    /// <summary>Blocks of the key/value store: held + cached + free.</summary>
    public int BlocksTotal { get; init; }

    /// <summary>Blocks in use by running choices.</summary>
    public int BlocksHeld { get; init; }

    /// <summary>Blocks that nobody uses, kept for prefix reuse and given up on demand.</summary>
    public int BlocksCached { get; init; }

    /// <summary>Blocks without content.</summary>
    public int BlocksFree { get; init; }

    /// <summary>Prompt tokens of all requests that started to run.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Those of <see cref="PromptTokens"/> that were found in the prefix cache.</summary>
    public long CachedTokens { get; init; }

    /// <summary>Tokens sampled, stop tokens included.</summary>
    public long GeneratedTokens { get; init; }

    /// <summary>Rows run: prompt tokens computed, decode steps, and recomputation after preemption; but not guesses that proved wrong.</summary>
    public long ComputedTokens { get; init; }

    /// <summary>Guessed tokens that were run to be verified.</summary>
    public long ProposedTokens { get; init; }

    /// <summary>Those of <see cref="ProposedTokens"/> that proved right, each a token for which no step of its own was needed.</summary>
    public long AcceptedTokens { get; init; }

    /// <summary>Steps that ran.</summary>
    public long Steps { get; init; }

    /// <summary>Steps that failed.</summary>
    public long FailedSteps { get; init; }

    /// <summary>Times that a running choice gave its blocks back and started over.</summary>
    public long Preemptions { get; init; }

    /// <summary>Whether a request waits or runs.</summary>
    public bool Busy { get; init; }

    /// <summary>
    /// Rises with each step and, within a step, with each part of a layer. A busy engine whose progress stands still hangs: see
    /// <see cref="StepWatch"/>.
    /// </summary>
    public long Progress { get; init; }

    /// <summary>When the latest step ended; null before the first.</summary>
    public DateTimeOffset? LastStepAt { get; init; }

    /// <summary>How long the latest step took, from forming the batch to emitting its tokens.</summary>
    public TimeSpan LastStepDuration { get; init; }

    /// <summary>Whether the engine refuses new requests while it finishes the old ones.</summary>
    public bool Draining { get; init; }

    /// <summary>Whether the engine has given up after repeated failures.</summary>
    public bool Faulted { get; init; }
}
