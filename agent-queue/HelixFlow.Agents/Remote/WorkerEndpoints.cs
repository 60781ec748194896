using HelixFlow.Agents.Catalog;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace HelixFlow.Agents.Remote;

/// <summary>Puts the worker protocol into a host that serves the agent queue.</summary>
public static class WorkerEndpoints
{
    // Inputs may be as large as the HTTP API takes them, and outputs no larger.
    private const int MaxMessageBytes = 64 << 20;

    /// <summary>Registers the protocol's parts. The host serves HTTP/2, and registers what <see cref="Http.AgentEndpoints.AddAgents"/> wants.</summary>
    public static IServiceCollection AddAgentWorkers(this IServiceCollection services)
    {
        services.AddGrpc(static grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxMessageBytes;
            grpc.IgnoreUnknownServices = true; // the host answers for paths that are not there
        });
        services.TryAddSingleton<WorkerGuard>();
        services.TryAddSingleton<CatalogFollower>();
        services.AddHostedService(static provider => provider.GetRequiredService<CatalogFollower>());
        services.TryAddSingleton<WorkerService>();
        services.TryAddSingleton(new SourceOptions());
        services.TryAddSingleton<SourceService>();
        return services;
    }

    /// <summary>Maps the services; call it once, on the host's pipeline.</summary>
    public static void MapAgentWorkers(this WebApplication app)
    {
        app.MapGrpcService<WorkerService>().WithMetadata(new NoBodyLimit());
        app.MapGrpcService<SourceService>();
    }

    /// <summary>In place of the host's own limit, which is for requests of clients: each message has one, and files are many.</summary>
    private sealed class NoBodyLimit : IRequestSizeLimitMetadata
    {
        public long? MaxRequestBodySize => null;
    }
}
