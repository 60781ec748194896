using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Handlers;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Content;
using HelixFlow.Agents.JobTypes.Summaries;
using HelixFlow.Agents.JobTypes.Tables;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Gateway.Routing;
using HelixFlow.Observability;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>The agent queue of a gateway process: its journal, its HTTP API, the built-in job types and a worker for them.</summary>
internal static class AgentQueue
{
    // A text or a table posted inline; the gateway's own limit is for prompts.
    private const long MaxBodyBytes = 32 << 20;

    // Jobs go on elsewhere or later from their last step: requests that cannot do that get most of the time that a shutdown has.
    private static readonly TimeSpan _workerDrainLimit = TimeSpan.FromSeconds(2);

    /// <summary>Registers its parts. Models are asked by the way that requests over HTTP take, and counted like them.</summary>
    public static void AddAgentQueue(this IServiceCollection services, ServerOptions options)
    {
        var journal = new JournalOptions();
        foreach ((string project, double weight) in options.Node.ProjectWeights)
        {
            journal.Weights[project] = weight;
        }

        foreach ((string type, int most) in options.JobLimits)
        {
            journal.MostOfType[type] = most;
        }

        foreach ((string project, int most) in options.ProjectJobLimits)
        {
            journal.MostOfProject[project] = most;
        }

        journal.Retention.AddRange(options.Jobs.Retention);
        services.AddSingleton(_ => options.Jobs.Open(options.DataFolder, options.SharedFolder));
        services.AddSingleton(_ => new AgentDatabase(Databases.Open(options, "agents")));
        services.AddSingleton(provider =>
        {
            journal.Metrics = provider.GetRequiredService<JournalMetrics>();
            return new Journal(
                provider.GetRequiredService<AgentDatabase>().Database, provider.GetRequiredService<IBlobStore>(), provider.GetRequiredService<TimeProvider>(), journal);
        });
        services.AddSingleton<IRunJournal>(static provider => provider.GetRequiredService<Journal>());
        services.AddSingleton<IModelClient>(static provider => new PoolModelClient(provider.GetRequiredService<MeasuredPool>()));
        services.AddJobTypes(options.Handlers);
        services.AddResearch(options);
        services.AddAgentTools(options.AgentTools, options.Research);
        services.AddSingleton(new SourceOptions { ToolsDigest = options.AgentTools.Digest() });
        services.AddAgents(new AgentOptions { MaxBodyBytes = MaxBodyBytes, AllowPrivateWebhooks = options.AllowPrivateWebhooks, AllowedOrigins = options.Gateway.AllowedOrigins });
        services.AddAgentWorkers();
        services.AddSingleton<WorkerModelService>();
        services.AddSingleton<JournalMetrics>();
        services.AddSingleton<IMetricsSource>(static _ => new MeterText(WorkerMetrics.MeterName));
        services.AddSingleton<IMetricsSource, QueueMetrics>();
        if (options.Database is { } shared)
        {
            services.AddSingleton<IHintChannel>(provider => options.Broker is { } broker
                ? new RabbitHints(broker, provider.GetRequiredService<Journal>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<RabbitHints>>())
                : new PostgresHints(shared, provider.GetRequiredService<TimeProvider>()));
            services.AddSingleton<HintMetrics>();
            services.AddSingleton<HintRelay>();
            services.AddHostedService<HintLoop>();
        }
    }

    /// <summary>Registers the built-in job types, which want an <see cref="IModelClient"/>, and those that programs do.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="handlers">The folder of the programs' manifests; null for none.</param>
    /// <exception cref="InvalidDataException">A manifest is wrong.</exception>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public static void AddJobTypes(this IServiceCollection services, string? handlers)
    {
        IReadOnlyList<HandlerManifest> manifests = handlers is null ? [] : HandlerManifest.ReadFolder(handlers);
        services.AddSingleton<HandlerMetrics>();
        services.AddSingleton(provider => new HandlerSet(
            manifests, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>(), provider.GetRequiredService<HandlerMetrics>()));
        for (int i = 0; i < manifests.Count; i++)
        {
            int index = i;
            services.AddSingleton<IJobType>(provider => provider.GetRequiredService<HandlerSet>().Jobs[index]);
        }

        services.AddSingleton<IJobType, SummariseJob>();
        services.AddSingleton<IJobType, AnalyseDataJob>();
        services.AddSingleton<IJobType, GenerateContentJob>();
    }

