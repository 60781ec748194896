using HelixFlow.Agents.Dispatch;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Catalog;

/// <summary>Keeps the catalog in step with the types that workers tell the journal of, here or through another gateway.</summary>
internal sealed partial class CatalogFollower(JobCatalog catalog, Journal.Journal journal, TimeProvider time, ILogger<CatalogFollower> logger) : BackgroundService
{
    // A type that is told to another gateway is known here after so long.
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(5);

    /// <summary>Reads the types now.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken) => catalog.Replace(await journal.TypesAsync(cancellationToken).ConfigureAwait(false));

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await TryRefreshAsync(cancellationToken).ConfigureAwait(false); // before the first request comes
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var wake = new WakeSignal(time);
        journal.TypesChanged += wake.Set;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                await wake.WaitAsync(_interval, stoppingToken).ConfigureAwait(false);
                await TryRefreshAsync(stoppingToken).ConfigureAwait(false);
            }
        }
        finally
        {
            journal.TypesChanged -= wake.Set;
        }
    }

    private async Task TryRefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Log.RefreshFailed(logger, exception);
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(7020, LogLevel.Warning, "The job types that workers have told of cannot be read; they are read again later.")]
        public static partial void RefreshFailed(ILogger logger, Exception exception);
    }
}
