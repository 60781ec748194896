using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>/job-types</c>: what jobs there can be, and whether workers take them.</summary>
internal sealed class JobTypeEndpoints(Journal.Journal journal, JobCatalog catalog)
{
    public async Task ListAsync(HttpContext context)
    {
        Dictionary<string, PausedType> paused = (await journal.PausedTypesAsync(context.RequestAborted)).ToDictionary(static type => type.Type, StringComparer.Ordinal);
        await AgentResponse.WriteAsync(
            context, StatusCodes.Status200OK, Pages.List(catalog.TypesOf(AgentBoundary.ProjectOf(context)).Select(type => Of(type, paused.GetValueOrDefault(type.Name)))));
    }

    /// <summary>Keeps workers from taking jobs of the type; those under way go on.</summary>
    public async Task PauseAsync(HttpContext context, string name)
    {
        JobTypeEntry type = await FindAsync(context, name);
        await journal.PauseTypeAsync(name, AgentBoundary.CallerOf(context), context.RequestAborted);
        await AnswerAsync(context, type);
    }

    public async Task ResumeAsync(HttpContext context, string name)
    {
        JobTypeEntry type = await FindAsync(context, name);
        await journal.ResumeTypeAsync(name, context.RequestAborted);
        await AnswerAsync(context, type);
    }

    private async Task<JobTypeEntry> FindAsync(HttpContext context, string name)
    {
        AgentBoundary.RequireAdmin(context);
        (await RequestFields.ReadAsync(context)).Finish();
        return catalog.TypesOf(AgentBoundary.ProjectOf(context)).FirstOrDefault(type => type.Name == name)
            ?? throw new AgentProblem(StatusCodes.Status404NotFound, "unknown_type", $"There is no job type '{AgentProblem.Shortened(name)}'.").AsException();
    }

    private async Task AnswerAsync(HttpContext context, JobTypeEntry type)
    {
        List<PausedType> paused = await journal.PausedTypesAsync(context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Of(type, paused.Find(one => one.Type == type.Name)));
    }

    private static JsonObject Of(JobTypeEntry type, PausedType? paused) => new()
    {
        ["name"] = type.Name,
        ["description"] = type.Description,
        ["input_schema"] = JobJson.Of(type.InputSchema),
        ["output_schema"] = JobJson.Of(type.OutputSchema),
        ["paused_at"] = paused is null ? null : JobJson.Time(paused.PausedAt),
        ["paused_by"] = paused?.PausedBy,
    };
}
