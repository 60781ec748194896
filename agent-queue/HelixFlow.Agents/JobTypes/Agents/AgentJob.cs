using System.Text.Json;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>
/// <c>agent</c>: a model that works towards a goal with tools. Each turn of the model and each call of a tool is a step, so that a job that is interrupted
/// goes on where it was and repeats no call that was recorded.
/// </summary>
public sealed class AgentJob : IJobType
{
    private readonly ToolHost _host;
    private readonly StepExecutor<string, ModelLimits> _find;
    private readonly StepExecutor<TurnQuestion, TurnAnswer> _turn;

    /// <summary>Makes the type.</summary>
    public AgentJob(IModelClient models, ToolHost host)
    {
        _host = host;
        _find = ModelSteps.Find(models);
        _turn = Turns.Executor(models);
    }

    /// <inheritdoc />
    public string Name => "agent";

    /// <inheritdoc />
    public string Description => "Works towards a goal with tools: built-in ones, operations of an OpenAPI document and MCP servers, within a budget and with approvals where they are wanted.";

    /// <inheritdoc />
    public JsonElement InputSchema => AgentSchemas.Input;

    /// <inheritdoc />
    public JsonElement OutputSchema => AgentSchemas.Output;

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        AgentInput input = run.Input.Deserialize(AgentJson.Default.AgentInput)!;
        ModelLimits model = await run.StepAsync("model", _find, input.Model ?? "", cancellationToken).ConfigureAwait(false);
        var session = new AgentSession(input, model, _host.Options);
        await using Toolbox toolbox = await Toolbox.OpenAsync(run, input, _host, cancellationToken).ConfigureAwait(false);
        if (input.ToolChoice is not ("auto" or "required") && toolbox.Find(input.ToolChoice) is null)
        {
            throw new JobFailedException("unknown_tool", $"The tool_choice '{input.ToolChoice}' is no tool. There are: {toolbox.Names}.");
        }

