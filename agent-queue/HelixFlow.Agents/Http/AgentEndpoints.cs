using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Mcp;
using HelixFlow.Agents.Runs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Http;

/// <summary>Puts the agent queue's HTTP API into a host.</summary>
/// <remarks>The host registers a <see cref="Journal.Journal"/>, an <see cref="Schemas.IKeyAuthority"/> and its <see cref="IJobType"/>s.</remarks>
public static class AgentEndpoints
{
    internal const string Root = "/api/v1/agent";

    /// <summary>Registers the API's parts.</summary>
    public static IServiceCollection AddAgents(this IServiceCollection services, AgentOptions options)
    {
        services.TryAddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(static services => new JobCatalog(services.GetServices<IJobType>()));
        services.TryAddSingleton<AgentBoundary>();
        services.TryAddSingleton<JobChanges>();
        services.TryAddSingleton<JobEndpoints>();
        services.TryAddSingleton<JobListEndpoint>();
        services.TryAddSingleton<JobTypeEndpoints>();
        services.TryAddSingleton<JobActions>();
        services.TryAddSingleton<JobFeed>();
        services.TryAddSingleton<JobApprovals>();
        services.TryAddSingleton<JobEventEndpoint>();
        services.TryAddSingleton<WorkerListEndpoint>();
        services.TryAddSingleton<ArtifactEndpoints>();
        services.TryAddSingleton<StalenessCheck>();
        services.TryAddSingleton<StalenessEndpoint>();
        services.TryAddSingleton<CollectionEndpoint>();
        services.TryAddSingleton<JobBatchEndpoint>();
        services.TryAddSingleton<JobBulkEndpoint>();
        services.TryAddSingleton<TaskTools>();
        services.TryAddSingleton<McpEndpoint>();
        services.TryAddSingleton<ScheduleEndpoints>();
        services.TryAddSingleton<WebhookEndpoints>();
        services.AddSignalR(hub => hub.MaximumParallelInvocationsPerClient = 8);
        services.AddLogging(static logging => logging
            .AddFilter("Microsoft.AspNetCore.SignalR.Internal.DefaultHubDispatcher", LogLevel.Critical) // clients' mistakes are errors there; our own we log ourselves
            .AddFilter("ModelContextProtocol", LogLevel.Critical));
        return services;
    }

    /// <summary>Maps the routes; call it once, on the host's pipeline.</summary>
    /// <exception cref="ArgumentException">A job type's schema is wrong, or says more than can be checked.</exception>
    public static void MapAgents(this WebApplication app)
    {
        _ = app.Services.GetRequiredService<JobCatalog>(); // a type that cannot be served is said before the host starts
        AgentBoundary boundary = app.Services.GetRequiredService<AgentBoundary>();
        app.MapGet(Root + "/openapi.json", static () => Results.Stream(
            typeof(AgentEndpoints).Assembly.GetManifestResourceStream("HelixFlow.Agents.Http.openapi.json")!, "application/json"));
        app.MapHub<JobHub>(Root + "/hub").Finally(hub => hub.RequestDelegate = boundary.Guard(hub.RequestDelegate!, allowsParameter: true));
        MapMcp(app, boundary);
        RouteGroupBuilder api = app.MapGroup(Root);
        api.AddEndpointFilterFactory((_, next) => invocation => boundary.InvokeAsync(invocation, next));

        api.MapPost("/jobs", static (HttpContext context, JobEndpoints jobs) => jobs.SubmitAsync(context));
        api.MapPost("/jobs/batch", static (HttpContext context, JobBatchEndpoint batch) => batch.HandleAsync(context));
        api.MapPost("/jobs/bulk", static (HttpContext context, JobBulkEndpoint bulk) => bulk.HandleAsync(context));
        api.MapGet("/jobs", static (HttpContext context, JobListEndpoint list) => list.ListAsync(context));
        api.MapGet("/jobs/{id}", static (HttpContext context, string id, JobEndpoints jobs) => jobs.GetAsync(context, id));
        api.MapDelete("/jobs/{id}", static (HttpContext context, string id, JobActions actions) => actions.DeleteAsync(context, id));
        api.MapPost("/jobs/{id}/cancel", static (HttpContext context, string id, JobActions actions) => actions.CancelAsync(context, id));
        api.MapPost("/jobs/{id}/retry", static (HttpContext context, string id, JobActions actions) => actions.RetryAsync(context, id));
        api.MapPost("/jobs/{id}/fork", static (HttpContext context, string id, JobEndpoints jobs) => jobs.ForkAsync(context, id));
        api.MapPost("/jobs/{id}/why-stale", static (HttpContext context, string id, StalenessEndpoint staleness) => staleness.HandleAsync(context, id));
        api.MapPost("/jobs/{id}/signals/{name}", static (HttpContext context, string id, string name, JobActions actions) => actions.SignalAsync(context, id, name));
        api.MapPost("/jobs/{id}/decisions", static (HttpContext context, string id, JobActions actions) => actions.DecideAsync(context, id));
        api.MapGet("/jobs/{id}/approvals", static (HttpContext context, string id, JobApprovals approvals) => approvals.ListAsync(context, id));
        api.MapPost("/jobs/{id}/approvals", static (HttpContext context, string id, JobApprovals approvals) => approvals.AnswerAsync(context, id));
        api.MapGet("/jobs/{id}/events", static (HttpContext context, string id, JobEventEndpoint events) => events.HandleAsync(context, id));
        api.MapGet("/jobs/{id}/steps", static (HttpContext context, string id, JobEndpoints jobs) => jobs.StepsAsync(context, id));
        api.MapGet("/jobs/{id}/result", static (HttpContext context, string id, JobEndpoints jobs) => jobs.ResultAsync(context, id));
        api.MapGet("/jobs/{id}/artifacts", static (HttpContext context, string id, ArtifactEndpoints artifacts) => artifacts.ListAsync(context, id));
        api.MapGet("/jobs/{id}/artifacts/{name}", static (HttpContext context, string id, string name, ArtifactEndpoints artifacts) => artifacts.GetAsync(context, id, name));
        api.MapGet("/jobs/{id}/values/{hash}", static (HttpContext context, string id, string hash, ArtifactEndpoints artifacts) => artifacts.GetValueAsync(context, id, hash));
        api.MapPost("/artifacts", static (HttpContext context, ArtifactEndpoints artifacts) => artifacts.UploadAsync(context));
        api.MapGet("/artifacts/{hash}", static (HttpContext context, string hash, ArtifactEndpoints artifacts) => artifacts.GetUploadAsync(context, hash));
        api.MapGet("/job-types", static (HttpContext context, JobTypeEndpoints types) => types.ListAsync(context));
        api.MapPost("/job-types/{name}/pause", static (HttpContext context, string name, JobTypeEndpoints types) => types.PauseAsync(context, name));
        api.MapPost("/job-types/{name}/resume", static (HttpContext context, string name, JobTypeEndpoints types) => types.ResumeAsync(context, name));
        api.MapPost("/collections", static (HttpContext context, CollectionEndpoint collections) => collections.HandleAsync(context));
        api.MapGet("/dead-letters", static (HttpContext context, JobListEndpoint list) => list.ListDeadAsync(context));
        api.MapGet("/workers", static (HttpContext context, WorkerListEndpoint workers) => workers.HandleAsync(context));
        MapSchedules(api);
        MapWebhooks(api);
    }

