using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Execution;

/// <summary>How an <see cref="InferenceEngine"/> schedules its work. Immutable.</summary>
public sealed class EngineOptions
{
    /// <summary>
    /// Rows that one step may have, decode rows and prefill chunks together; limited by the runner's <c>MaxBatchRows</c>. More speeds up
    /// long prompts and delays the next token of everyone else.
    /// </summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Choices that run at the same time; at most <see cref="MaxBatchTokens"/>, so that every one gets its row in every step.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>Requests that may wait for their first step; further ones are refused as <see cref="SubmitOutcome.Overloaded"/>.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>Whether finished and running sequences' whole blocks serve later prompts that start alike.</summary>
    public bool PrefixReuse { get; init; } = true;

    /// <summary>The model's end tokens: sampling one ends a choice unless the request says <see cref="SequenceRequest.IgnoreEnd"/>.</summary>
    public IReadOnlyCollection<int> EndIds { get; init; } = [];

    /// <summary>Steps that may fail one after the other before the engine gives up as <see cref="SubmitOutcome.Faulted"/>.</summary>
    public int MaxConsecutiveFailures { get; init; } = 3;

    /// <summary>
    /// A project's weight: while several wait, each gets tokens in proportion to its own. Called by the submitting thread, once per request, with
    /// <see cref="SequenceRequest.Project"/>. Weights are kept within 0.001 to 1000; null (the default) is 1 for all.
    /// </summary>
    public Func<string, double>? ProjectWeight { get; init; }

    /// <summary>
    /// How long a priority class waits for one of its requests to start before it counts as one class higher, and so on for each further
    /// interval until one starts: low priorities are slow under load, but never starve. Default 30 seconds.
    /// </summary>
    public TimeSpan AgeingInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a step should take at most while any choice decodes: prefill chunks are cut so that it does, by what earlier steps took, but not
    /// below 16 rows or a quarter of the step. Null: only <see cref="MaxBatchTokens"/> limits them. Default 100 ms: ten tokens a second is as fast as
    /// people read, so that a long prompt of somebody else is not felt, and a step of that length still prefills in chunks that use the processor
    /// well. Shorter makes streams smoother and first tokens later. What is generated does not depend on it.
    /// </summary>
    public TimeSpan? StepTimeBudget { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Whether equal requests get equal answers: the same tokens and log probabilities, to the bit, whatever else is in the batch, however the prompt
    /// was cut into chunks, found in the prefix cache or computed anew after a preemption. Between runs too, on the same processor and build.
    /// </summary>
    /// <remarks>
    /// The rows of a step are always computed independently of one another, and a request with a seed draws its random numbers from that seed
    /// and its own positions. What this adds is the same seed, <see cref="SamplingOptions.FixedSeed"/>, for every request that has none.
    /// </remarks>
    public bool Deterministic { get; init; }

    /// <summary>
    /// The clock behind <see cref="EngineSnapshot"/>'s times, <see cref="AgeingInterval"/> and <see cref="StepTimeBudget"/>; nothing else depends on time.
    /// </summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
