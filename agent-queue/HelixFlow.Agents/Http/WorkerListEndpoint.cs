using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>Who works, and on which of the project's jobs.</summary>
internal sealed class WorkerListEndpoint(Journal.Journal journal)
{
    private const int MostJobs = 10_000;

    public async Task HandleAsync(HttpContext context)
    {
        string project = AgentBoundary.ProjectOf(context);
        List<HeldRun> held = await journal.HeldAsync(project, MostJobs, context.RequestAborted);
        List<WorkerEntry> workers = await journal.WorkersAsync(context.RequestAborted);
        ILookup<string, HeldRun> jobs = held.ToLookup(static run => run.Run.Worker ?? "", StringComparer.Ordinal);
        var known = new Dictionary<string, WorkerEntry>(StringComparer.Ordinal);
        foreach (WorkerEntry worker in workers.Where(worker => worker.Project is null || worker.Project == project))
        {
            known[worker.Name] = worker;
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. known.Keys.Union(jobs.Select(static group => group.Key), StringComparer.Ordinal).Order(StringComparer.Ordinal)
                .Select(name => Of(name, known.GetValueOrDefault(name), jobs[name]))]),
        });
    }

    // One that has not said that it is there, or not for some time, may hold jobs all the same until their leases end.
    private static JsonObject Of(string name, WorkerEntry? worker, IEnumerable<HeldRun> jobs) => new()
    {
        ["worker"] = name,
        ["host"] = worker?.Host,
        ["program"] = worker?.Program,
        ["slots"] = worker?.Slots,
        ["types"] = worker is null ? null : new JsonArray([.. worker.Types.Select(static type => (JsonNode)type)]),
        ["started_at"] = worker is null ? null : JobJson.Time(worker.StartedAt),
        ["last_seen_at"] = worker is null ? null : JobJson.Time(worker.SeenAt),
        ["jobs"] = new JsonArray([.. jobs.Select(static held => new JsonObject
        {
            ["id"] = held.Run.Id,
            ["type"] = held.Run.Type,
            ["attempt"] = held.Run.Attempt,
            ["started_at"] = JobJson.Time(held.Run.StartedAt),
            ["lease_until"] = JobJson.Time(held.LeaseUntil),
        })]),
    };
}
