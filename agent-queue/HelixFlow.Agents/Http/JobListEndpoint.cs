using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>GET /jobs</c> and <c>GET /dead-letters</c>: a project's jobs, page by page, newest first.</summary>
internal sealed class JobListEndpoint(Journal.Journal journal, JobEndpoints jobs, TimeProvider time)
{
    private const int MostLabels = 16;

    private static readonly string[] _parameters = ["type", "schedule", "parent", "error", "label", "cursor", "limit", "include"];

    public Task ListAsync(HttpContext context)
    {
        Check(context, [.. _parameters, "state"]);
        return WritePageAsync(context, States(context));
    }

    /// <summary>Jobs that have failed for good, with what is needed to see why and to try them again.</summary>
    public Task ListDeadAsync(HttpContext context)
    {
        Check(context, _parameters);
        return WritePageAsync(context, [RunState.Dead]);
    }

    /// <summary>Refuses what is no parameter: a filter that is misspelt would match all jobs.</summary>
    private static void Check(HttpContext context, string[] parameters)
    {
        if (context.Request.Query.Keys.FirstOrDefault(name => !parameters.Contains(name)) is { } unknown)
        {
            throw AgentProblem.WrongParameter(AgentProblem.Shortened(unknown), $"There is no parameter '{AgentProblem.Shortened(unknown)}' here; there are {string.Join(", ", parameters.Order(StringComparer.Ordinal))}.").AsException();
        }
    }

    private async Task WritePageAsync(HttpContext context, IReadOnlyCollection<RunState> states)
    {
        string project = AgentBoundary.ProjectOf(context);
        var filter = new RunPageFilter(states, Parameter(context, "type"), Pages.Cursor(context), jobs.Limit(context))
        {
            Schedule = Parameter(context, "schedule"), Parent = Parameter(context, "parent"), ErrorCode = Parameter(context, "error"), Labels = Labels(context),
        };
        RunPage page = await journal.PageAsync(project, filter, context.RequestAborted);
        var usual = new Dictionary<string, long?>(StringComparer.Ordinal);
        foreach (string name in page.Runs.Where(static run => run.State is RunState.Ready or RunState.Running).Select(static run => run.Type).Distinct(StringComparer.Ordinal))
        {
            usual.Add(name, await journal.UsualDurationAsync(project, name, context.RequestAborted));
        }

        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var items = new List<JsonNode>(page.Runs.Count);
        foreach (RunRecord run in page.Runs)
        {
            items.Add(await jobs.CompleteAsync(context, run, JobJson.Of(run, usual.GetValueOrDefault(run.Type), now)));
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(items, page.Next));
    }

    private static string? Parameter(HttpContext context, string name) => context.Request.Query[name].ToString() is { Length: > 0 } value ? value : null;

    private static Dictionary<string, string> Labels(HttpContext context)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string? label in context.Request.Query["label"])
        {
            string[] parts = (label ?? "").Split('=', 2);
            if (parts is not [{ Length: > 0 } name, var value] || labels.Count == MostLabels || !labels.TryAdd(name, value))
            {
                throw AgentProblem.WrongParameter("label", $"'label' must be NAME=VALUE; it may be there {MostLabels} times, each time with another name.").AsException();
            }
        }

        return labels;
    }

    private static List<RunState> States(HttpContext context)
    {
        var states = new List<RunState>();
        foreach (string word in context.Request.Query["state"].SelectMany(static value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)))
        {
            states.Add(Words.TryRead(word, out RunState state)
                ? state
                : throw AgentProblem.WrongParameter("state", $"'state' must be one of {string.Join(", ", Words.Of<RunState>())}, or several of them joined by commas.").AsException());
        }

        return states;
    }
}
