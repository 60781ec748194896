namespace HelixFlow.Gateway.Responses;

/// <summary>The events of one response in their order: one writes, any number read and wait for more.</summary>
/// <remarks>Thread-safe. An event's place is its sequence number. It holds what one generation produces at most, which its limit of tokens bounds.</remarks>
internal sealed class EventLog
{
    private readonly Lock _lock = new();
    private readonly List<byte[]> _events = [];
    private TaskCompletionSource? _waiting;
    private bool _isComplete;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _events.Count;
            }
        }
    }

    /// <summary>Adds an event: one JSON object in UTF-8, which begins with its type.</summary>
    public void Add(byte[] data)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _events.Add(data);
            (waiting, _waiting) = (_waiting, null);
        }

        waiting?.TrySetResult();
    }

    /// <summary>Says that no more follow.</summary>
    public void Complete()
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _isComplete = true;
            (waiting, _waiting) = (_waiting, null);
        }

        waiting?.TrySetResult();
    }

    /// <summary>The events from a place on.</summary>
    public byte[][] From(int index)
    {
        lock (_lock)
        {
            return index >= _events.Count ? [] : [.. _events[index..]];
        }
    }

    /// <summary>Completes when there is an event at this place, true, or when there will be none, false.</summary>
    public async ValueTask<bool> WaitAsync(int index, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (_events.Count > index)
                {
                    return true;
                }

                if (_isComplete)
                {
                    return false;
                }

                _waiting ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                more = _waiting.Task;
            }

            await more.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
