using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Handlers;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Searching;
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

    /// <summary>A key with the scope <c>worker</c> or <c>workers</c>.</summary>
    public required string Key { get; init; }

    /// <summary>Its name; null for one made of the machine and the process.</summary>
    public string? Name { get; init; }

    /// <summary>The types that it does; null for all that it has.</summary>
    public IReadOnlyCollection<string>? Types { get; init; }

    /// <summary>Jobs at the same time; null for the default.</summary>
    public int? Slots { get; init; }

    /// <summary>The folder of the manifests of programs that do jobs; null for none.</summary>
    public string? Handlers { get; init; }

    /// <summary>What its jobs may read of the web. It searches with the server's searches.</summary>
    public ResearchSources Fetching { get; init; } = new();

    /// <summary>What the tools of its agents may reach and use: the server's rules, or it does no agents.</summary>
    public ToolOptions AgentTools { get; init; } = new();

    /// <summary>How long it lets its jobs finish when it is stopped.</summary>
    public TimeSpan DrainLimit { get; init; }
}

/// <summary>The process behind <c>helixflow worker</c>: the same worker as in the server, on the server's journal and models at the other end of a connection.</summary>
internal static partial class WorkerProcess
{
    // As the server takes them; a summary's text may be long.
    private const int MaxMessageBytes = 64 << 20;

    private const string Agent = "agent";
    private const string Research = "research";

    private static readonly TimeSpan _longestPause = TimeSpan.FromSeconds(5);

    /// <summary>Works until the process is told to stop; the result is its exit code.</summary>
    /// <exception cref="ArgumentException">A type is asked for that the worker does not have or may not do, or two have one name.</exception>
    /// <exception cref="InvalidDataException">A handler's manifest is wrong.</exception>
    /// <exception cref="IOException">The folder of the handlers cannot be read.</exception>
    public static async Task<int> RunAsync(WorkerProcessOptions options, CancellationToken stopping)
    {
        using GrpcChannel channel = Connect(options.Server, options.Key);
        CallInvoker invoker = channel.CreateCallInvoker();
        using ILoggerFactory loggers = LoggerFactory.Create(static logging => logging.AddSimpleConsole(static console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information));
        var services = new ServiceCollection();
        services.AddSingleton(loggers).AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddMetrics();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<WorkerMetrics>();
        services.AddSingleton<IModelClient>(new PoolModelClient(new GrpcInferencePool(invoker)));
        services.AddFetching(options.Fetching);
        services.AddJobTypes(options.Handlers);
        try
        {
            await AddSourcesAsync(services, options, invoker, loggers.CreateLogger(typeof(WorkerProcess)), stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return 0;
        }

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

    /// <summary>Registers the types that depend on the server's configuration, as far as the worker does them.</summary>
    private static async Task AddSourcesAsync(IServiceCollection services, WorkerProcessOptions options, CallInvoker invoker, ILogger logger, CancellationToken stopping)
    {
        bool wantsAgents = options.Types?.Contains(Agent) ?? true;
        if (!wantsAgents && !options.Types!.Contains(Research))
        {
            return;
        }

        ServerSources server = await DescribeAsync(invoker, options, logger, stopping);
        foreach (ISearchProvider search in server.Searches)
        {
            services.AddSingleton(search);
        }

        services.AddResearchJob();
        if (server.ToolsDigest == options.AgentTools.Digest())
        {
            services.AddAgentTools(options.AgentTools, options.Fetching);
        }
        else if (options.Types is null)
        {
            Log.LeavesAgents(logger);
        }
        else if (wantsAgents)
        {
            throw new ArgumentException("--types agent: the server has other rules for the tools of agents. Start the worker with the --agent-tools FILE of the server, or without this type.");
        }
    }

    /// <summary>Asks the server what it has, again until it can be reached.</summary>
    private static async Task<ServerSources> DescribeAsync(CallInvoker invoker, WorkerProcessOptions options, ILogger logger, CancellationToken stopping)
    {
        for (TimeSpan pause = TimeSpan.FromMilliseconds(50); ; pause = pause * 2 < _longestPause ? pause * 2 : _longestPause)
        {
            try
            {
                return await RemoteSearch.DescribeAsync(invoker, stopping);
            }
            catch (RpcException exception) when (exception.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
            {
                throw new ArgumentException($"{options.Server}: {exception.Status.Detail}", exception);
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Unimplemented)
            {
                throw new ArgumentException($"{options.Server} serves no jobs to workers, or is of another version.", exception);
            }
            catch (RpcException exception)
            {
                Log.Unreachable(logger, options.Server, exception.Status.Detail);
            }

            await Task.Delay(pause, stopping);
        }
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

    private static partial class Log
    {
        [LoggerMessage(7050, LogLevel.Warning, "{Server} cannot be reached ({Reason}); it is tried again until it can.")]
        public static partial void Unreachable(ILogger logger, Uri server, string reason);

        [LoggerMessage(7051, LogLevel.Warning, "Jobs of the type agent are left to the server: it has other rules for their tools. To do them too, start the worker with the --agent-tools FILE of the server.")]
        public static partial void LeavesAgents(ILogger logger);
    }

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
