using System.Globalization;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using HelixFlow.Agents.Webhooks;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>Submitting and reading jobs. A job of another project is not there.</summary>
internal sealed class JobEndpoints(Journal.Journal journal, JobCatalog catalog, AgentOptions options, TimeProvider time)
{
    public async Task SubmitAsync(HttpContext context)
    {
        RunRequest request = JobSubmission.Read(context, await RequestFields.ReadAsync(context), catalog, options, time, out bool isDelayed);
        await CheckSecretAsync(context, request.Webhook, "/webhook/secret_name");
        RunStart start = await journal.RequestAsync(request, context.RequestAborted);
        if (start.Kind == RunStartKind.Conflict && isDelayed)
        {
            // A delay counts from the first request: asked again with the same key, it is not another job because time has passed.
            List<NumberedEvent> first = await journal.EventsAsync(request.Project, start.Run!.Id, 0, 1, context.RequestAborted);
            if (first is [{ Event: JournalEvent.Requested { NotBefore: > 0 } asked }])
            {
                start = await journal.RequestAsync(request with { NotBefore = asked.NotBefore }, context.RequestAborted);
            }
        }

        await AnswerAsync(context, start);
    }

    public async Task ForkAsync(HttpContext context, string id)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        RunRecord source = await FindAsync(context, id);
        string? from = fields.Text("from", 1000);
        byte[] input = fields.Value("input") is { } edited
            ? JobSubmission.Checked(catalog, source.Project, source.Type, edited, "/input")
            : await journal.ReadAsync(source.Input, context.RequestAborted);
        var request = new RunRequest
        {
            Project = source.Project, Type = source.Type, Input = input, Priority = source.Priority, Labels = source.Labels, Options = source.Options, ForkOf = source.Id, ForkFrom = from,
        };
        request = JobSubmission.ReadOptions(context, fields, request, options);
        fields.Finish();
        if (from is not null && !(await journal.StepsAsync(source.Project, id, context.RequestAborted)).Exists(step => step.Address == from))
        {
            throw AgentProblem.UnknownStep(id, from).AsException();
        }

