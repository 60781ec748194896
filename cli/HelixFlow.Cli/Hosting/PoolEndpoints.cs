using Grpc.Health.V1;
using Grpc.HealthCheck;
using HelixFlow.InferenceNode;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.Schemas.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Cli.Hosting;

/// <summary>What an inference node serves: gRPC for gateways, and health and metrics over HTTP for operators.</summary>
internal static class PoolEndpoints
{
    public static void AddPool(this IServiceCollection services)
    {
        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = 64 << 20);
        services.AddGrpcReflection();
        services.AddSingleton<HealthServiceImpl>();
        services.AddSingleton<InferencePoolService>();
    }

    /// <summary>Maps the gRPC services; they answer only over HTTP/2, so on the gRPC port.</summary>
    public static void MapPool(this WebApplication app)
    {
        app.MapGrpcService<InferencePoolService>();
        app.MapGrpcService<HealthServiceImpl>();
        app.MapGrpcReflectionService();
    }

    /// <summary>Maps what a pool process without a gateway serves over plain HTTP.</summary>
    public static void MapPoolHttp(this WebApplication app)
    {
        // Alive: the process answers and no engine hangs. Ready: requests are taken. A node that drains is alive and not ready.
        app.MapGet("/livez", static (Node node) => Answer(node.Phase != NodePhase.Unhealthy, node));
        app.MapGet("/healthz", static (Node node) => Answer(node.Phase != NodePhase.Unhealthy, node));
        app.MapGet("/readyz", static (Node node) => Answer(node.Phase == NodePhase.Ready, node));
        app.MapGet("/metrics", static async (HttpContext context, Node node, RequestMetrics requests) =>
        {
            var text = new PrometheusText();
            StateMetrics.Write(text, await ((IInferencePool)node).GetStateAsync(new GetStateRequest(), context.RequestAborted));
            requests.Write(text);
            context.Response.ContentType = PrometheusText.ContentType;
            await context.Response.WriteAsync(text.ToString(), context.RequestAborted);
        });
    }

    /// <summary>Keeps gRPC's health service in step with the node.</summary>
    public static void Report(HealthServiceImpl health, Node node)
    {
        HealthCheckResponse.Types.ServingStatus status = node.Phase == NodePhase.Ready
            ? HealthCheckResponse.Types.ServingStatus.Serving
            : HealthCheckResponse.Types.ServingStatus.NotServing;
        health.SetStatus("", status);
        health.SetStatus(InferencePool.Descriptor.FullName, status);
    }

    private static IResult Answer(bool holds, Node node) => holds
        ? Results.Text(node.Phase.ToString().ToLowerInvariant())
        : Results.Problem(node.PhaseReason, statusCode: StatusCodes.Status503ServiceUnavailable, title: $"The node is {node.Phase.ToString().ToLowerInvariant()}");
}
