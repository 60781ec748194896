using HelixFlow.Agents.Dispatch;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Hints;

/// <summary>Tells the other processes on a journal's database what happens in this one, and the journal what happens in them.</summary>
/// <remarks>
/// Hints are sent after the transaction that they are about, those of some milliseconds together, and none waits for its journal's caller. What cannot be sent, or comes faster
/// than it can be sent, is dropped: workers and readers look without a hint now and then. Run it once.
/// </remarks>
public sealed partial class HintRelay
{
    internal const int MostPending = 10_000;

    private static readonly TimeSpan GatheringTime = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Journal.Journal _journal;
    private readonly IHintChannel _channel;
    private readonly HintMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly WakeSignal _soon;
    private readonly HashSet<JournalHint> _pending = []; // also its lock
    private int _isDropping;
    private bool _isBroken; // the listener's

    /// <param name="journal">The journal of this process.</param>
    /// <param name="channel">The way to the others.</param>
    /// <param name="metrics">Counts the hints.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told, once each time, when hints cannot be heard or sent.</param>
    public HintRelay(Journal.Journal journal, IHintChannel channel, HintMetrics metrics, TimeProvider time, ILogger<HintRelay> logger)
    {
        _journal = journal;
        _channel = channel;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _soon = new WakeSignal(time);
    }

    /// <summary>Carries hints until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        _metrics.Connected(_channel.Name, false);
        _journal.Told += Add;
        try
        {
            await Task.WhenAll(SendAsync(stopping), _channel.ListenAsync(OnConnected, Hear, OnFailed, stopping)).ConfigureAwait(false);
        }
        finally
        {
            _journal.Told -= Add;
            _metrics.Connected(_channel.Name, false);
        }
    }

    // Called by whoever has written to the journal: it costs a look into a set.
    private void Add(JournalHint hint)
    {
        bool isFull;
        lock (_pending)
        {
            isFull = _pending.Count >= MostPending && !_pending.Contains(hint);
            if (!isFull && !_pending.Add(hint))
            {
                return;
            }
        }

        if (isFull)
        {
            Drop(1, "there are too many");
        }
        else
        {
            _soon.Set();
        }
    }

    // The first hint after a while goes out at once, what comes behind it together.
    private async Task SendAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await _soon.WaitAsync(LongestWait, stopping).ConfigureAwait(false);
            JournalHint[] hints;
            lock (_pending)
            {
                hints = [.. _pending];
                _pending.Clear();
            }

            if (hints.Length > 0 && !stopping.IsCancellationRequested)
            {
                await SendAsync(hints, stopping).ConfigureAwait(false);
                await Task.Delay(GatheringTime, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task SendAsync(JournalHint[] hints, CancellationToken stopping)
    {
        try
        {
            await _channel.SendAsync(hints, stopping).ConfigureAwait(false);
            _metrics.Sent(_channel.Name, hints.Length);
            if (hints.Length < MostPending)
            {
                Volatile.Write(ref _isDropping, 0);
            }
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            Drop(hints.Length, exception.GetBaseException().Message);
        }
        catch (Exception)
        {
            // It stops, and whatever was sent at this moment may fail.
        }
    }

    private void Drop(int count, string reason)
    {
        _metrics.Dropped(_channel.Name, count);
        if (Interlocked.Exchange(ref _isDropping, 1) == 0)
        {
            Log.Dropping(_logger, _channel.Name, reason); // once, however long it lasts
        }
    }

    private void Hear(JournalHint hint)
    {
        _metrics.Heard(_channel.Name);
        _journal.Hear(hint);
    }

    private void OnConnected()
    {
        _metrics.Connected(_channel.Name, true);
        if (_isBroken)
        {
            _isBroken = false;
            Log.Connected(_logger, _channel.Name);
        }

        _journal.Hear(new JournalHint(JournalHintKind.Ready, "")); // whatever was sent before was missed
    }

    private void OnFailed(Exception exception)
    {
        _metrics.Connected(_channel.Name, false);
        if (!_isBroken)
        {
            _isBroken = true;
            Log.Broken(_logger, _channel.Name, exception.GetBaseException().Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(7190, LogLevel.Warning, "The hints of other processes cannot be heard by {Channel}: {Reason}. Jobs that they ask for start up to a second later here; it connects again by itself.")]
        public static partial void Broken(ILogger logger, string channel, string reason);

        [LoggerMessage(7191, LogLevel.Warning, "Hints for other processes are dropped, as {Channel} does not take them: {Reason}. They find the jobs up to a second later.")]
        public static partial void Dropping(ILogger logger, string channel, string reason);

        [LoggerMessage(7192, LogLevel.Information, "The hints of other processes are heard by {Channel} again.")]
        public static partial void Connected(ILogger logger, string channel);
    }
}
