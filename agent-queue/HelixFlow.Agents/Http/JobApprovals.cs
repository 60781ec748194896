using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>What jobs ask people before they go on, and the answers.</summary>
internal sealed class JobApprovals(Journal.Journal journal, JobEndpoints jobs)
{
    private const int LongestReason = 4000;

    public async Task ListAsync(HttpContext context, string id)
    {
        RunRecord run = await jobs.FindAsync(context, id);
        List<QuestionRecord> questions = await journal.QuestionsAsync(run.Project, id, context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(questions.Select(Of)));
    }

    /// <summary>Approves what a job asks for, perhaps with other arguments, or rejects it. The first answer counts.</summary>
    public async Task AnswerAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        RunRecord run = await jobs.FindAsync(context, id);
        string address = fields.Text("address", 1000) ?? throw fields.Wrong("address", "is missing");
        string decision = fields.Text("decision", 20) is { } word && word is "approve" or "reject" ? word : throw fields.Wrong("decision", "must be 'approve' or 'reject'");
        string? reason = fields.Text("reason", LongestReason);
        JsonElement? arguments = fields.Value("arguments");
        fields.Finish();
        if (arguments is { } edited && (decision == "reject" || edited.ValueKind != JsonValueKind.Object))
        {
            throw fields.Wrong("arguments", "must be an object, and belongs to the decision 'approve'");
        }

        var answer = new JsonObject { ["decision"] = decision, ["by"] = AgentBoundary.CallerOf(context) };
        if (reason is not null)
        {
            answer["reason"] = reason;
        }

        if (arguments is { } given)
        {
            answer["arguments"] = JobJson.Of(given);
        }

        AnswerOutcome outcome = await journal.AnswerAsync(run.Project, id, address, JsonElement.Parse(answer.ToJsonString()), context.RequestAborted);
        (int status, string code, string detail) = outcome switch
        {
            AnswerOutcome.Taken => (StatusCodes.Status202Accepted, "", ""),
            AnswerOutcome.UnknownRun => throw AgentProblem.UnknownJob(id).AsException(),
            AnswerOutcome.NotAsked => (StatusCodes.Status409Conflict, "not_asked", $"The job has asked nothing at '{AgentProblem.Shortened(address)}'."),
            AnswerOutcome.Expired => (StatusCodes.Status409Conflict, "expired", $"What the job has asked at '{AgentProblem.Shortened(address)}' was not answered in time."),
            AnswerOutcome.Answered => (StatusCodes.Status409Conflict, "already_answered", $"What the job has asked at '{AgentProblem.Shortened(address)}' has been answered."),
            _ => (StatusCodes.Status409Conflict, "has_ended", "The job has ended."),
        };
        if (outcome != AnswerOutcome.Taken)
        {
            throw new AgentProblem(status, code, detail) { Job = id }.AsException();
        }

        await AgentResponse.WriteAsync(context, status, await jobs.ShowAsync(context, await jobs.FindAsync(context, id)));
    }

    private static JsonObject Of(QuestionRecord question) => new()
    {
        ["address"] = question.Address,
        ["state"] = question.HasExpired ? "expired" : question.Answer is { } answer ? answer.TryGetProperty("decision", out JsonElement decision) && decision.GetString() == "reject" ? "rejected" : "approved" : "pending",
        ["asked_at"] = JobJson.Time(question.AskedAt),
        ["expires_at"] = JobJson.Time(question.ExpiresAt),
        ["question"] = JobJson.Of(question.Question),
        ["answer"] = question.Answer is { } given ? JobJson.Of(given) : null,
    };
}
