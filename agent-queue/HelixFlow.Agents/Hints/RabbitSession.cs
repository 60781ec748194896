using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace HelixFlow.Agents.Hints;

/// <summary>One connection to a broker, with all that is made on it. Thread-safe.</summary>
internal sealed partial class RabbitSession : IAsyncDisposable
{
    private const string Exchange = "helixflow.agents";
    private const int MostBytes = 64 << 10;

    // Later than this a hint is not worth much: workers look by themselves every second.
    private static readonly TimeSpan ConfirmLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan DetourTime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);

    // Hints for a process that reads too slowly. Counted in messages of many hints.
    private static readonly Dictionary<string, object?> OwnQueue = new() { ["x-message-ttl"] = 10_000, ["x-max-length"] = 10_000 };

    private readonly IConnection _connection;
    private readonly IChannel _publishing;
    private readonly IChannel _listening;
    private readonly string _me;
    private readonly Action<JournalHint> _heard;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<string, long> _refused = new(StringComparer.Ordinal); // types whose queues take nothing, and since when
    private readonly Dictionary<string, (ReadyTaker Taker, Task Work)> _takers = new(StringComparer.Ordinal); // also its lock
    private bool _hasEnded; // under that lock

    private RabbitSession(IConnection connection, IChannel publishing, IChannel listening, string me, Action<JournalHint> heard, TimeProvider time, ILogger logger)
    {
        _connection = connection;
        _publishing = publishing;
        _listening = listening;
        _me = me;
        _heard = heard;
        _time = time;
        _logger = logger;
        connection.ConnectionShutdownAsync += OnShutdownAsync;
        publishing.ChannelShutdownAsync += OnShutdownAsync;
        listening.ChannelShutdownAsync += OnShutdownAsync;
    }

    /// <summary>Fails when the connection is closed for whatever reason, or a channel of it that all hints need.</summary>
    public Task Broken => _broken.Task;

    /// <summary>Connects, and hears what is told to all processes.</summary>
    /// <param name="factory">Connects.</param>
    /// <param name="me">This process, which does not hear itself.</param>
    /// <param name="heard">Called with each hint.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of queues that do not answer.</param>
    /// <param name="cancellationToken">Ends the wait for the broker.</param>
    public static async Task<RabbitSession> OpenAsync(
        ConnectionFactory factory, string me, Action<JournalHint> heard, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        IConnection connection = await factory.CreateConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            IChannel publishing = await connection.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken).ConfigureAwait(false);
            IChannel listening = await connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
            var session = new RabbitSession(connection, publishing, listening, me, heard, time, logger);
            await session.ListenAsync(cancellationToken).ConfigureAwait(false);
            return session;
        }
        catch
        {
            await CloseAsync(connection, [], time).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Sends hints, and waits until the broker has them. What a queue does not take goes to all processes.</summary>
    /// <exception cref="Exception">It has not confirmed them.</exception>
    public async Task PublishAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken)
    {
        ILookup<bool, JournalHint> isForOne = hints.ToLookup(IsForOne);
        Task toAll = PublishToAllAsync(isForOne[false], cancellationToken);
        bool[] areTaken = await Task.WhenAll(isForOne[true].Select(hint => TryPublishToOneAsync(hint.Text, cancellationToken))).ConfigureAwait(false);
        await PublishToAllAsync(isForOne[true].Where((_, i) => !areTaken[i]), cancellationToken).ConfigureAwait(false);
        await toAll.ConfigureAwait(false);
    }

    /// <summary>A worker of this process has looked for runs: hints about the type are of use here, and perhaps one is done with.</summary>
    public void Note(Journal.JournalLook look)
    {
        lock (_takers)
        {
            if (_hasEnded)
            {
                return;
            }

            if (!_takers.TryGetValue(look.Type, out (ReadyTaker Taker, Task Work) at))
            {
                var taker = new ReadyTaker(look.Type, _connection, _heard, () => PublishAsync([new JournalHint(JournalHintKind.Ready, look.Type)], _ending.Token), _time, _logger);
                at = (taker, Task.Run(() => TakeAsync(look.Type, taker), CancellationToken.None));
                _takers.Add(look.Type, at);
            }

            at.Taker.Note(look);
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Task[] work;
        lock (_takers)
        {
            _hasEnded = true;
            work = [.. _takers.Values.Select(static at => at.Work)];
        }

        _broken.TrySetResult();
        await _ending.CancelAsync().ConfigureAwait(false);
        await CloseAsync(_connection, work, _time).ConfigureAwait(false);
        _ending.Dispose();
    }

    private static async Task CloseAsync(IConnection connection, Task[] work, TimeProvider time)
    {
        try
        {
            await Task.Run(async () =>
            {
                await connection.AbortAsync().ConfigureAwait(false);
                await Task.WhenAll(work).ConfigureAwait(false);
                await connection.DisposeAsync().ConfigureAwait(false);
            }).WaitAsync(CloseLimit, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A broker that answers nothing is not waited for; what is left of the connection closes by itself.
        }
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        await _listening.ExchangeDeclareAsync(Exchange, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
        QueueDeclareOk own = await _listening.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true, OwnQueue, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _listening.QueueBindAsync(own.QueueName, Exchange, "", cancellationToken: cancellationToken).ConfigureAwait(false);
        var consumer = new AsyncEventingBasicConsumer(_listening);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            foreach (JournalHint hint in HintText.Read(Encoding.UTF8.GetString(delivery.Body.Span), _me))
            {
                _heard(hint);
            }

            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) =>
        {
            Break("the broker has taken the queue away");
            return Task.CompletedTask;
        };
        await _listening.BasicConsumeAsync(own.QueueName, autoAck: true, consumer, cancellationToken).ConfigureAwait(false);
    }

    // Ready without a type is for all types, and there is no queue of those.
    private bool IsForOne(JournalHint hint) =>
        hint is { Kind: JournalHintKind.Ready, Text.Length: > 0 } && (!_refused.TryGetValue(hint.Text, out long since) || _time.GetElapsedTime(since) > DetourTime);

    private Task PublishToAllAsync(IEnumerable<JournalHint> hints, CancellationToken cancellationToken) =>
        Task.WhenAll(HintText.Write(_me, hints, MostBytes).Select(text => PublishAsync(Exchange, "", text, cancellationToken)));

    // False when the queue does not take it: its nodes may be fewer than its quorum.
    private async Task<bool> TryPublishToOneAsync(string type, CancellationToken cancellationToken)
    {
        try
        {
            await PublishAsync("", ReadyTaker.QueueOf(type), "", cancellationToken).ConfigureAwait(false);
            _refused.TryRemove(type, out _);
            return true;
        }
        catch (Exception exception) when (exception is TimeoutException or PublishException)
        {
            _refused[type] = _time.GetTimestamp();
            Log.Refused(_logger, type, exception.Message);
            return false;
        }
    }

    private async Task PublishAsync(string exchange, string key, string text, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(ConfirmLimit, _time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            await _publishing.BasicPublishAsync(exchange, key, mandatory: false, new BasicProperties(), Encoding.UTF8.GetBytes(text), ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"the broker has not confirmed them within {ConfirmLimit.TotalSeconds} s", exception);
        }
    }

    private async Task TakeAsync(string type, ReadyTaker taker)
    {
        await taker.RunAsync(_ending.Token).ConfigureAwait(false);
        lock (_takers)
        {
            _takers.Remove(type);
        }
    }

    private Task OnShutdownAsync(object sender, ShutdownEventArgs reason)
    {
        Break(reason.ReplyText);
        return Task.CompletedTask;
    }

    private void Break(string reason) => _broken.TrySetException(new IOException(reason));

    private static partial class Log
    {
        [LoggerMessage(7193, LogLevel.Warning, "The queue of hints about jobs of {Type} in RabbitMQ does not take them: {Reason}. For a minute they go to all processes.")]
        public static partial void Refused(ILogger logger, string type, string reason);
    }
}
