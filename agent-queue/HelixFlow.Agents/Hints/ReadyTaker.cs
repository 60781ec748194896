using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace HelixFlow.Agents.Hints;

/// <summary>A process's place at the queue of the hints that runs of one type are ready: it has one hint at a time, and keeps it until a worker has looked.</summary>
/// <remarks>
/// A hint is done with when a worker has looked after it came and had room for more than there was. When the look has filled it, or it is full already, there may be more for
/// others: then they get a hint, and this process keeps its own, so that the broker gives it nothing more, until a worker has room again.
/// </remarks>
/// <param name="type">The type.</param>
/// <param name="channel">Gives one message at a time.</param>
/// <param name="heard">Wakes the workers of this process.</param>
/// <param name="passOn">Puts a hint of the type behind the others in the queue.</param>
/// <param name="time">The journal's clock.</param>
internal sealed class ReadyTaker(string type, IChannel channel, Action<JournalHint> heard, Func<Task> passOn, TimeProvider time)
{
    private const string QueuePrefix = "helixflow.agents.ready.";
    private const int LongestQueueName = 255; // bytes, of the protocol

    // A worker that had room looks within milliseconds, but its database may be slow: another one's look would not make it faster.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(1);

    // They cannot be changed under the same name. After ten seconds every worker has looked by itself. A hundred hints wake a hundred processes, and those that they fill wake others.
    // A type that nobody has looked for in an hour needs no queue.
    private static readonly Dictionary<string, object?> Queue = new()
    {
        ["x-queue-type"] = "quorum", ["x-message-ttl"] = 10_000, ["x-max-length"] = 100, ["x-expires"] = 3_600_000, ["x-delivery-limit"] = 20,
    };

    private readonly Channel<ulong> _deliveries = Channel.CreateUnbounded<ulong>(); // one at most: the broker waits for what becomes of it
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

    /// <summary>Takes hints until it ends, or no worker has had room for a while.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        string queue = QueueOf(type);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, Queue, cancellationToken: ending).ConfigureAwait(false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            _deliveries.Writer.TryWrite(delivery.DeliveryTag); // whatever the message says: where it lies is what it means
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) =>
        {
            _deliveries.Writer.TryComplete(new IOException("the broker has taken the queue away"));
            return Task.CompletedTask;
        };
        string place = await channel.BasicConsumeAsync(queue, autoAck: false, consumer, ending).ConfigureAwait(false);
        heard(new JournalHint(JournalHintKind.Ready, type)); // what was told before there was a queue was missed
        bool stays = true;
        while (stays)
        {
            ulong delivery = await _deliveries.Reader.ReadAsync(ending).ConfigureAwait(false);
            long since = time.GetTimestamp();
            heard(new JournalHint(JournalHintKind.Ready, type));
            if (IsFull || !await HasRoomAsync(since, Patience, orIsFull: true, ending).ConfigureAwait(false))
            {
                await passOn().ConfigureAwait(false);
                stays = await HasRoomAsync(since, LongestHold, orIsFull: false, ending).ConfigureAwait(false);
            }

            if (!stays)
            {
                await channel.BasicCancelAsync(place, noWait: false, ending).ConfigureAwait(false); // the next look brings it back
            }

            await channel.BasicAckAsync(delivery, multiple: false, ending).ConfigureAwait(false);
        }
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
}
