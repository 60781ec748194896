using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>Calls of tools as steps, with the effect class of the tool.</summary>
internal static class ToolSteps
{
    public static StepExecutor<ToolCall, ToolResult> Executor(ITool tool) => new(
        "agent-tool", 1, tool.Description.Effect, AgentJson.Default.ToolCall, AgentJson.Default.ToolResult, (call, context, token) => CallAsync(tool, call, context, token));

    private static async Task<ToolResult> CallAsync(ITool tool, ToolCall call, StepContext context, CancellationToken cancellationToken)
    {
        ToolResult result;
        try
        {
            result = await tool.CallAsync(call.Arguments, context, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or ToolOutcomeUnknownException) && tool.Description.Effect != EffectClass.Unsafe)
        {
            result = ToolResult.Error($"The tool failed: {exception.Message}"); // the model may do without it, or try again
        }

        return result with { Content = Results.Cut(result.Content, call.MostCharacters) };
    }
}
