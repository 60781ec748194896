using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>POST /jobs/{id}/why-stale</c>: what a fork of a job would do, and why, without doing it.</summary>
internal sealed class StalenessEndpoint(Journal.Journal journal, JobCatalog catalog, JobEndpoints jobs, StalenessCheck check)
{
    public async Task HandleAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        RunRecord source = await jobs.FindAsync(context, id);
        string? from = fields.Text("from", 1000);
        byte[]? input = fields.Value("input") is { } edited ? JobSubmission.Checked(catalog, source.Project, source.Type, edited, "/input") : null;
        fields.Finish();
        IJobType type = catalog.Find(source.Type)
            ?? throw new AgentProblem(StatusCodes.Status422UnprocessableEntity, "unknown_type", $"This server has no job type '{source.Type}' any more.") { Job = id }.AsException();
        if (!source.HasEnded)
        {
            throw new AgentProblem(StatusCodes.Status409Conflict, "not_ended", "What would be done again is known of jobs that have ended.") { Job = id }.AsException();
        }

        await CheckAsync(context, source, from, input);
        Staleness found = await check.ExplainAsync(type, source, input is null ? null : (ReadOnlyMemory<byte>?)input, from, context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Of(source, found));
    }

    private async Task CheckAsync(HttpContext context, RunRecord source, string? from, byte[]? input)
    {
        if (input is not null && await journal.FindMissingFileAsync(source.Project, input, context.RequestAborted) is { } missing)
        {
            throw AgentProblem.UnknownArtifact(missing).AsException();
        }

        if (from is not null && !(await journal.StepsAsync(source.Project, source.Id, context.RequestAborted)).Exists(step => step.Address == from))
        {
            throw AgentProblem.UnknownStep(source.Id, from).AsException();
        }
    }

    private static JsonObject Of(RunRecord source, Staleness found) => new()
    {
        ["object"] = "staleness",
        ["job"] = source.Id,
        ["is_complete"] = found.IsComplete,
        ["stopped"] = found.Stopped,
        ["counts"] = new JsonObject(Enum.GetValues<StepVerdict>().Select(verdict => KeyValuePair.Create(
            Words.Of(verdict), (JsonNode?)found.Steps.Count(step => step.Verdict == verdict)))),
        ["steps"] = new JsonArray([.. found.Steps.Select(static step => new JsonObject
        {
            ["address"] = step.Address,
            ["executor"] = step.Executor,
            ["verdict"] = Words.Of(step.Verdict),
            ["reason"] = step.Reason == StaleReason.None ? null : Words.Of(step.Reason),
            ["detail"] = step.Detail.Length == 0 ? null : step.Detail,
            ["changed"] = new JsonArray([.. step.Changed.Select(static place => (JsonNode)place)]),
            ["depends_on"] = new JsonArray([.. step.DependsOn.Select(static address => (JsonNode)address)]),
        })]),
    };
}
