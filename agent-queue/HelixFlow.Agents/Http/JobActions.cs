using System.Text.Json;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>What can be done to a job that was submitted.</summary>
internal sealed class JobActions(Journal.Journal journal, JobCatalog catalog, JobEndpoints jobs)
{
    private const int LongestName = 200;

    /// <summary>200 when the job has ended by it, 202 when its worker has yet to stop.</summary>
    public async Task CancelAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        fields.Finish();
        RunRecord run = await journal.CancelAsync(AgentBoundary.ProjectOf(context), id, AgentBoundary.CallerOf(context), context.RequestAborted)
            ?? throw AgentProblem.UnknownJob(id).AsException();
        if (run.State is RunState.Succeeded or RunState.Dead)
        {
            throw Ended(run);
        }

        await AnswerAsync(context, run.HasEnded ? StatusCodes.Status200OK : StatusCodes.Status202Accepted, run);
    }

    /// <summary>Requeues a dead or cancelled job, perhaps with another input.</summary>
    public async Task RetryAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        RunRecord before = await jobs.FindAsync(context, id);
        byte[]? input = fields.Value("input") is { } edited ? JobSubmission.Checked(catalog, before.Project, before.Type, edited, "/input") : null;
        fields.Finish();
        if (input is not null && await journal.FindMissingFileAsync(before.Project, input, context.RequestAborted) is { } missing)
        {
            throw AgentProblem.UnknownArtifact(missing).AsException();
        }

        RunRecord run = await journal.RequeueAsync(
            before.Project, id, input is null ? null : (ReadOnlyMemory<byte>?)input, AgentBoundary.CallerOf(context), context.RequestAborted) ?? throw AgentProblem.UnknownJob(id).AsException();
        if (run.Epoch == before.Epoch)
        {
            throw new AgentProblem(StatusCodes.Status409Conflict, "not_retryable", $"Only dead and cancelled jobs can be tried again; this one is {Words.Of(run.State)}.") { Job = id }.AsException();
        }

        await AnswerAsync(context, StatusCodes.Status200OK, run);
    }

    /// <summary>Tells a job something; the body is any JSON value.</summary>
    public async Task SignalAsync(HttpContext context, string id, string name)
    {
        if (name.Length > LongestName)
        {
            throw AgentProblem.WrongParameter("name", $"A signal's name may have {LongestName} characters at most.").AsException();
        }

        JsonElement body = await RequestFields.ReadValueAsync(context) ?? JsonElement.Parse("null");
        RunRecord before = await jobs.FindAsync(context, id);
        RunRecord run = before.HasEnded
            ? throw Ended(before)
            : await journal.SignalAsync(before.Project, id, name, body, context.RequestAborted) ?? throw AgentProblem.UnknownJob(id).AsException();
        await AnswerAsync(context, StatusCodes.Status202Accepted, run);
    }

    /// <summary>Says what became of a step whose outcome nobody knows.</summary>
    public async Task DecideAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        RunRecord before = await jobs.FindAsync(context, id);
        string address = fields.Text("address", 1000) ?? throw fields.Wrong("address", "is missing");
        string? outcome = fields.Text("outcome", 20);
        JsonElement? output = fields.Value("output");
        fields.Finish();
        byte[]? value = (outcome, output) switch
        {
            ("succeeded", { } given) => CanonicalJson.Of(given),
            ("succeeded", null) => throw fields.Wrong("output", "is missing: say what the step's output was"),
            ("retry", null) => null,
            ("retry", _) => throw fields.Wrong("output", "belongs to the outcome 'succeeded'"),
            _ => throw fields.Wrong("outcome", "must be 'succeeded' or 'retry'"),
        };
        List<StepRecord> steps = await journal.StepsAsync(before.Project, id, context.RequestAborted);
        if (before.State != RunState.Parked || !steps.Exists(step => step.Address == address && step.State == StepState.Started))
        {
            throw new AgentProblem(StatusCodes.Status409Conflict, "step_not_in_doubt", $"The job {id} has no step '{AgentProblem.Shortened(address)}' whose outcome is unknown.") { Job = id }.AsException();
        }

        RunRecord run = await journal.DecideStepAsync(
            before.Project, id, address, value is null ? null : (ReadOnlyMemory<byte>?)value, AgentBoundary.CallerOf(context), context.RequestAborted) ?? throw AgentProblem.UnknownJob(id).AsException();
        await AnswerAsync(context, StatusCodes.Status200OK, run);
    }

    /// <summary>Removes a job that has ended, with all that was recorded of it.</summary>
    public async Task DeleteAsync(HttpContext context, string id)
    {
        switch (await journal.DeleteAsync(AgentBoundary.ProjectOf(context), id, context.RequestAborted))
        {
            case RunDeletion.Deleted:
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                break;
            case RunDeletion.NotEnded:
                throw new AgentProblem(StatusCodes.Status409Conflict, "not_ended", "Only jobs that have ended can be deleted; cancel it first.") { Job = id }.AsException();
            case RunDeletion.InUse:
                throw new AgentProblem(StatusCodes.Status409Conflict, "in_use", "A job that has not ended waits for this one or uses what it recorded.") { Job = id }.AsException();
            default:
                throw AgentProblem.UnknownJob(id).AsException();
        }
    }

    private async Task AnswerAsync(HttpContext context, int status, RunRecord run) => await AgentResponse.WriteAsync(context, status, await jobs.ShowAsync(context, run));

    private static AgentProblemException Ended(RunRecord run) =>
        new AgentProblem(StatusCodes.Status409Conflict, "has_ended", $"The job has ended as {Words.Of(run.State)}.") { Job = run.Id }.AsException();
}
