using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary><c>POST /jobs/batch</c>: several jobs that may depend on one another, all or none.</summary>
internal sealed class JobBatchEndpoint(Journal.Journal journal, JobCatalog catalog, JobEndpoints jobs, AgentOptions options, TimeProvider time)
{
    private const int MostJobs = 1_000;
    private const int LongestName = 64;

    public async Task HandleAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        IReadOnlyList<RequestFields> wanted = fields.Objects("jobs", MostJobs);
        if (wanted.Count == 0)
        {
            throw fields.Wrong("jobs", "is missing or empty");
        }

        fields.Finish();
        var requests = new List<NamedRequest>();
        foreach (RequestFields job in wanted)
        {
            NamedRequest request = Read(context, job, requests.Count);
            if (requests.Exists(other => other.Name == request.Name))
            {
                throw AgentProblem.WrongField($"/jobs/{requests.Count}/name", $"Another job has the name '{request.Name}'.").AsException();
            }

            await jobs.CheckSecretAsync(context, request.Request.Webhook, $"/jobs/{requests.Count}/webhook/secret_name");
            requests.Add(request);
        }

        BatchStart batch = await journal.RequestAllAsync(requests, context.RequestAborted);
        if (batch.Cycle is { } cycle)
        {
            throw new AgentProblem(StatusCodes.Status422UnprocessableEntity, "dependency_cycle", $"The jobs depend on one another in a circle: {string.Join(" → ", cycle)}.")
            {
                Pointer = $"/jobs/{requests.FindIndex(request => request.Name == cycle[0])}/depends_on",
            }.AsException();
        }

        if (batch.Refused is { } refused)
        {
            throw Within(JobEndpoints.RefusalOf(refused.Start)!, requests.FindIndex(request => request.Name == refused.Name)).AsException();
        }

        await AnswerAsync(context, requests, batch.Starts!);
    }

    private NamedRequest Read(HttpContext context, RequestFields job, int index)
    {
        string name = job.Text("name", LongestName) ?? throw job.Wrong("name", "is missing: the other jobs know it by its name");
        if (name.StartsWith("job_", StringComparison.Ordinal))
        {
            throw job.Wrong("name", "must not begin with 'job_', as ids do");
        }

        string? key = job.Text("idempotency_key", 255) ?? (JobSubmission.KeyOf(context) is { } shared ? $"{shared}/{name}" : null);
        try
        {
            return new NamedRequest(name, JobSubmission.Read(context, job, catalog, options, time, out _) with { Key = key });
        }
        catch (AgentProblemException exception)
        {
            throw Within(exception.Problem, index).AsException();
        }
    }

    private async Task AnswerAsync(HttpContext context, List<NamedRequest> requests, IReadOnlyList<RunStart> starts)
    {
        var items = new List<JsonNode>();
        for (int i = 0; i < starts.Count; i++)
        {
            items.Add(new JsonObject
            {
                ["name"] = requests[i].Name,
                ["is_new"] = starts[i].Kind == RunStartKind.Created,
                ["job"] = await jobs.ShowAsync(context, starts[i].Run!),
            });
        }

        bool isNew = starts.Any(static start => start.Kind == RunStartKind.Created);
        await AgentResponse.WriteAsync(context, isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK, Pages.List(items));
    }

    /// <summary>A problem of one job of the batch.</summary>
    private static AgentProblem Within(AgentProblem problem, int index)
    {
        string pointer = problem.Pointer ?? "";
        return pointer.StartsWith("/jobs/", StringComparison.Ordinal) ? problem : problem with { Pointer = $"/jobs/{index}{(pointer.StartsWith('/') ? pointer : "")}" };
    }
}
