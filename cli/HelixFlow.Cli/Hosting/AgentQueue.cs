using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Content;
using HelixFlow.Agents.JobTypes.Summaries;
using HelixFlow.Agents.JobTypes.Tables;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Gateway.Routing;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace HelixFlow.Cli.Hosting;

/// <summary>The agent queue of a gateway process: its journal in the data folder, its HTTP API, the built-in job types and a worker for them.</summary>
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

        journal.Retention.AddRange(options.Jobs.Retention);
        services.AddSingleton(_ => options.Jobs.Open(options.DataFolder));
        services.AddSingleton(provider => new AgentDatabase(SqliteDatabase.Open(
            Path.Combine(options.DataFolder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"))));
        services.AddSingleton(provider => new Journal(
            provider.GetRequiredService<AgentDatabase>().Database, provider.GetRequiredService<IBlobStore>(), provider.GetRequiredService<TimeProvider>(), journal));
        services.AddSingleton<IModelClient>(static provider => new PoolModelClient(provider.GetRequiredService<MeasuredPool>()));
        services.AddSingleton<IJobType, SummariseJob>();
        services.AddSingleton<IJobType, AnalyseDataJob>();
        services.AddSingleton<IJobType, GenerateContentJob>();
        services.AddResearch(options);
        services.AddAgentTools(options);
        services.AddAgents(new AgentOptions { MaxBodyBytes = MaxBodyBytes, AllowPrivateWebhooks = options.AllowPrivateWebhooks });
    }

    /// <summary>Registers the worker. Call it after all else that the host starts: what is registered last is the first to stop.</summary>
    public static void AddAgentWorker(this IServiceCollection services, ServerOptions options)
    {
        services.AddMetrics();
        services.AddSingleton(new WorkerOptions { DrainLimit = options.DrainLimit < _workerDrainLimit ? options.DrainLimit : _workerDrainLimit });
        services.AddSingleton<WorkerMetrics>();
        services.AddSingleton(new WebhookOptions { AllowPrivateAddresses = options.AllowPrivateWebhooks });
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

    /// <summary>The database, which the container closes after all that use it.</summary>
    private sealed class AgentDatabase(IDatabase database) : IAsyncDisposable
    {
        public IDatabase Database => database;

        public ValueTask DisposeAsync() => database.DisposeAsync();
    }

    /// <summary>Runs the worker from when there are models until the host stops; first of all then, so that no job's question meets a node that is leaving.</summary>
    private sealed class WorkerLoop(Worker worker, RetentionLoop retention, Router router) : IHostedLifecycleService, IDisposable
    {
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

        private async Task WorkAsync()
        {
            try
            {
                await router.WaitUntilReadyAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.WhenAll(worker.RunAsync(_stop.Token), retention.RunAsync(_stop.Token));
        }
    }
}
