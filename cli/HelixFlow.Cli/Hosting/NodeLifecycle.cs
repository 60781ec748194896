using Grpc.HealthCheck;
using HelixFlow.Discovery;
using HelixFlow.Discovery.Consul;
using HelixFlow.InferenceNode;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>Ties a node to its process: health that follows it, an announcement while it lives, and a drain before the servers stop.</summary>
/// <remarks>
/// SIGTERM drains: the announcement is taken back, nothing new is taken, what runs may end, and what cannot end in time goes on elsewhere.
/// </remarks>
internal sealed class NodeLifecycle(Node node, ServerOptions options, HealthServiceImpl health, ILoggerFactory loggers) : IHostedLifecycleService, IDisposable
{
    private readonly CancellationTokenSource _leaving = new();
    private ConsulRegistration? _registration;
    private Task _announcing = Task.CompletedTask;

    /// <summary>Announces the node where the options say.</summary>
    /// <exception cref="FormatException">They name no Consul agent.</exception>
    public Task AnnounceAsync(Uri address)
    {
        if (options.Register is not { } place)
        {
            return Task.CompletedTask;
        }

        if (DiscoveryOptions.Parse(place) is not ConsulDiscoveryOptions consul)
        {
            throw new FormatException($"\"{place}\" is no place to announce a node; write consul:http://agent:8500/service.");
        }

        var announced = new ConsulRegistrationOptions(consul.Agent, consul.Service, options.Node.NodeId, address);
        _registration = new ConsulRegistration(announced, HealthOf(), TimeProvider.System, Random.Shared, loggers.CreateLogger<ConsulRegistration>());
        _announcing = Task.Run(() => _registration.RunAsync(_leaving.Token));
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        Report();
        node.PhaseChanged += Report;
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await _leaving.CancelAsync();
        await _announcing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await node.DrainAsync(options.DrainLimit, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _leaving.Dispose();

    private void Report()
    {
        PoolEndpoints.Report(health, node);
        _registration?.SetHealth(HealthOf(), node.PhaseReason);
    }

    private NodeHealth HealthOf() => node.Phase switch
    {
        NodePhase.Ready => NodeHealth.Passing,
        NodePhase.Unhealthy => NodeHealth.Critical,
        _ => NodeHealth.Warning,
    };
}
