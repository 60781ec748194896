using System.Text.Json.Serialization.Metadata;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

/// <summary>What a kind of step does. Holds no state: all that it depends on is its input, its name and its version.</summary>
/// <param name="name">Part of the action's digest, for example <c>chunk</c>.</param>
/// <param name="version">Raised when the same input would give another output: recorded outputs of older versions are not used by other runs then.</param>
/// <param name="effect">What repeating it would do; <see cref="EffectClass.Unsafe"/> unless something better is certain.</param>
/// <param name="input">How the input is written; equal inputs must give equal JSON.</param>
/// <param name="output">How the output is written and read.</param>
/// <param name="execute">Does it.</param>
/// <remarks>Immutable, so that all runs share one.</remarks>
public sealed class StepExecutor<TInput, TOutput>(
    string name, int version, EffectClass effect, JsonTypeInfo<TInput> input, JsonTypeInfo<TOutput> output, Func<TInput, StepContext, CancellationToken, Task<TOutput>> execute)
{
    /// <inheritdoc cref="StepExecutor{TInput, TOutput}" path="/param[@name='name']" />
    public string Name => name;

    /// <inheritdoc cref="StepExecutor{TInput, TOutput}" path="/param[@name='version']" />
    public int Version => version;

    /// <inheritdoc cref="StepExecutor{TInput, TOutput}" path="/param[@name='effect']" />
    public EffectClass Effect => effect;

    /// <summary>What executing it has used of models, by its input and output; null, or giving null, when it has asked none.</summary>
    public Func<TInput, TOutput, StepUsage?>? Usage { get; init; }

    internal JsonTypeInfo<TInput> Input => input;

    internal JsonTypeInfo<TOutput> Output => output;

    internal Func<TInput, StepContext, CancellationToken, Task<TOutput>> Execute => execute;
}

/// <summary>Where a step is executed.</summary>
/// <param name="RunId">The run.</param>
/// <param name="Project">On whose account.</param>
/// <param name="Address">The step's place in the run.</param>
/// <param name="Key">The same whenever this step of this run is executed: what makes a request to another service idempotent.</param>
public sealed record StepContext(string RunId, string Project, string Address, string Key);
