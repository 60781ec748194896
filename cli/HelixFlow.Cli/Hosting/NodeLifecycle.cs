using Grpc.HealthCheck;
using HelixFlow.Discovery;
using HelixFlow.InferenceNode;
using Microsoft.Extensions.Hosting;

namespace HelixFlow.Cli.Hosting;

/// <summary>Ties a node to its process: health that follows it, and a drain before the servers stop.</summary>
/// <remarks>SIGTERM drains: nothing new is taken, what runs may end, and what cannot end in time goes on elsewhere.</remarks>
internal sealed class NodeLifecycle(Node node, ServerOptions options, HealthServiceImpl? health, ConsulRegistration? registration) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        if (health is not null)
        {
            PoolEndpoints.Report(health, node);
            node.PhaseChanged += () => PoolEndpoints.Report(health, node);
        }

        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (registration is not null)
        {
            await registration.DisposeAsync();
        }

        await node.DrainAsync(options.DrainLimit, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