    /// <summary>The Model Context Protocol: messages are posted, and there are neither sessions nor streams without a request.</summary>
    private static void MapMcp(WebApplication app, AgentBoundary boundary)
    {
        McpEndpoint mcp = app.Services.GetRequiredService<McpEndpoint>();
        app.MapPost("/mcp", mcp.GuardOrigin(boundary.Guard(mcp.PostAsync, allowsParameter: false)));
        RequestDelegate refuse = static context =>
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            context.Response.Headers.Allow = HttpMethods.Post;
            return Task.CompletedTask;
        };
        app.MapMethods("/mcp", [HttpMethods.Get, HttpMethods.Delete], refuse);
    }

    private static void MapWebhooks(RouteGroupBuilder api)
    {
        api.MapGet("/webhook-deliveries", static (HttpContext context, WebhookEndpoints webhooks) => webhooks.ListAsync(context));
        api.MapGet("/webhook-deliveries/{id}", static (HttpContext context, string id, WebhookEndpoints webhooks) => webhooks.GetAsync(context, id));
        api.MapPost("/webhook-deliveries/{id}/redeliver", static (HttpContext context, string id, WebhookEndpoints webhooks) => webhooks.RedeliverAsync(context, id));
        api.MapGet("/webhook-secrets", static (HttpContext context, WebhookEndpoints webhooks) => webhooks.ListSecretsAsync(context));
        api.MapPut("/webhook-secrets/{name}", static (HttpContext context, string name, WebhookEndpoints webhooks) => webhooks.PutSecretAsync(context, name));
        api.MapDelete("/webhook-secrets/{name}", static (HttpContext context, string name, WebhookEndpoints webhooks) => webhooks.DeleteSecretAsync(context, name));
    }

    private static void MapSchedules(RouteGroupBuilder api)
    {
        api.MapPost("/schedules", static (HttpContext context, ScheduleEndpoints schedules) => schedules.CreateAsync(context));
        api.MapGet("/schedules", static (HttpContext context, ScheduleEndpoints schedules) => schedules.ListAsync(context));
        api.MapPost("/schedules/preview", static (HttpContext context, ScheduleEndpoints schedules) => schedules.PreviewAsync(context));
        api.MapGet("/schedules/{id}", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.GetAsync(context, id));
        api.MapPut("/schedules/{id}", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.PutAsync(context, id));
        api.MapDelete("/schedules/{id}", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.DeleteAsync(context, id));
        api.MapPost("/schedules/{id}/pause", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.PauseAsync(context, id));
        api.MapPost("/schedules/{id}/resume", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.ResumeAsync(context, id));
        api.MapPost("/schedules/{id}/run", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.RunAsync(context, id));
        api.MapGet("/schedules/{id}/preview", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.PreviewAsync(context, id));
        api.MapGet("/schedules/{id}/fires", static (HttpContext context, string id, ScheduleEndpoints schedules) => schedules.ListFiresAsync(context, id));
    }
}
