using HelixFlow.Auth;
using HelixFlow.Gateway;
using HelixFlow.Gateway.Health;
using HelixFlow.InferenceNode;
using HelixFlow.Schemas;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>The all-in-one host: gateway, key check and inference node in one process, joined in memory.</summary>
internal static class Server
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    /// <summary>Serves until the process is told to stop; the result is the process's exit code.</summary>
    /// <exception cref="IOException">The address is taken, or a file cannot be read or written.</exception>
    /// <exception cref="Engine.Formats.ModelFormatException">A model is damaged or of a kind that is not supported.</exception>
    public static async Task<int> RunAsync(ServerOptions options, CancellationToken cancellationToken)
    {
        AdminKey key = AdminKey.LoadOrCreate(options.DataFolder, Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable));
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("HelixFlow.InferenceNode", LogLevel.Information);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false).UseUrls($"http://{Address(options)}:{options.Port}");
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainLimit + TimeSpan.FromSeconds(5));
        builder.Services.AddSingleton(new NodeOptions
        {
            Models = [.. options.Models.Select(model => new ModelSource(model.Name, model.Path))],
            Threads = options.Threads,
            MaxSequences = options.MaxSequences,
            MaxWaiting = options.MaxWaiting,
            KvBytes = options.KvBytes,
        });
        builder.Services.AddSingleton<Node>();
        builder.Services.AddSingleton<IInferencePool>(services => services.GetRequiredService<Node>());
        builder.Services.AddSingleton<IReadiness, NodeReadiness>();
        builder.Services.AddSingleton<IKeyAuthority>(new AdminKeyAuthority(key));
        builder.Services.AddGateway(new GatewayOptions());

        await using WebApplication app = builder.Build();
        app.MapGateway();
        Node node = app.Services.GetRequiredService<Node>();

        // New requests are refused at once; Kestrel waits for those that run.
        app.Lifetime.ApplicationStopping.Register(() => _ = node.DrainAsync(CancellationToken.None));
        await app.StartAsync(cancellationToken);
        await node.LoadAsync(cancellationToken);
        Announce(options, app.Urls.First(), key);
        await app.WaitForShutdownAsync(cancellationToken);
        return 0;
    }

    private static string Address(ServerOptions options) => options.Host.Contains(':') ? $"[{options.Host}]" : options.Host;

    private static void Announce(ServerOptions options, string url, AdminKey key)
    {
        Console.WriteLine($"HelixFlow serves {string.Join(", ", options.Models.Select(model => model.Name))} on {url}/v1 (browse {url}/docs)");
        string bearer = "$" + AdminKey.EnvironmentVariable;
        if (key.IsNew)
        {
            bearer = key.Value;
            Console.WriteLine($"The admin key, shown this once and kept in {Path.Combine(options.DataFolder, AdminKey.FileName)}:");
            Console.WriteLine($"  {key.Value}");
        }

        Console.WriteLine("Try it:");
        Console.WriteLine($"  curl {url}/v1/chat/completions -H \"Authorization: Bearer {bearer}\" -H \"Content-Type: application/json\" \\");
        Console.WriteLine($"    -d '{{\"model\":\"{options.Models[0].Name}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"What is HelixFlow?\"}}]}}'");
    }

    private sealed class NodeReadiness(Node node) : IReadiness
    {
        public bool IsReady => node.IsReady;
    }
}
