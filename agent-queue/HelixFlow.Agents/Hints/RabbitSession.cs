using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace HelixFlow.Agents.Hints;

/// <summary>One connection to a broker, with all that is made on it. Thread-safe.</summary>
internal sealed class RabbitSession : IAsyncDisposable
{
    private const string Exchange = "helixflow.agents";
    private const int MostBytes = 64 << 10;

    private static readonly TimeSpan ConfirmLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);

    // Hints for a process that reads too slowly: it looks by itself after a second. Counted in messages of many hints.
    private static readonly Dictionary<string, object?> OwnQueue = new() { ["x-message-ttl"] = 10_000, ["x-max-length"] = 10_000 };

    private readonly IConnection _connection;
    private readonly IChannel _publishing;
    private readonly IChannel _taking;
    private readonly string _me;
    private readonly Action<JournalHint> _heard;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ending = new();
    private readonly Dictionary<string, (ReadyTaker Taker, Task Work)> _takers = new(StringComparer.Ordinal); // also its lock
    private bool _hasEnded; // under that lock

    private RabbitSession(IConnection connection, IChannel publishing, IChannel taking, string me, Action<JournalHint> heard, TimeProvider time)
    {
        _connection = connection;
        _publishing = publishing;
        _taking = taking;
        _me = me;
        _heard = heard;
        _time = time;
        connection.ConnectionShutdownAsync += OnShutdownAsync;
        publishing.ChannelShutdownAsync += OnShutdownAsync;
        taking.ChannelShutdownAsync += OnShutdownAsync;
    }

    /// <summary>Fails when the connection, or one of its channels, is closed for whatever reason.</summary>
    public Task Broken => _broken.Task;

    /// <summary>Connects, and hears what is told to all processes.</summary>
    /// <param name="factory">Connects.</param>
    /// <param name="me">This process, which does not hear itself.</param>
    /// <param name="heard">Called with each hint.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the wait for the broker.</param>
    public static async Task<RabbitSession> OpenAsync(ConnectionFactory factory, string me, Action<JournalHint> heard, TimeProvider time, CancellationToken cancellationToken)
    {
        IConnection connection = await factory.CreateConnectionAsync(cancellationToken).ConfigureAwait(false);
        RabbitSession? session = null;
        try
        {
            IChannel publishing = await connection.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken).ConfigureAwait(false);
            IChannel taking = await connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
            session = new RabbitSession(connection, publishing, taking, me, heard, time);
            await session.ListenAsync(cancellationToken).ConfigureAwait(false);
            return session;
        }
        catch
        {
            await (session is null ? CloseAsync(connection, time) : session.DisposeAsync().AsTask()).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Sends hints, and waits until the broker has them.</summary>
    /// <exception cref="Exception">It has not confirmed them.</exception>
    public async Task PublishAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken)
    {
        var messages = new List<(string Exchange, string Key, string Text)>();
        messages.AddRange(hints.Where(IsForOne).Select(static hint => ("", ReadyTaker.QueueOf(hint.Text), "")));
        messages.AddRange(HintText.Write(_me, hints.Where(static hint => !IsForOne(hint)), MostBytes).Select(static text => (Exchange, "", text)));
        using var limit = new CancellationTokenSource(ConfirmLimit, _time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            await Task.WhenAll(messages.Select(message => PublishAsync(message.Exchange, message.Key, message.Text, ending.Token))).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (limit.IsCancellationRequested)
        {
            throw new TimeoutException($"the broker has not confirmed them within {ConfirmLimit.TotalSeconds} s", exception);
        }
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
                var taker = new ReadyTaker(look.Type, _taking, _heard, () => PublishAsync([new JournalHint(JournalHintKind.Ready, look.Type)], _ending.Token), _time);
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
        await Task.WhenAll(work).ConfigureAwait(false);
        await CloseAsync(_connection, _time).ConfigureAwait(false);
        _ending.Dispose();
    }

    private static async Task CloseAsync(IConnection connection, TimeProvider time)
    {
        try
        {
            await Task.Run(async () =>
            {
                await connection.AbortAsync().ConfigureAwait(false);
                await connection.DisposeAsync().ConfigureAwait(false);
            }).WaitAsync(CloseLimit, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A broker that answers nothing is not waited for; what is left of the connection closes by itself.
        }
    }

    // Ready without a type is for all types, and there is no queue of those.
    private static bool IsForOne(JournalHint hint) => hint is { Kind: JournalHintKind.Ready, Text.Length: > 0 };

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        await _taking.ExchangeDeclareAsync(Exchange, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
        QueueDeclareOk own = await _taking.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true, OwnQueue, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _taking.QueueBindAsync(own.QueueName, Exchange, "", cancellationToken: cancellationToken).ConfigureAwait(false);
        await _taking.BasicQosAsync(0, prefetchCount: 1, global: false, cancellationToken).ConfigureAwait(false); // for those that confirm: the takers
        var consumer = new AsyncEventingBasicConsumer(_taking);
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
        await _taking.BasicConsumeAsync(own.QueueName, autoAck: true, consumer, cancellationToken).ConfigureAwait(false);
    }

    private async Task PublishAsync(string exchange, string key, string text, CancellationToken cancellationToken) => await _publishing.BasicPublishAsync(
        exchange, key, mandatory: false, new BasicProperties(), Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);

    private async Task TakeAsync(string type, ReadyTaker taker)
    {
        try
        {
            await taker.RunAsync(_ending.Token).ConfigureAwait(false);
            lock (_takers)
            {
                _takers.Remove(type);
            }
        }
        catch (Exception exception)
        {
            _broken.TrySetException(exception); // or it ends, and whatever was asked for at this moment may fail
        }
    }

    private Task OnShutdownAsync(object sender, ShutdownEventArgs reason)
    {
        Break(reason.ReplyText);
        return Task.CompletedTask;
    }

    private void Break(string reason) => _broken.TrySetException(new IOException(reason));
}
