using HelixFlow.Agents.Journal;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Dispatch;

/// <summary>Goes through the journal again and again, a little at a time, and deletes what nobody needs any more. Several processes may do so.</summary>
public sealed partial class RetentionLoop(Journal.Journal journal, TimeProvider time, ILogger<RetentionLoop> logger)
{
    private const int AtOnce = 200;

    // Between two pieces, so that collecting takes a small part of the database's time; and after the whole.
    private static readonly TimeSpan _shortPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _longPause = TimeSpan.FromMinutes(10);

    /// <summary>Works until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var collector = new Collector(journal);
        var all = new Collected();
        TimeSpan pause = _shortPause;
        while (!stopping.IsCancellationRequested)
        {
            await Task.Delay(pause, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                (Collected deleted, bool isDone) = await collector.StepAsync(AtOnce, stopping).ConfigureAwait(false);
                all += deleted;
                pause = isDone ? _longPause : _shortPause;
                if (isDone && all != default)
                {
                    Log.Collected(logger, all.Runs, all.Values, all.Bytes);
                    all = default;
                }
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                Log.Failed(logger, exception);
                pause = _longPause;
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(7040, LogLevel.Information, "The journal has let go of {Runs} runs and {Values} values of {Bytes} bytes.")]
        public static partial void Collected(ILogger logger, long runs, long values, long bytes);

        [LoggerMessage(7041, LogLevel.Warning, "What nobody needs any more could not be deleted; it is tried again later.")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
