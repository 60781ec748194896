using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>What a person has decided about a call.</summary>
/// <param name="Arguments">The arguments to use.</param>
/// <param name="Rejection">Why it is not to be made; null when it is.</param>
/// <param name="By">Who decided.</param>
/// <param name="IsEdited">Whether the arguments are other ones than the model's.</param>
internal sealed record Approval(JsonElement Arguments, string? Rejection, string By, bool IsEdited);

/// <summary>Asks people about calls that must not be made without them.</summary>
internal static class Approvals
{
    private const string Destructive = "destructive";

    /// <summary>Whether a person must approve a tool's calls, by the job's policy or the operator's.</summary>
    public static bool IsNeeded(ToolDescription tool, ApprovalPolicy policy, ToolOptions options)
    {
        string effect = NameOf(tool.Effect);
        return policy.Tools.Contains(tool.Name) || policy.Tools.Contains("*") || policy.Effects.Contains(effect) || options.Approve.Contains(effect)
            || (tool.IsDestructive && (policy.Effects.Contains(Destructive) || options.Approve.Contains(Destructive)));
    }

    /// <summary>An effect class as inputs and outputs name it.</summary>
    public static string NameOf(EffectClass effect) => effect.ToString().ToLowerInvariant();

    /// <summary>Waits for the decision about a call. Arguments that an approver has edited are checked like the model's, and asked for again when they are wrong.</summary>
    /// <exception cref="RunSuspendedException">There is none yet.</exception>
    public static async Task<Approval> AskAsync(Run run, CallPlan plan, CallPlanner planner, QuestionExpiry? expiry, CancellationToken cancellationToken)
    {
        ToolDescription tool = plan.Tool!.Description;
        string? problem = null;
        for (int attempt = 1; ; attempt++)
        {
            string address = attempt == 1 ? $"{plan.Address}/approval" : $"{plan.Address}/approval/{attempt}";
            JsonElement answer = await run.AskAsync(address, Question(tool, plan.Arguments, problem), expiry, cancellationToken).ConfigureAwait(false);
            string by = Text(answer, "by") ?? "somebody";
            string? reason = Text(answer, "reason");
            if (Text(answer, "decision") != "approve")
            {
                return new Approval(plan.Arguments, reason ?? "no reason was given", by, false);
            }

            if (!answer.TryGetProperty("arguments", out JsonElement edited) || JsonElement.DeepEquals(edited, plan.Arguments))
            {
                return new Approval(plan.Arguments, null, by, false);
            }

            problem = planner.Check(tool.Name, edited);
            if (problem is null)
            {
                return new Approval(edited, null, by, true);
            }
        }
    }

    private static JsonElement Question(ToolDescription tool, JsonElement arguments, string? problem)
    {
        var question = new JsonObject
        {
            ["kind"] = "approval",
            ["tool"] = tool.Name,
            ["description"] = tool.Description,
            ["effect"] = NameOf(tool.Effect),
            ["arguments"] = JsonNode.Parse(arguments.GetRawText()),
        };
        if (problem is not null)
        {
            question["problem"] = problem;
        }

        return JsonElement.Parse(question.ToJsonString());
    }

    private static string? Text(JsonElement answer, string name) =>
        answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