        (JsonElement answer, string stop) = await WorkAsync(run, input, model, session, toolbox, cancellationToken).ConfigureAwait(false);
        var output = new AgentOutput(answer, stop, session.Transcript, session.Turns, session.Calls, session.Usage, session.Cost, model.Name);
        return JsonSerializer.SerializeToElement(output, AgentJson.Default.AgentOutput);
    }

    private async Task<(JsonElement Answer, string Stop)> WorkAsync(
        Run run, AgentInput input, ModelLimits model, AgentSession session, Toolbox toolbox, CancellationToken cancellationToken)
    {
        var planner = new CallPlanner(toolbox);
        IReadOnlyList<ModelTool>? tools = toolbox.ForModel;
        string? stop = null;
        bool isFinal = tools is null; // no more tools: the answer, in the form that is wanted
        while (true)
        {
            if (!isFinal && session.StepsLeft <= 1)
            {
                (isFinal, stop) = (true, "max_steps");
                if (session.Turns > 0)
                {
                    session.Say("No more tools can be called. Answer now with what you know.");
                }
            }

            string address = $"turn/{session.Turns + 1}";
            TurnQuestion question = session.Question(model, input.MaxAnswerTokens) with
            {
                Tools = isFinal ? null : tools,
                ForcedTool = isFinal || session.Turns > 0 || input.ToolChoice == "auto" ? null : input.ToolChoice == "required" ? "" : input.ToolChoice,
                Schema = isFinal ? input.OutputSchema?.GetRawText() : null,
            };
            TurnAnswer turn = await run.StepAsync(address, _turn, question, cancellationToken).ConfigureAwait(false);
            if (turn.Answer is null)
            {
                return (LastText(session, input), turn.Stop!);
            }

            IReadOnlyList<ModelToolCall> calls = session.Add(address, turn);
            if (calls.Count > 0)
            {
                List<CallPlan> plans = planner.Plan(address, calls, session.StepsLeft - 1);
                await CallAsync(run, input, session, planner, plans, cancellationToken).ConfigureAwait(false);
                if (plans.TrueForAll(static plan => plan.IsRepeated))
                {
                    (isFinal, stop) = (true, "loop");
                    session.Say("No more tools can be called. Answer now with what you know.");
                }
            }
            else if (isFinal || input.OutputSchema is null)
            {
                return Answer(turn.Answer, input, stop);
            }
            else
            {
                isFinal = true;
                session.Say("Give this answer as JSON.");
            }
        }
    }

    /// <summary>Makes a turn's calls, those that need no one's approval at once, the others as they are approved.</summary>
    private async Task CallAsync(Run run, AgentInput input, AgentSession session, CallPlanner planner, List<CallPlan> plans, CancellationToken cancellationToken)
    {
        string[] names = [.. plans.Where(static plan => plan.Refusal is null).Select(static plan => plan.Asked.Name)];
        if (names.Length > 0)
        {
            await run.ReportAsync(session.Percent, $"Turn {session.Turns}: {string.Join(", ", names)}", cancellationToken).ConfigureAwait(false);
        }

        // Those that wait for nobody begin first: a run that has begun to wait begins no more steps.
        var calls = new Task<(TranscriptEntry Entry, string Told)>[plans.Count];
        foreach (int i in Enumerable.Range(0, plans.Count).OrderBy(i => NeedsApproval(input, plans[i])))
        {
            calls[i] = CallAsync(run, input, planner, plans[i], cancellationToken);
        }

        (TranscriptEntry Entry, string Told)[] results = await Task.WhenAll(calls).ConfigureAwait(false);
        for (int i = 0; i < plans.Count; i++)
        {
            session.Add(plans[i], results[i].Entry, results[i].Told);
        }
    }

    private async Task<(TranscriptEntry Entry, string Told)> CallAsync(Run run, AgentInput input, CallPlanner planner, CallPlan plan, CancellationToken cancellationToken)
    {
        var entry = new TranscriptEntry(plan.Address, "call", plan.Refusal ?? "") { Tool = plan.Asked.Name, Arguments = plan.Asked.Arguments, Outcome = "not_made" };
        if (plan.Refusal is not null)
        {
            return (entry, $"Error: {plan.Refusal}");
        }

        ToolDescription tool = plan.Tool!.Description;
        entry = entry with { Effect = Approvals.NameOf(tool.Effect) };
        Approval? approval = NeedsApproval(input, plan)
            ? await Approvals.AskAsync(run, plan, planner, input.Approval.Expiry, cancellationToken).ConfigureAwait(false)
            : null;
        if (approval?.Rejection is { } reason)
        {
            return (entry with { Outcome = "rejected", Text = reason, By = approval.By }, $"Error: a person has not allowed this call: {reason}");
        }

        var call = new ToolCall(tool.Name, tool.Identity, approval?.Arguments ?? plan.Arguments, input.MaxResultCharacters);
        ToolResult result = await run.StepAsync(plan.Address, ToolSteps.Executor(plan.Tool), call, cancellationToken).ConfigureAwait(false);
        if (result.Content is null)
        {
            throw new JobFailedException("invalid_decision", $"What was decided about the step {plan.Address} has no 'content'."); // only somebody's decision can be so
        }

        entry = entry with { Outcome = result.IsError ? "error" : "ok", Text = result.Content, By = approval?.By, Arguments = call.Arguments.GetRawText() };
        string told = result.IsError ? $"Error: {result.Content}" : result.Content;
        return (entry, approval is { IsEdited: true } ? $"[A person has changed the arguments to {call.Arguments.GetRawText()}]\n{told}" : told);
    }

    private bool NeedsApproval(AgentInput input, CallPlan plan) => plan is { Refusal: null, Tool: { } tool } && Approvals.IsNeeded(tool.Description, input.Approval, _host.Options);

    private static (JsonElement Answer, string Stop) Answer(ModelAnswer answer, AgentInput input, string? stop)
    {
        string reason = stop ?? (answer.IsCut ? "cut" : "answered");
        if (input.OutputSchema is null)
        {
            return (Text(answer.Text), reason);
        }

        // Only an answer that was cut is no value of the schema.
        return answer.IsCut ? (JsonElement.Parse("null"), "cut") : (JsonElement.Parse(answer.Text), reason);
    }

    private static JsonElement LastText(AgentSession session, AgentInput input) => input.OutputSchema is not null ? JsonElement.Parse("null")
        : Text(session.Transcript.FindLast(static entry => entry.Kind == "turn" && entry.Text.Length > 0)?.Text ?? "");

    private static JsonElement Text(string text) => JsonSerializer.SerializeToElement(text.Trim(), AgentJson.Default.String);
}
