using HelixFlow.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Files;

/// <summary>Removes expired files and uploads from the disk, at the start and then from time to time.</summary>
internal sealed partial class FileSweeper(FileStore store, FileStoreOptions options, TimeProvider time, ILogger<FileSweeper> logger) : BackgroundService, IAsyncDisposable
{
    /// <summary>Waits until nothing uses the database any more, which is disposed afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await (ExecuteTask ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await store.SweepAsync(stoppingToken);
            }
            catch (Exception exception) when (exception is StorageException or IOException or UnauthorizedAccessException)
            {
                Log.SweepFailed(logger, exception.Message);
            }

            await Task.Delay(options.SweepInterval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1101, LogLevel.Warning, "Expired files could not be removed: {Reason}")]
        public static partial void SweepFailed(ILogger logger, string reason);
    }
}
