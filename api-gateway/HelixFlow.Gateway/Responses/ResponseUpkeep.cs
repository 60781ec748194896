using HelixFlow.Gateway.Health;
using HelixFlow.Gateway.Membership;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Responses;

/// <summary>Finishes the responses that processes have left which are no more, ends those that are cancelled through another gateway, and deletes what is old.</summary>
internal sealed partial class ResponseUpkeep(
    ResponseRuns runs,
    ResponseStore store,
    CompletionStore completions,
    GatewayMembership membership,
    IReadiness readiness,
    GatewayOptions options,
    TimeProvider time,
    ILogger<ResponseUpkeep> logger) : BackgroundService
{
    private static readonly TimeSpan ReadinessInterval = TimeSpan.FromMilliseconds(200);

    // How often to look for what other gateways leave or ask for.
    private static readonly TimeSpan SharedInterval = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        await runs.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!readiness.IsReady)
        {
            await Task.Delay(ReadinessInterval, time, stoppingToken).ConfigureAwait(false);
        }

        DateTimeOffset sweep = time.GetUtcNow();
        for (; ; await Task.Delay(membership.IsShared ? SharedInterval : options.SweepInterval, time, stoppingToken).ConfigureAwait(false))
        {
            try
            {
                await LookAsync(stoppingToken).ConfigureAwait(false);
                if (time.GetUtcNow() >= sweep)
                {
                    long before = (time.GetUtcNow() - options.Retention).ToUnixTimeSeconds();
                    await store.SweepAsync(before, stoppingToken).ConfigureAwait(false);
                    await completions.SweepAsync(before, stoppingToken).ConfigureAwait(false);
                    sweep = time.GetUtcNow() + options.SweepInterval;
                }
            }
            catch (StorageException exception)
            {
                LookFailed(logger, exception);
            }
        }
    }

    private async Task LookAsync(CancellationToken stopping)
    {
        foreach (StoredResponse left in await store.TakeLeftAsync(stopping).ConfigureAwait(false))
        {
            await runs.ResumeAsync(left, stopping).ConfigureAwait(false);
        }

        if (membership.IsShared)
        {
            foreach (string id in await store.ToCancelAsync(stopping).ConfigureAwait(false))
            {
                runs.Cancel(id);
            }
        }
    }

    [LoggerMessage(1062, LogLevel.Error, "Old responses and those that were left could not be looked after; it will be tried again")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
