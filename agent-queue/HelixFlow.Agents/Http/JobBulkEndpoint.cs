using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>POST /jobs/bulk</c>: tries again, cancels or deletes all jobs that a filter matches.</summary>
/// <remarks>Each job is changed by itself, as if it had been asked for alone: what a crash leaves undone is done by asking again.</remarks>
internal sealed class JobBulkEndpoint(Journal.Journal journal)
{
    private const int MostJobs = 1_000;
    private const int LongestName = 200;

    private enum BulkAction
    {
        Retry,
        Cancel,
        Delete,
    }

    public async Task HandleAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        BulkAction action = fields.Word<BulkAction>("action") ?? throw fields.Wrong("action", $"is missing: one of {string.Join(", ", Words.Of<BulkAction>())}");
        RunPageFilter filter = Filter(fields, action);
        fields.Finish();
        string project = AgentBoundary.ProjectOf(context);
        RunPage page = await journal.PageAsync(project, filter, context.RequestAborted);
        var changed = new JsonArray();
        var unchanged = new JsonArray();
        foreach (RunRecord run in page.Runs.Reverse()) // those that wait again do so in the order in which they came
        {
            (await ActAsync(action, run, AgentBoundary.CallerOf(context), context.RequestAborted) ? changed : unchanged).Add(run.Id);
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, new JsonObject
        {
            ["object"] = "bulk",
            ["action"] = Words.Of(action),
            ["changed"] = changed,
            ["unchanged"] = unchanged,
            ["next_cursor"] = page.Next is { } next ? Pages.CursorOf(next) : null,
        });
    }

    private static RunPageFilter Filter(RequestFields fields, BulkAction action)
    {
        RunState[] possible = action switch
        {
            BulkAction.Retry => [RunState.Dead, RunState.Cancelled],
            BulkAction.Cancel => [RunState.Waiting, RunState.Ready, RunState.Running, RunState.Parked],
            _ => [RunState.Succeeded, RunState.Cancelled, RunState.Dead],
        };
        List<RunState> states = [.. fields.Texts("states", possible.Length, LongestName).Select(word =>
            Words.TryRead(word, out RunState state) && possible.Contains(state) ? state : throw fields.Wrong("states", $"may have {string.Join(", ", possible.Select(static one => Words.Of(one)))} for this action"))];
        if (states.Count == 0)
        {
            // What somebody has cancelled is not tried again, and what has failed not deleted, unless that is said.
            states.AddRange(action switch { BulkAction.Retry => [RunState.Dead], BulkAction.Cancel => possible, _ => [RunState.Succeeded, RunState.Cancelled] });
        }

        string? type = fields.Text("type", LongestName), cursor = fields.Text("cursor", 16);
        return new RunPageFilter(states, type, cursor is null ? null : Pages.PlaceOf(cursor) ?? throw fields.Wrong("cursor", "must be the 'next_cursor' of the answer before"), (int)(fields.Number("limit", 1, MostJobs) ?? MostJobs))
        {
            Schedule = fields.Text("schedule", LongestName), Parent = fields.Text("parent", LongestName), ErrorCode = fields.Text("error", LongestName),
            Labels = fields.TextsByName("labels", 16, 64, 512) ?? new Dictionary<string, string>(),
        };
    }

    /// <summary>Whether the job was changed: another may have been there first, or something may stand in the way.</summary>
    private async Task<bool> ActAsync(BulkAction action, RunRecord run, string by, CancellationToken cancellationToken) => action switch
    {
        BulkAction.Retry => await journal.RequeueAsync(run.Project, run.Id, null, by, cancellationToken) is { } again && again.Epoch != run.Epoch,
        BulkAction.Cancel => await journal.CancelAsync(run.Project, run.Id, by, cancellationToken) is { State: not (RunState.Succeeded or RunState.Dead) },
        _ => await journal.DeleteAsync(run.Project, run.Id, cancellationToken) == RunDeletion.Deleted,
    };
}
