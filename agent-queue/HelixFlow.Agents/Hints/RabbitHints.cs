using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace HelixFlow.Agents.Hints;

/// <summary>Carries hints by a RabbitMQ broker: that a run can be claimed to one process that has room for it, all else to every process.</summary>
/// <remarks>
/// Cancellations and changes go through a fanout exchange to a queue of each process that ends with its connection. That a run is ready goes into a quorum queue of its type, from which
/// <see cref="ReadyTaker"/> takes; while such a queue does not answer, it goes to all. When the connection breaks, all of it is made anew.
/// </remarks>
public sealed class RabbitHints : IHintChannel
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10); // a broker that is gone without a word is found out after two of them
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    private readonly ConnectionFactory _factory;
    private readonly Journal.Journal _journal;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _me = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
    private volatile RabbitSession? _session;

    /// <param name="broker">Where it is, as <see cref="RabbitAddress.Parse"/> reads it.</param>
    /// <param name="journal">The journal of this process, whose looks for runs tell which types its workers have room for.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of queues that do not answer.</param>
    public RabbitHints(Uri broker, Journal.Journal journal, TimeProvider time, ILogger<RabbitHints> logger)
    {
        _factory = new ConnectionFactory
        {
            Uri = broker,
            ClientProvidedName = $"HelixFlow {Environment.MachineName}/{Environment.ProcessId}",
            AutomaticRecoveryEnabled = false, // queues and what is held from them are made anew together
            RequestedHeartbeat = Heartbeat,
            RequestedConnectionTimeout = ConnectLimit,
            ContinuationTimeout = ConnectLimit,
        };
        _journal = journal;
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc />
    public string Name => "RabbitMQ";

    /// <inheritdoc />
    public Task SendAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken) =>
        _session?.PublishAsync(hints, cancellationToken) ?? throw new IOException("there is no connection");

    /// <inheritdoc />
    public async Task ListenAsync(Action connected, Action<JournalHint> heard, Action<Exception> failed, CancellationToken cancellationToken)
    {
        TimeSpan pause = FirstPause;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await using RabbitSession session = await RabbitSession.OpenAsync(_factory, _me, heard, _time, _logger, cancellationToken).ConfigureAwait(false);
                _session = session;
                _journal.Looked += session.Note;
                try
                {
                    connected();
                    pause = FirstPause;
                    await session.Broken.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    _journal.Looked -= session.Note;
                    _session = null;
                }
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                failed(exception);
                await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, LongestPause.Ticks));
            }
            catch (Exception)
            {
                return; // it stops, and whatever was asked for at this moment may fail
            }
        }
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => ValueTask.CompletedTask; // the connection ends with ListenAsync
}
