using System.Net;
using Grpc.HealthCheck;
using HelixFlow.Agents.Journal;
using HelixFlow.Auth;
using HelixFlow.Discovery;
using HelixFlow.Gateway;
using HelixFlow.Gateway.Health;
using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>The process behind <c>helixflow serve</c>: gateway and node joined in memory, or one of them with the other elsewhere.</summary>
internal static class Server
{
    private const string Self = "self";

    private static readonly TimeSpan SelfSilenceLimit = TimeSpan.FromMinutes(10);

    /// <summary>The name of a node that was given none.</summary>
    public static string NodeIdOf(ServerRole role, int grpcPort) => role switch
    {
        ServerRole.All => Self,
        _ when grpcPort > 0 => $"{Dns.GetHostName()}:{grpcPort}",
        _ => $"{Dns.GetHostName()}-{Environment.ProcessId}", // a free port is not known yet; the process tells nodes of one machine apart as well
    };

    /// <summary>Serves until the process is told to stop; the result is the process's exit code.</summary>
    /// <exception cref="IOException">The address is taken, or a file cannot be read or written.</exception>
    /// <exception cref="InvalidDataException">The stored admin key is damaged, or others may read it.</exception>
    /// <exception cref="Engine.Formats.ModelFormatException">A model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="FormatException">The place where nodes are looked up, or where this one is announced, is not one.</exception>
    public static async Task<int> RunAsync(ServerOptions options, CancellationToken cancellationToken)
    {
        bool isGateway = options.Role != ServerRole.Pool;
        bool isPool = options.Role != ServerRole.Gateway;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options));
        if (isGateway && options.Certificate is null)
        {
            Http2ByPreface.Listen(builder.WebHost, (kestrel, configure) => Listen(kestrel, options.Host, options.Port, configure));
        }
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainLimit + TimeSpan.FromSeconds(10));
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<RequestMetrics>();
        AdminKey? key = isGateway ? AddGateway(builder.Services, options) : null;
        if (isPool)
        {
            AddNode(builder.Services, options);
        }

        if (isGateway)
        {
            builder.Services.AddAgentWorker(options);
        }

        await using WebApplication app = builder.Build();
        if (isGateway)
        {
            app.Services.GetRequiredService<IDatabase>(); // a folder that another process uses, or a disk that cannot be relied on, is said before the host starts
            app.MapGateway();
        }
        else
        {
            app.MapPool();
            app.MapPoolHttp();
        }

        if (isPool)
        {
            app.Services.GetRequiredService<Node>(); // reads the models' headers: one that cannot be served is said before the host starts, which would log it too
        }

        if (isGateway)
        {
            app.Services.GetRequiredService<Journal>(); // as the gateway's database
            app.MapAgentQueue();
        }

        await app.StartAsync(cancellationToken);
        Router? router = app.Services.GetService<Router>(); // begins to follow the nodes
        if (isPool)
        {
            Node node = app.Services.GetRequiredService<Node>();
            await node.LoadAsync(cancellationToken);
            await app.Services.GetRequiredService<NodeLifecycle>().AnnounceAsync(GrpcAddress(app, options));
        }

        if (isGateway)
        {
            if (isPool)
            {
                await router!.WaitUntilReadyAsync(cancellationToken);
            }

            Announcement.Write(options, app.Urls.First(), key!);
        }
        else
        {
            Announcement.Write(options, [.. app.Urls]);
        }

        await app.WaitForShutdownAsync(cancellationToken);
        return 0;
    }

    private static void Listen(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 4096; // a gateway's requests to a node share connections
        kestrel.Limits.Http2.InitialConnectionWindowSize = 4 << 20;
        kestrel.Limits.Http2.InitialStreamWindowSize = 1 << 20;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        if (options.Role == ServerRole.Pool)
        {
            Listen(kestrel, options.Host, options.GrpcPort, listener =>
            {
                listener.Protocols = HttpProtocols.Http2;
                if (options.Tls is { } tls)
                {
                    ILogger logger = kestrel.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger<PeerTls>();
                    listener.UseHttps(https => tls.Configure(https, logger));
                }
            });
        }

        if (options.Role == ServerRole.Pool)
        {
            Listen(kestrel, options.Host, options.Port, static listener => listener.Protocols = HttpProtocols.Http1);
        }
        else if (options.Certificate is { } certificate)
        {
            Listen(kestrel, options.Host, options.Port, listener => listener.UseHttps(certificate)); // HTTP/1.1 or HTTP/2, as the client asks in the handshake
        }
    }

    private static void Listen(KestrelServerOptions kestrel, string host, int port, Action<ListenOptions> configure)
    {
        if (host != "localhost")
        {
            kestrel.Listen(IPAddress.Parse(host), port, configure);
        }
        else if (port == 0)
        {
            kestrel.Listen(IPAddress.Loopback, port, configure); // one free port cannot be had for two addresses
        }
        else
        {
            kestrel.ListenLocalhost(port, configure);
        }
    }

    private static AdminKey AddGateway(IServiceCollection services, ServerOptions options)
    {
        AdminKey key = AdminKey.LoadOrCreate(options.DataFolder, Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable));
        var router = new RouterOptions { OnNodeLoss = options.OnNodeLoss, Deterministic = options.Node.Deterministic, Routing = { Policy = options.Routing } };

        // A node in this process: when it is silent, so is everything, and calls that are ended for it could go nowhere. Its own monitor tells of engines that hang.
        router.SilenceLimit = options.Role == ServerRole.All ? SelfSilenceLimit : options.SilenceLimit;

        foreach ((string project, double weight) in options.Node.ProjectWeights)
        {
            router.Routing.Queue.Weights[project] = weight;
        }

        services.AddSingleton(provider =>
        {
            ILoggerFactory loggers = provider.GetRequiredService<ILoggerFactory>();
            INodeDiscovery discovery = options.Role == ServerRole.All
                ? new StaticDiscovery([new Uri($"http://{Self}")])
                : DiscoveryOptions.Parse(options.Nodes!).Create(loggers, TimeProvider.System, Random.Shared);
            return new Router(
                router,
                discovery,
                address => options.Role == ServerRole.All ? new NodeTransport(provider.GetRequiredService<Node>(), null) : NodeTransports.Connect(address, options.Tls, options.SilenceLimit),
                Random.Shared,
                TimeProvider.System,
                loggers);
        });
        services.AddSingleton<IInferencePool>(static provider => provider.GetRequiredService<Router>());
        services.AddSingleton<IReadiness, RouterReadiness>();
        services.AddSingleton<IKeyAuthority>(new AdminKeyAuthority(key));
        options.Gateway.DataFolder = options.DataFolder;
        services.AddSingleton(_ => Databases.Open(options, "gateway"));
        services.AddSingleton(_ => Databases.Blobs(options.DataFolder, options.SharedFolder, "blobs"));
        services.AddGateway(options.Gateway);
        services.AddAgentQueue(options);
        return key;
    }

    private static void AddNode(IServiceCollection services, ServerOptions options)
    {
        services.AddSingleton(options.Node);
        services.AddSingleton<Node>();
        services.AddSingleton<NodeLifecycle>();
        services.AddHostedService(static provider => provider.GetRequiredService<NodeLifecycle>());
        if (options.Role == ServerRole.Pool)
        {
            services.AddSingleton<IInferencePool>(static provider => ActivatorUtilities.CreateInstance<MeasuredPool>(provider, provider.GetRequiredService<Node>()));
            services.AddPool();
        }
        else
        {
            services.AddSingleton<HealthServiceImpl>();
        }
    }

    /// <summary>Where gateways reach this node.</summary>
    private static Uri GrpcAddress(WebApplication app, ServerOptions options)
    {
        if (options.Advertise is { } stated)
        {
            return new Uri(stated);
        }

        string bound = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First();
        return new Uri(bound.Replace("://0.0.0.0:", $"://{Dns.GetHostName()}:", StringComparison.Ordinal).Replace("://[::]:", $"://{Dns.GetHostName()}:", StringComparison.Ordinal));
    }

    private sealed class RouterReadiness(Router router) : IReadiness
    {
        public bool IsReady => router.IsReady;
    }
}
