using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>Something that an agent may do. Immutable: all that a call depends on is its arguments and the description.</summary>
internal interface ITool
{
    ToolDescription Description { get; }

    /// <summary>Does it. What the tool's own side refuses is a result, which the model is told.</summary>
    /// <param name="arguments">An object that satisfies the tool's schema as far as that was checked.</param>
    /// <param name="context">The step: its key makes a request idempotent.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ToolOutcomeUnknownException">It may have had its effect, or not.</exception>
    Task<ToolResult> CallAsync(JsonElement arguments, StepContext context, CancellationToken cancellationToken);
}

/// <summary>A tool, to models, to approvers and to the journal.</summary>
/// <param name="Name">1 to 64 letters, digits, <c>_</c> and <c>-</c>.</param>
/// <param name="Description">What it does, for the model.</param>
/// <param name="Parameters">JSON Schema of its arguments, an object.</param>
/// <param name="Effect">What repeating a call would do.</param>
/// <param name="Identity">What a call depends on besides its arguments, for example the server that is asked.</param>
internal sealed record ToolDescription(string Name, string Description, JsonElement Parameters, EffectClass Effect, string Identity)
{
    /// <summary>Whether a call may destroy something: such calls can be made to need approval.</summary>
    public bool IsDestructive { get; init; }
}

/// <summary>What a call gave.</summary>
/// <param name="Content">For the model.</param>
/// <param name="IsError">Whether it failed.</param>
internal sealed record ToolResult(string Content, bool IsError = false)
{
    public static ToolResult Error(string content) => new(content, true);
}

/// <summary>Nobody knows whether a call has had its effect: the run is parked until somebody says so.</summary>
internal sealed class ToolOutcomeUnknownException(string message, Exception? cause = null) : Exception(message, cause);