        await CheckSecretAsync(context, request.Webhook, "/webhook/secret_name");
        await AnswerAsync(context, await journal.RequestAsync(request, context.RequestAborted));
    }

    public async Task GetAsync(HttpContext context, string id)
    {
        RunRecord run = await FindAsync(context, id);
        JsonObject json = await ShowAsync(context, run);
        json["artifacts"] = new JsonArray([.. (await journal.ArtifactsAsync(run.Project, id, context.RequestAborted)).Select(JobJson.Of)]);
        if (await journal.RelationsAsync(run.Project, id, context.RequestAborted) is { } relations)
        {
            json["parent"] = relations.Parent;
            json["forked_from"] = relations.ForkedFrom;
            json["children"] = relations.Children;
            json["waits_for"] = JobJson.WaitOf(run, relations);
        }

        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, json);
    }

    public async Task StepsAsync(HttpContext context, string id)
    {
        RunRecord run = await FindAsync(context, id);
        List<StepRecord> steps = await journal.StepsAsync(run.Project, id, context.RequestAborted);
        Dictionary<string, StepUsage> usages = run.Usage.ModelCalls == 0 ? [] : await journal.StepUsagesAsync(run.Project, id, context.RequestAborted);
        await AgentResponse.WriteAsync(context, StatusCodes.Status200OK, Pages.List(steps.Select(step => JobJson.Of(step, usages.GetValueOrDefault(step.Address)))));
    }

    public async Task ResultAsync(HttpContext context, string id)
    {
        RunRecord run = await FindAsync(context, id);
        if (run.Output is null)
        {
            throw (run.HasEnded
                ? new AgentProblem(StatusCodes.Status409Conflict, "no_result", $"The job has ended as {Words.Of(run.State)}{(run.Error is { } error ? $": {error.Message}" : ".")}") { Job = id }
                : new AgentProblem(StatusCodes.Status409Conflict, "not_ended", "The job has not ended yet; follow /events, or ask again later.") { Job = id }).AsException();
        }

        byte[] output = await journal.ReadAsync(run.Output, context.RequestAborted);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = output.Length;
        context.Response.Headers.ETag = $"\"{ValueReference.HashOf(run.Output)}\"";
        await context.Response.Body.WriteAsync(output, context.RequestAborted);
    }

    /// <summary>A job as it stands, for the answers of other endpoints too.</summary>
    public async Task<JsonObject> ShowAsync(HttpContext context, RunRecord run)
    {
        long? usual = run.State is RunState.Ready or RunState.Running ? await journal.UsualDurationAsync(run.Project, run.Type, context.RequestAborted) : null;
        JsonObject json = JobJson.Of(run, usual, time.GetUtcNow().ToUnixTimeMilliseconds());
        return await CompleteAsync(context, run, json);
    }

    /// <exception cref="AgentProblemException">The project has no such job.</exception>
    public async Task<RunRecord> FindAsync(HttpContext context, string id) =>
        await journal.GetAsync(AgentBoundary.ProjectOf(context), id, context.RequestAborted) ?? throw AgentProblem.UnknownJob(id).AsException();

    /// <summary>Refuses a receiver whose secret the project does not have.</summary>
    public async Task CheckSecretAsync(HttpContext context, WebhookTarget? target, string pointer)
    {
        if (target?.SecretName is { } name && !(await journal.SecretsAsync(AgentBoundary.ProjectOf(context), context.RequestAborted)).Exists(secret => secret.Name == name))
        {
            throw new AgentProblem(StatusCodes.Status422UnprocessableEntity, "unknown_secret", $"There is no secret '{AgentProblem.Shortened(name)}' in this project.") { Pointer = pointer }.AsException();
        }
    }

    /// <summary>Answers with a job that was asked for, or says why there is none.</summary>
    public async Task AnswerAsync(HttpContext context, RunStart start)
    {
        if (RefusalOf(start) is { } refusal)
        {
            throw refusal.AsException();
        }

        context.Response.Headers.Location = $"{AgentEndpoints.Root}/jobs/{start.Run!.Id}";
        await AgentResponse.WriteAsync(
            context, start.Kind == RunStartKind.Created ? StatusCodes.Status201Created : StatusCodes.Status200OK, await ShowAsync(context, start.Run));
    }

    /// <summary>Why there is no run; null when there is one.</summary>
    public static AgentProblem? RefusalOf(RunStart start) => start.Kind switch
    {
        RunStartKind.Conflict => new AgentProblem(StatusCodes.Status409Conflict, "idempotency_key_reused", $"The key was used before for another request, which gave the job {start.Run!.Id}.")
        {
            Job = start.Run.Id, Pointer = JobSubmission.KeyHeader,
        },
        RunStartKind.UnknownRun => new AgentProblem(StatusCodes.Status422UnprocessableEntity, "unknown_dependency", $"There is no job '{AgentProblem.Shortened(start.Unknown!)}' in this project.")
        {
            Pointer = "/depends_on",
        },
        RunStartKind.UnknownArtifact => AgentProblem.UnknownArtifact(start.Unknown!),
        RunStartKind.Created or RunStartKind.Existing => null,
        _ => throw new ArgumentOutOfRangeException(nameof(start)),
    };

    /// <summary>Adds what stands in other tables than the job's own.</summary>
    public async Task<JsonObject> CompleteAsync(HttpContext context, RunRecord run, JsonObject json)
    {
        json["webhook"] = WebhookEndpoints.Of(await journal.WebhookAsync(run, context.RequestAborted));
        switch (context.Request.Query["include"].ToString())
        {
            case "":
                return json;
            case "input":
                json["input"] = JsonNode.Parse(await journal.ReadAsync(run.Input, context.RequestAborted));
                return json;
            default:
                throw AgentProblem.WrongParameter("include", "'include' may be 'input'.").AsException();
        }
    }

    /// <summary>How many a page may have.</summary>
    public int Limit(HttpContext context)
    {
        string text = context.Request.Query["limit"].ToString();
        return text.Length == 0 ? options.PageLimit
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) && limit > 0 && limit <= options.MaxPageLimit ? limit
            : throw AgentProblem.WrongParameter("limit", $"'limit' must be a whole number from 1 to {options.MaxPageLimit}.").AsException();
    }
}
