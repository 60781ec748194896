using HelixFlow.Gateway.Anthropic;
using HelixFlow.Gateway.ApiDocument;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Batches;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Completions;
using HelixFlow.Gateway.Conversations;
using HelixFlow.Gateway.Embeddings;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Health;
using HelixFlow.Gateway.Idempotency;
using HelixFlow.Gateway.Limits;
using HelixFlow.Gateway.Membership;
using HelixFlow.Gateway.Metrics;
using HelixFlow.Gateway.Models;
using HelixFlow.Gateway.Moderations;
using HelixFlow.Gateway.Nodes;
using HelixFlow.Gateway.Ollama;
using HelixFlow.Gateway.Ranking;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Gateway.Tokens;
using HelixFlow.Gateway.VectorStores;
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
    // What scripts in browsers may read beside what they always may.
    private static readonly string[] _exposedHeaders =
    [
        "x-request-id", "request-id", "x-should-retry", "retry-after", "retry-after-ms", "idempotency-replayed", "openai-processing-ms", "openai-version", "openai-organization", "openai-project",
        "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
        "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
    ];

    /// <summary>Registers the gateway's parts.</summary>
    public static IServiceCollection AddGateway(this IServiceCollection services, GatewayOptions options)
    {
        services.TryAddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<RequestMetrics>();
        services.TryAddSingleton(static provider => new MeasuredPool(
            provider.GetRequiredService<GatewayOptions>().TokensPerMinute > 0
                ? new LimitedPool(provider.GetRequiredService<IInferencePool>())
                : provider.GetRequiredService<IInferencePool>(),
            provider.GetRequiredService<RequestMetrics>(),
            provider.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<RateLimits>();
        services.TryAddSingleton<RateLimitFilter>();
        services.TryAddSingleton<IdempotentRequests>();
        services.TryAddSingleton<IdempotencyFilter>();
        services.TryAddSingleton<GatewayMetrics>();
        services.TryAddSingleton<BearerKey>();
        services.TryAddSingleton<IDatabase>(static services => SqliteDatabase.Open(
            Path.Combine(Directory.CreateDirectory(services.GetRequiredService<GatewayOptions>().DataFolder).FullName, "gateway.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/gateway")));
        services.TryAddSingleton(static services => new BlobFolder(Path.Combine(services.GetRequiredService<GatewayOptions>().DataFolder, "blobs")));
        services.TryAddSingleton<GatewayMembership>();
        services.AddHostedService(static provider => provider.GetRequiredService<GatewayMembership>());
        services.TryAddSingleton<ChatRequestReader>();
        services.TryAddSingleton<ChatCompletionEndpoint>();
        services.AddResponses();
        SocketEndpoints.Add(services);
        services.TryAddSingleton<CompletionEndpoint>();
        services.TryAddSingleton<EmbeddingBatches>();
        services.TryAddSingleton<TextScores>();
        services.TryAddSingleton<EmbeddingEndpoint>();
        services.TryAddSingleton<RerankEndpoint>();
        services.TryAddSingleton<ScoreEndpoint>();
        services.TryAddSingleton<TokenizeEndpoint>();
        services.TryAddSingleton<DetokenizeEndpoint>();
        services.TryAddSingleton<ModelEndpoints>();
        services.TryAddSingleton<MessageEndpoint>();
        services.TryAddSingleton<AnthropicModels>();
        services.TryAddSingleton<NodeEndpoints>();
        services.AddOllama();
        services.AddFiles(options.Files);
        services.AddBatches(options.Batches);
        services.AddVectorStores(options.VectorStores);
        services.TryAddSingleton<ModerationEndpoint>();
        services.AddRouting();
        services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
            .WithOrigins([.. options.AllowedOrigins]).AllowAnyMethod().AllowAnyHeader().WithExposedHeaders(_exposedHeaders).SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
        return services;
    }

    /// <summary>Maps the gateway's routes; call it once, on the host's pipeline.</summary>
    public static void MapGateway(this WebApplication app)
    {
        app.UseMiddleware<RequestBoundary>();
        app.UseRouting();
        app.UseCors();
        app.UseWebSockets();
        app.UseMiddleware<ContentDecoding>();

        RouteGroupBuilder api = WithKey(app.MapGroup("/v1"));
        api.MapPost("/chat/completions", static (HttpContext context, ChatCompletionEndpoint endpoint) => endpoint.HandleAsync(context));
        StoredCompletionEndpoints.Map(api);
        ResponseEndpoints.Map(api);
        SocketEndpoints.Map(api);
        ConversationEndpoints.Map(api);
        api.MapPost("/completions", static (HttpContext context, CompletionEndpoint endpoint) => endpoint.HandleAsync(context));
        api.MapPost("/embeddings", static (HttpContext context, EmbeddingEndpoint endpoint) => endpoint.HandleAsync(context));
        api.MapPost("/messages", static (HttpContext context, MessageEndpoint endpoint) => endpoint.CreateAsync(context));
        api.MapPost("/messages/count_tokens", static (HttpContext context, MessageEndpoint endpoint) => endpoint.CountAsync(context));
        api.MapGet("/models", static (HttpContext context, ModelEndpoints models) => models.ListAsync(context));
        api.MapGet("/models/{**id}", static (HttpContext context, ModelEndpoints models) => models.GetAsync(context));

        api.MapFiles();
        api.MapBatches();
        api.MapVectorStores();
        api.MapPost("/moderations", static (HttpContext context, ModerationEndpoint endpoint) => endpoint.HandleAsync(context));

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
        WithKey(app.MapGroup("/api")).MapOllama();
        WithKey(app.MapGroup("")).MapGet("/metrics", static (HttpContext context, GatewayMetrics metrics, IInferencePool pool, IServiceProvider services) =>
            metrics.WriteAsync(context, pool, services.GetService<Routing.Router>(), services.GetRequiredService<BatchMetrics>(), services.GetServices<IMetricsSource>()));
        app.MapApiDocument();
    }

    private static void AddResponses(this IServiceCollection services)
    {
        services.TryAddSingleton<CompletionStore>();
        services.TryAddSingleton<StoredCompletionEndpoints>();
        services.TryAddSingleton<ConversationStore>();
        services.TryAddSingleton<ConversationEndpoints>();
        services.TryAddSingleton<ResponseStore>();
        services.TryAddSingleton<ResponseReader>();
        services.TryAddSingleton<ResponseEndpoints>();
        services.TryAddSingleton<FileSearch>();
        services.TryAddSingleton<ResponseRuns>();
        services.AddHostedService<ResponseUpkeep>();
    }

    /// <summary>Lets only requests with a valid key into the group; a repeated one gets its answer again, and others are counted against the limits.</summary>
    private static RouteGroupBuilder WithKey(RouteGroupBuilder group) => Filter<RateLimitFilter>(Filter<IdempotencyFilter>(Filter<BearerKey>(group)));

    private static RouteGroupBuilder Filter<T>(RouteGroupBuilder group)
        where T : class, IEndpointFilter => group.AddEndpointFilterFactory(static (factory, next) =>
    {
        T filter = factory.ApplicationServices.GetRequiredService<T>();
        return invocation => filter.InvokeAsync(invocation, next);
    });
}
