using System.Security.Cryptography;
using System.Text;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Hints;

/// <summary>Carries the hints of a journal to the other processes on its PostgreSQL database, and theirs to it.</summary>
/// <remarks>
/// Hints are sent after the transaction that they are about, some milliseconds' worth together: a NOTIFY within it would make all commits of the server wait for
/// each other. While the server cannot be reached they are dropped; workers look without a hint now and then.
/// </remarks>
public sealed partial class PostgresHints : IAsyncDisposable
{
    private const string ChannelName = "helixflow_agents";
    private const int MostPending = 10_000;
    private const string Letters = "rcx"; // [JournalHintKind]

    private static readonly TimeSpan GatheringTime = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Journal.Journal _journal;
    private readonly PostgresChannel _channel;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _me = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private readonly WakeSignal _soon;
    private readonly HashSet<JournalHint> _pending = []; // also its lock

    /// <param name="connectionString">The journal's database, as Npgsql takes it.</param>
    /// <param name="journal">The journal of this process.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told when the server cannot be reached.</param>
    public PostgresHints(string connectionString, Journal.Journal journal, TimeProvider time, ILogger<PostgresHints> logger)
    {
        _journal = journal;
        _channel = new PostgresChannel(connectionString, ChannelName, time);
        _time = time;
        _logger = logger;
        _soon = new WakeSignal(time);
    }

    /// <summary>Carries hints until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        _journal.Told += Add;
        try
        {
            await Task.WhenAll(SendAsync(stopping), _channel.ListenAsync(OnConnected, Hear, exception => Log.Broken(_logger, exception), stopping)).ConfigureAwait(false);
        }
        finally
        {
            _journal.Told -= Add;
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _channel.DisposeAsync();

    private void Add(JournalHint hint)
    {
        lock (_pending)
        {
            if (_pending.Count >= MostPending || !_pending.Add(hint))
            {
                return;
            }
        }

        _soon.Set();
    }

    private async Task SendAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await _soon.WaitAsync(LongestWait, stopping).ConfigureAwait(false);
            await Task.Delay(GatheringTime, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            JournalHint[] hints;
            lock (_pending)
            {
                hints = [.. _pending];
                _pending.Clear();
            }

            try
            {
                foreach (string message in Messages(hints))
                {
                    await _channel.SendAsync(message, stopping).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                Log.Dropped(_logger, exception, hints.Length);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    // The sender's name, then a hint a line: the letter of its kind and its text.
    private IEnumerable<string> Messages(JournalHint[] hints)
    {
        var message = new StringBuilder(_me);
        int bytes = _me.Length;
        foreach (JournalHint hint in hints)
        {
            int more = 2 + Encoding.UTF8.GetByteCount(hint.Text);
            if (bytes + more > PostgresChannel.MostBytes)
            {
                yield return message.ToString();
                message.Clear().Append(_me);
                bytes = _me.Length;
            }

            message.Append('\n').Append(Letters[(int)hint.Kind]).Append(hint.Text);
            bytes += more;
        }

        if (bytes > _me.Length)
        {
            yield return message.ToString();
        }
    }

    private void Hear(string message)
    {
        string[] lines = message.Split('\n');
        if (lines[0] == _me)
        {
            return;
        }

        foreach (string line in lines.AsSpan(1))
        {
            if (line.Length > 0 && Letters.IndexOf(line[0], StringComparison.Ordinal) is >= 0 and var kind) // a newer process may know more kinds
            {
                _journal.Hear(new JournalHint((JournalHintKind)kind, line[1..]));
            }
        }
    }

    // Whatever was sent before was missed.
    private void OnConnected() => _journal.Hear(new JournalHint(JournalHintKind.Ready, ""));

    private static partial class Log
    {
        [LoggerMessage(7190, LogLevel.Warning, "The hints of other processes cannot be heard; jobs that they ask for start a little later. It connects again.")]
        public static partial void Broken(ILogger logger, Exception exception);

        [LoggerMessage(7191, LogLevel.Warning, "{Count} hints for other processes were dropped; they find the jobs a little later.")]
        public static partial void Dropped(ILogger logger, Exception exception, int count);
    }
}
