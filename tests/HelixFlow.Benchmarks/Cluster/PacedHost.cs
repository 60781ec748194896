using System.CommandLine;
using System.Globalization;
using System.Net;
using HelixFlow.Auth;
using HelixFlow.Cli.Hosting;
using HelixFlow.Discovery;
using HelixFlow.Gateway;
using HelixFlow.Gateway.Health;
using HelixFlow.Gateway.Routing;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Transport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>What <c>helixflow serve</c> hosts, over a <see cref="PacedPool"/> instead of an engine.</summary>
internal static class PacedHost
{
    public const string CommandName = "serve-paced";

    /// <summary>Tells the bytes that the process has allocated.</summary>
    public const string AllocatedPath = "/allocated";

    public static Command Create()
    {
        var role = new Option<ServerRole>("--role") { DefaultValueFactory = _ => ServerRole.Pool };
        var interval = new Option<double>("--interval-ms") { DefaultValueFactory = _ => 20 };
        var command = new Command(CommandName, "What gateway-overhead starts") { role, interval };
        command.Hidden = true;
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments.GetValue(role) == ServerRole.Pool, TimeSpan.FromMilliseconds(arguments.GetValue(interval)), cancellationToken));
        return command;
    }

    /// <summary>A router over a pool in this process.</summary>
    public static Router Route(IInferencePool pool) => new(
        new RouterOptions(), new StaticDiscovery([new Uri("http://self")]), _ => new NodeTransport(pool, null), new Random(1), TimeProvider.System, NullLoggerFactory.Instance);

    private static async Task RunAsync(bool isPool, TimeSpan interval, CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        await using var paced = new PacedPool(interval);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<RequestMetrics>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.Http2.MaxStreamsPerConnection = 4096;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 4 << 20;
            kestrel.Limits.Http2.InitialStreamWindowSize = 1 << 20;
            if (isPool)
            {
                kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http2);
            }

            kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http1);
        });
        if (isPool)
        {
            builder.Services.AddSingleton<IInferencePool>(provider => ActivatorUtilities.CreateInstance<MeasuredPool>(provider, paced));
            builder.Services.AddPool();
        }
        else
        {
            builder.Services.AddSingleton(_ => Route(paced));
            builder.Services.AddSingleton<IInferencePool>(static provider => provider.GetRequiredService<Router>());
            builder.Services.AddSingleton<IReadiness>(new Always());
            builder.Services.AddSingleton<IKeyAuthority>(new AdminKeyAuthority(new AdminKey(HttpTarget.Key, IsNew: false)));
            builder.Services.AddGateway(new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-paced-").FullName });
        }

        await using WebApplication app = builder.Build();
        if (isPool)
        {
            app.MapGrpcService<InferencePoolService>();
        }
        else
        {
            app.MapGateway();
        }

        app.MapGet(AllocatedPath, static () => GC.GetTotalAllocatedBytes().ToString(CultureInfo.InvariantCulture));
        await app.StartAsync(cancellationToken);
        Console.WriteLine(isPool ? $"serves to gateways on {app.Urls.First()} (health and metrics on {app.Urls.Last()})" : $"HelixFlow serves paced on {app.Urls.First()}/v1 ");
        await app.WaitForShutdownAsync(cancellationToken);
    }

    private sealed class Always : IReadiness
    {
        public bool IsReady => true;
    }
}
