using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace HelixFlow.Agents.Hints;

/// <summary>A process's place at the queue of the hints that runs of one type are ready: it has one hint at a time, and keeps it until a worker has looked.</summary>
/// <remarks>
/// A hint is done with when a worker has looked after it came and had room for more than there was. When the look has filled it, or it is full already, there may be more for
/// others: then they get a hint, and this process keeps its own, so that the broker gives it nothing more, until a worker has room again.
/// </remarks>
/// <param name="type">The type.</param>
/// <param name="connection">Gets a channel for this queue alone: one that waits for a queue without its quorum answers nothing else.</param>
/// <param name="heard">Wakes the workers of this process.</param>
/// <param name="passOn">Puts a hint of the type behind the others in the queue.</param>
/// <param name="time">The journal's clock.</param>
/// <param name="logger">Told when the queue cannot be used.</param>
internal sealed partial class ReadyTaker(string type, IConnection connection, Action<JournalHint> heard, Func<Task> passOn, TimeProvider time, ILogger logger)
{
    private const string QueuePrefix = "helixflow.agents.ready.";
    private const int LongestQueueName = 255; // bytes, of the protocol

    // A worker that had room looks within milliseconds, but its database may be slow: another one's look would not make it faster.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    // They cannot be changed under the same name. After ten seconds every worker has looked by itself. A hundred hints wake a hundred processes, and those that they fill wake others.
    // A type that nobody has looked for in an hour needs no queue.
    private static readonly Dictionary<string, object?> Queue = new()
    {
        ["x-queue-type"] = "quorum", ["x-message-ttl"] = 10_000, ["x-max-length"] = 100, ["x-expires"] = 3_600_000, ["x-delivery-limit"] = 20,
    };

    private readonly WakeSignal _looked = new(time);
    private readonly Lock _lock = new();
    private long _roomAt = long.MinValue;
    private long _fullAt = long.MinValue;

    /// <summary>The queue of a type, whose name may be longer than a queue's.</summary>
    public static string QueueOf(string type) => QueuePrefix.Length + Encoding.UTF8.GetByteCount(type) <= LongestQueueName
        ? QueuePrefix + type
        : QueuePrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(type)));

    /// <summary>A worker of this process has looked for runs of the type.</summary>
    public void Note(JournalLook look)
    {
        lock (_lock)
        {
            ref long at = ref look.HasRoom ? ref _roomAt : ref _fullAt;
            at = Math.Max(at, look.BeganAt);
        }

        _looked.Set();
    }

    /// <summary>Takes hints until it ends, or no worker has had room for a while. Begins anew when the queue cannot be used.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        TimeSpan pause = FirstPause;
        while (!ending.IsCancellationRequested)
        {
            long beganAt = time.GetTimestamp();
            try
            {
                await TakeAsync(ending).ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (!ending.IsCancellationRequested)
            {
                if (time.GetElapsedTime(beganAt) > LongestPause)
                {
                    pause = FirstPause; // it worked for a while
                }

                if (connection.IsOpen && pause == FirstPause)
                {
                    Log.Unusable(logger, type, exception.GetBaseException().Message); // once, however long it lasts
                }

                await Task.Delay(pause, time, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, LongestPause.Ticks));
            }
            catch (Exception)
            {
                return; // it ends, and whatever was asked for at this moment may fail
            }
        }
    }

    private async Task TakeAsync(CancellationToken ending)
    {
        string queue = QueueOf(type);
        var deliveries = Channel.CreateUnbounded<ulong>(); // one at most: the broker waits for what becomes of it
        await using IChannel channel = await connection.CreateChannelAsync(null, ending).ConfigureAwait(false);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, Queue, cancellationToken: ending).ConfigureAwait(false);
        await channel.BasicQosAsync(0, prefetchCount: 1, global: false, ending).ConfigureAwait(false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            deliveries.Writer.TryWrite(delivery.DeliveryTag); // whatever the message says: where it lies is what it means
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) => End("the broker has taken the queue away");
        channel.ChannelShutdownAsync += (_, reason) => End(reason.ReplyText);
        string place = await channel.BasicConsumeAsync(queue, autoAck: false, consumer, ending).ConfigureAwait(false);
        heard(new JournalHint(JournalHintKind.Ready, type)); // what was told before there was a queue was missed
        while (true)
        {
            ulong delivery = await deliveries.Reader.ReadAsync(ending).ConfigureAwait(false);
            bool stays = await ShowAsync(ending).ConfigureAwait(false);
            if (!stays)
            {
                await channel.BasicCancelAsync(place, noWait: false, ending).ConfigureAwait(false); // the next look brings it back
            }

            await channel.BasicAckAsync(delivery, multiple: false, ending).ConfigureAwait(false);
            if (!stays)
            {
                return;
            }
        }

        Task End(string reason)
        {
            deliveries.Writer.TryComplete(new IOException(reason));
            return Task.CompletedTask;
        }
    }

    /// <summary>Shows the workers a hint, and waits until they have done with it; false when they are all full and stay so.</summary>
    private async Task<bool> ShowAsync(CancellationToken ending)
    {
        long since = time.GetTimestamp();
        bool isFull = IsFull;
        heard(new JournalHint(JournalHintKind.Ready, type));
        if (!isFull && await HasRoomAsync(since, Patience, orIsFull: true, ending).ConfigureAwait(false))
        {
            return true;
        }

        await passOn().ConfigureAwait(false);
        return await HasRoomAsync(since, LongestHold, orIsFull: false, ending).ConfigureAwait(false);
    }

    // As the last look says. One that ends a run looks again; of several workers another one may have room: then it looks too, and the others got a hint for nothing.
    private bool IsFull
    {
        get
        {
            lock (_lock)
            {
                return _fullAt > _roomAt;
            }
        }
    }

    /// <summary>Whether a worker has looked since a moment and had room; false also when one has filled itself, if that is asked for.</summary>
    private async Task<bool> HasRoomAsync(long since, TimeSpan longest, bool orIsFull, CancellationToken ending)
    {
        long asked = time.GetTimestamp();
        while (true)
        {
            lock (_lock)
            {
                if (_roomAt >= since || (orIsFull && _fullAt >= since))
                {
                    return _roomAt >= since;
                }
            }

            TimeSpan left = longest - time.GetElapsedTime(asked);
            ending.ThrowIfCancellationRequested();
            if (left <= TimeSpan.Zero)
            {
                return false;
            }

            await _looked.WaitAsync(left, ending).ConfigureAwait(false);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(7194, LogLevel.Warning, "Hints about jobs of {Type} cannot be taken from RabbitMQ: {Reason}. The jobs start up to a second later here; it tries again.")]
        public static partial void Unusable(ILogger logger, string type, string reason);
    }
}
