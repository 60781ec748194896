using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Handlers;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas.Transport;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>How <c>helixflow worker</c> works.</summary>
internal sealed class WorkerProcessOptions
{
    /// <summary>The server whose jobs it does.</summary>
    public required Uri Server { get; init; }

    /// <summary>A key with the scope <c>worker</c>.</summary>
    public required string Key { get; init; }

    /// <summary>Its name; null for one made of the machine and the process.</summary>
    public string? Name { get; init; }

    /// <summary>The types that it does; null for all that it has.</summary>
    public IReadOnlyCollection<string>? Types { get; init; }

    /// <summary>Jobs at the same time; null for the default.</summary>
    public int? Slots { get; init; }

    /// <summary>The folder of the manifests of programs that do jobs; null for none.</summary>
    public string? Handlers { get; init; }

    /// <summary>How long it lets its jobs finish when it is stopped.</summary>
    public TimeSpan DrainLimit { get; init; }
}

/// <summary>The process behind <c>helixflow worker</c>: the same worker as in the server, on the server's journal and models at the other end of a connection.</summary>
internal static class WorkerProcess
{
    // As the server takes them; a summary's text may be long.
    private const int MaxMessageBytes = 64 << 20;

    /// <summary>Works until the process is told to stop; the result is its exit code.</summary>
    /// <exception cref="ArgumentException">A type is asked for that the worker does not have, or two have one name.</exception>
    /// <exception cref="InvalidDataException">A handler's manifest is wrong.</exception>
    /// <exception cref="IOException">The folder of the handlers cannot be read.</exception>
    public static async Task<int> RunAsync(WorkerProcessOptions options, CancellationToken stopping)
    {
        using GrpcChannel channel = Connect(options.Server, options.Key);
        CallInvoker invoker = channel.CreateCallInvoker();
        var services = new ServiceCollection();
        services.AddLogging(static logging => logging.AddSimpleConsole(static console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information));
        services.AddMetrics();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<WorkerMetrics>();
        services.AddSingleton<IModelClient>(new PoolModelClient(new GrpcInferencePool(invoker)));
        services.AddJobTypes(options.Handlers);
        await using ServiceProvider provider = services.BuildServiceProvider();

        var worker = new WorkerOptions { Types = options.Types, DrainLimit = options.DrainLimit, MostOfType = provider.GetRequiredService<HandlerSet>().LimitOf };
        worker.Name = options.Name ?? worker.Name;
        worker.Slots = options.Slots ?? worker.Slots;
        IJobType[] types = [.. provider.GetServices<IJobType>()];
        using var drafts = new TemporaryFolder();
        var journal = new RemoteJournal(invoker, new BlobFolder(drafts.Path), TimeProvider.System, provider.GetRequiredService<ILogger<RemoteJournal>>());
        var loop = new Worker(journal, types, worker, provider.GetRequiredService<WorkerMetrics>(), TimeProvider.System, provider.GetRequiredService<ILogger<Worker>>());

        using var ended = new CancellationTokenSource();
        Task following = journal.FollowAsync(worker.Name, options.Types ?? [.. types.Select(static type => type.Name)], ended.Token);
        await loop.RunAsync(stopping);
        await ended.CancelAsync();
        await following;
        return 0;
    }

    private static GrpcChannel Connect(Uri server, string key) => GrpcChannel.ForAddress(server, new GrpcChannelOptions
    {
        HttpHandler = new KeyHandler(key)
        {
            InnerHandler = new SocketsHttpHandler
            {
                EnableMultipleHttp2Connections = true,
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                KeepAlivePingDelay = TimeSpan.FromSeconds(5),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            },
        },
        DisposeHttpClient = true,
        MaxReceiveMessageSize = MaxMessageBytes,
    });

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("helixflow-worker-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }

    private sealed class KeyHandler(string key) : DelegatingHandler
    {
        private readonly AuthenticationHeaderValue _key = new("Bearer", key);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Authorization = _key;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
