namespace HelixFlow.Engine.Execution;

/// <summary>What callers ask of the engine thread: new requests and cancellations, taken over once per step.</summary>
/// <remarks>
/// Thread-safe. Requests are bounded by the engine's admission limit, cancellations by one per choice of those. The engine thread parks in
/// <see cref="Park"/> while there is nothing to do.
/// </remarks>
internal sealed class EngineInbox
{
    private readonly object _gate = new(); // an object, not a Lock: the engine thread waits on it
    private List<Message> _posted = new(64);
    private List<Message> _taken = new(64);
    private bool _signalled;

    /// <summary>A new request when <paramref name="Choice"/> is negative, else the cancellation of that choice.</summary>
    internal readonly record struct Message(SequenceStream Stream, int Choice)
    {
        public bool IsRequest => Choice < 0;
    }

    public void PostRequest(SequenceStream stream) => Post(new Message(stream, -1));

    public void PostCancel(SequenceStream stream, int choice) => Post(new Message(stream, choice));

    /// <summary>Makes the engine thread look at its state.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            _signalled = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Blocks the engine thread until something was posted or <see cref="Wake"/> called since it last returned.</summary>
    public void Park()
    {
        lock (_gate)
        {
            while (!_signalled)
            {
                Monitor.Wait(_gate);
            }

            _signalled = false;
        }
    }

    /// <summary>As <see cref="Park"/>, but for a limited time.</summary>
    /// <param name="limit">How long; in whole milliseconds, rounded up.</param>
    /// <returns>Whether something was posted or <see cref="Wake"/> called.</returns>
    public bool AwaitMore(TimeSpan limit)
    {
        lock (_gate)
        {
            if (!_signalled)
            {
                Monitor.Wait(_gate, (int)Math.Ceiling(limit.TotalMilliseconds)); // again only when there is more: waking for nothing ends it early
            }

            bool more = _signalled;
            _signalled = false;
            return more;
        }
    }

    /// <summary>Takes all messages in the order of posting; the list is valid until the next call.</summary>
    public List<Message> TakeAll()
    {
        _taken.Clear();
        lock (_gate)
        {
            (_posted, _taken) = (_taken, _posted);
        }

        return _taken;
    }

    private void Post(Message message)
    {
        lock (_gate)
        {
            _posted.Add(message);
            _signalled = true;
            Monitor.Pulse(_gate);
        }
    }
}
