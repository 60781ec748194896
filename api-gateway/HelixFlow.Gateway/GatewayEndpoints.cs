using HelixFlow.Gateway.ApiDocument;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Completions;
using HelixFlow.Gateway.Conversations;
using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Health;
using HelixFlow.Gateway.Metrics;
using HelixFlow.Gateway.Models;
using HelixFlow.Gateway.Nodes;
using HelixFlow.Gateway.Ranking;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Gateway.Tokens;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Gateway;

/// <summary>Puts the gateway into a host.</summary>
/// <remarks>The host registers an <see cref="IInferencePool"/>, an <see cref="IKeyAuthority"/> and an <see cref="IReadiness"/>.</remarks>
public static class GatewayEndpoints
{
    /// <summary>Registers the gateway's parts.</summary>
    public static IServiceCollection AddGateway(this IServiceCollection services, GatewayOptions options)
    {
        services.TryAddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<RequestMetrics>();
        services.TryAddSingleton<MeasuredPool>();
        services.TryAddSingleton<GatewayMetrics>();
        services.TryAddSingleton<BearerKey>();
        services.TryAddSingleton<IDatabase>(static services => SqliteDatabase.Open(
            Path.Combine(services.GetRequiredService<GatewayOptions>().DataFolder, "gateway.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/gateway")));
        services.TryAddSingleton(static services => new BlobFolder(Path.Combine(services.GetRequiredService<GatewayOptions>().DataFolder, "blobs")));
        services.TryAddSingleton<ChatCompletionEndpoint>();
        services.AddResponses();
        services.TryAddSingleton<CompletionEndpoint>();
        services.TryAddSingleton<EmbeddingBatches>();
        services.TryAddSingleton<EmbeddingEndpoint>();
        services.TryAddSingleton<RerankEndpoint>();
        services.TryAddSingleton<ScoreEndpoint>();
        services.TryAddSingleton<TokenizeEndpoint>();
        services.TryAddSingleton<DetokenizeEndpoint>();
        services.TryAddSingleton<ModelEndpoints>();
        services.TryAddSingleton<NodeEndpoints>();
        services.AddRouting();
        services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
            .WithOrigins([.. options.AllowedOrigins]).AllowAnyMethod().AllowAnyHeader().WithExposedHeaders("x-request-id", "retry-after")));
        return services;
    }

    /// <summary>Maps the gateway's routes; call it once, on the host's pipeline.</summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseMiddleware<RequestBoundary>();
        app.UseRouting();
        app.UseCors();

        RouteGroupBuilder api = WithKey(app.MapGroup("/v1"));
        api.MapPost("/chat/completions", static (HttpContext context, ChatCompletionEndpoint endpoint) => endpoint.HandleAsync(context));
        StoredCompletionEndpoints.Map(api);
        ResponseEndpoints.Map(api);
        ConversationEndpoints.Map(api);
        api.MapPost("/completions", static (HttpContext context, CompletionEndpoint endpoint) => endpoint.HandleAsync(context));
        api.MapPost("/embeddings", static (HttpContext context, EmbeddingEndpoint endpoint) => endpoint.HandleAsync(context));
        api.MapGet("/models", static (HttpContext context, ModelEndpoints models) => models.ListAsync(context));
        api.MapGet("/models/{**id}", static (HttpContext context, ModelEndpoints models) => models.GetAsync(context));

        // Where clients of Cohere, Jina and vLLM look: with the version in the path and without it.
        foreach (RouteGroupBuilder group in (RouteGroupBuilder[])[api, WithKey(app.MapGroup(""))])
        {
            group.MapPost("/rerank", static (HttpContext context, RerankEndpoint endpoint) => endpoint.HandleAsync(context));
            group.MapPost("/score", static (HttpContext context, ScoreEndpoint endpoint) => endpoint.HandleAsync(context));
            group.MapPost("/tokenize", static (HttpContext context, TokenizeEndpoint endpoint) => endpoint.HandleAsync(context));
            group.MapPost("/detokenize", static (HttpContext context, DetokenizeEndpoint endpoint) => endpoint.HandleAsync(context));
        }

        app.MapGet("/healthz", static () => Results.Json(new HealthReport("ok"), HealthJson.Default.HealthReport));
        app.MapGet("/readyz", static (IReadiness readiness) => readiness.IsReady
            ? Results.Json(new HealthReport("ready"), HealthJson.Default.HealthReport)
            : Results.Problem("The models are not loaded yet, or the server is shutting down.", statusCode: StatusCodes.Status503ServiceUnavailable, title: "Not ready"));
        WithKey(app.MapGroup("/api/v1")).MapGet("/nodes", static (HttpContext context, NodeEndpoints nodes) => nodes.ListAsync(context));
        WithKey(app.MapGroup("/metrics")).MapGet("", static (HttpContext context, GatewayMetrics metrics, IInferencePool pool, IServiceProvider services) =>
            metrics.WriteAsync(context, pool, services.GetService<Routing.Router>()));
        app.MapApiDocument();
    }

    private static void AddResponses(this IServiceCollection services)
    {
        services.TryAddSingleton<CompletionStore>();
        services.TryAddSingleton<StoredCompletionEndpoints>();
        services.TryAddSingleton<ConversationStore>();
        services.TryAddSingleton<ConversationEndpoints>();
        services.TryAddSingleton<ResponseStore>();
        services.TryAddSingleton<ResponseEndpoints>();
        services.TryAddSingleton<ResponseRuns>();
        services.AddHostedService(static provider => provider.GetRequiredService<ResponseRuns>());
    }

    /// <summary>Lets only requests with a valid key into the group.</summary>
    private static RouteGroupBuilder WithKey(RouteGroupBuilder group) => group.AddEndpointFilterFactory(static (factory, next) =>
    {
        BearerKey key = factory.ApplicationServices.GetRequiredService<BearerKey>();
        return invocation => key.InvokeAsync(invocation, next);
    });
}