    /// <summary>Maps what the agent queue serves: HTTP for those who ask for jobs, gRPC for workers in other processes.</summary>
    public static void MapAgentQueue(this WebApplication app)
    {
        _ = app.Services.GetServices<IMetricsSource>().Count(); // they count from now on
        app.MapAgents(); // makes the job types and with them the router, which looks for the node
        app.MapAgentWorkers();
        app.MapGrpcService<WorkerModelService>();
    }

    /// <summary>Registers the worker. Call it after all else that the host starts: what is registered last is the first to stop.</summary>
    public static void AddAgentWorker(this IServiceCollection services, ServerOptions options)
    {
        services.AddMetrics();
        services.AddSingleton(provider => new WorkerOptions
        {
            DrainLimit = options.DrainLimit < _workerDrainLimit ? options.DrainLimit : _workerDrainLimit,
            Slots = Math.Max(1, options.JobSlots ?? new WorkerOptions().Slots),
            MostOfType = provider.GetRequiredService<HandlerSet>().LimitOf,
        });
        services.AddSingleton<WorkerMetrics>();
        services.AddSingleton(new WebhookOptions { AllowPrivateAddresses = options.AllowPrivateWebhooks });
        services.AddSingleton<WebhookMetrics>();
        services.AddSingleton<WebhookSender>();
        services.AddHostedService<WebhookLoop>();
        services.AddSingleton<Worker>();
        services.AddSingleton<RetentionLoop>();
        services.AddHostedService<WorkerLoop>();
    }

    /// <summary>Tells receivers until the host stops.</summary>
    private sealed class WebhookLoop(WebhookSender sender) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => sender.RunAsync(stoppingToken);
    }

    /// <summary>Tells other processes on the same database what happens here, and hears them, until the host stops.</summary>
    private sealed class HintLoop(HintRelay hints) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => hints.RunAsync(stoppingToken);
    }

    /// <summary>The database, which the container closes after all that use it.</summary>
    private sealed class AgentDatabase(IDatabase database) : IAsyncDisposable
    {
        public IDatabase Database => database;

        public ValueTask DisposeAsync() => database.DisposeAsync();
    }

    /// <summary>Runs the worker from when there are models until the host stops; first of all then, so that no job's question meets a node that is leaving.</summary>
    private sealed class WorkerLoop(Worker worker, RetentionLoop retention, Journal journal, Router router, ServerOptions options, TimeProvider time) : IHostedLifecycleService, IDisposable
    {
        private const int DueAtOnce = 200;

        private static readonly TimeSpan _dueInterval = TimeSpan.FromMilliseconds(500);

        private readonly CancellationTokenSource _stop = new();
        private Task _work = Task.CompletedTask;

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken)
        {
            _work = Task.Run(WorkAsync, CancellationToken.None);
            return Task.CompletedTask;
        }

        public async Task StoppingAsync(CancellationToken cancellationToken)
        {
            await _stop.CancelAsync();
            await _work.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose() => _stop.Dispose();

        private Task WorkAsync() => Task.WhenAll(DoJobsAsync(), retention.RunAsync(_stop.Token));

        private async Task DoJobsAsync()
        {
            Task ready = options.JobSlots == 0 ? Task.Delay(Timeout.Infinite, _stop.Token) : router.WaitUntilReadyAsync(_stop.Token);
            while (!ready.IsCompleted)
            {
                await TickAsync(); // workers elsewhere may need no model
                await Task.WhenAny(ready, Task.Delay(_dueInterval, time, _stop.Token));
            }

            if (ready.IsCompletedSuccessfully)
            {
                await worker.RunAsync(_stop.Token);
            }
        }

        private async Task TickAsync()
        {
            try
            {
                while (await journal.TickAsync(DueAtOnce, _stop.Token))
                {
                }
            }
            catch (Exception exception) when (exception is StorageException or OperationCanceledException)
            {
                // The next one comes soon, and the worker's own tell of a database that fails.
            }
        }
    }
}
