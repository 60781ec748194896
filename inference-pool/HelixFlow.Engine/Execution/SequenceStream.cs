using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace HelixFlow.Engine.Execution;

/// <summary>
/// The events of one accepted request, from the engine thread to one consumer. Each choice gives zero or more tokens and exactly one
/// Finished; after the last of these the stream ends.
/// </summary>
/// <remarks>
/// One reader at a time; <see cref="Cancel()"/> and <see cref="Dispose"/> may be called from any thread. The engine never waits for the
/// consumer: what is not read is kept, at most count * (tokens + 1) events of 48 bytes plus the log probabilities that were asked for, so
/// the request's own token limit is the bound. Consumers run on the thread pool, never on the engine thread, and a token costs no allocation.
/// </remarks>
[SuppressMessage("Naming", "CA1711", Justification = "A stream of events, as in gRPC, not of bytes.")]
public sealed class SequenceStream : IDisposable, IValueTaskSource<bool>, IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly EngineInbox _inbox;
    private readonly bool[] _cancelled; // [choice]: nothing more to cancel
    private ManualResetValueTaskSourceCore<bool> _wait;
    private CancellationTokenRegistration _registration;
    private OperationCanceledException? _waitCancelled;
    private SequenceEvent[] _events = new SequenceEvent[16]; // ring; its length is a power of two
    private int _head;
    private int _count;
    private int _openChoices;
    private int _cachedTokens;
    private bool _waiting;
    private bool _disposed;

    internal SequenceStream(EngineInbox inbox, SequenceRequest request)
    {
        _inbox = inbox;
        RequestId = request.RequestId;
        PromptTokens = request.Prompt.Length;
        Choices = request.Count;
        _openChoices = request.Resume?.Count ?? Choices;
        _cancelled = new bool[Choices];
        if (request.Resume is not null)
        {
            _cancelled.AsSpan().Fill(true); // but for those that go on
            foreach (ResumedChoice resumed in request.Resume)
            {
                _cancelled[resumed.Choice] = false;
            }
        }
    }

    public string RequestId { get; }

    public int PromptTokens { get; }

    /// <summary>Choices of the request, those included that had ended before it was resumed.</summary>
    public int Choices { get; }

    /// <summary>Prompt tokens that were found in the prefix cache; known once the first event is there.</summary>
    public int CachedTokens => Volatile.Read(ref _cachedTokens);

    /// <summary>Takes the next event if there is one; never waits.</summary>
    public bool TryRead(out SequenceEvent next)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                next = default;
                return false;
            }

            next = _events[_head];
            _events[_head] = default;
            _head = (_head + 1) & (_events.Length - 1);
            _count--;
            return true;
        }
    }

    /// <summary>Completes with true when an event can be read and with false when the stream has ended.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled. The request runs on: cancel it with <see cref="Cancel()"/>.</exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        short version;
        lock (_gate)
        {
            if (_count > 0)
            {
                return new ValueTask<bool>(true);
            }

            if (HasEnded)
            {
                return new ValueTask<bool>(false);
            }

            if (_waiting)
            {
                throw new InvalidOperationException("A stream of sequence events has one reader, and it waits already.");
            }

            _wait.Reset();
            _waitCancelled = null;
            _waiting = true;
            version = _wait.Version;
        }

        _registration = cancellationToken.UnsafeRegister(
            static (stream, token) => Unsafe.As<SequenceStream>(stream!).CancelWait(token), this);
        return new ValueTask<bool>(this, version);
    }

    /// <summary>Reads to the end. Leaving the loop early does not cancel the request; disposing the stream does.</summary>
    public async IAsyncEnumerable<SequenceEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            while (TryRead(out SequenceEvent next))
            {
                yield return next;
            }
        }
    }

    /// <summary>Ends all choices at the next step and frees their blocks; each still gets its Finished event.</summary>
    public void Cancel()
    {
        for (int choice = 0; choice < Choices; choice++)
        {
            Cancel(choice);
        }
    }

    /// <summary>Ends one choice at the next step, for example because a stop text appeared in it; the others go on.</summary>
    public void Cancel(int choice)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(choice);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(choice, Choices);
        lock (_gate)
        {
            if (_cancelled[choice] || _openChoices == 0)
            {
                return;
            }

            _cancelled[choice] = true;
        }

        _inbox.PostCancel(this, choice);
    }

    /// <summary>Cancels what still runs and drops what was not read. Safe to call more than once.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _events = new SequenceEvent[1];
            _head = _count = 0;
        }

        Cancel();
    }

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        _registration.Dispose();
        return _wait.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    /// <summary>Completes the reader's wait on the thread pool, so that its continuation never runs on the engine thread.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        bool any;
        OperationCanceledException? cancelled;
        lock (_gate)
        {
            any = _count > 0;
            cancelled = any || HasEnded ? null : _waitCancelled;
        }

        if (cancelled is null)
        {
            _wait.SetResult(any);
        }
        else
        {
            _wait.SetException(cancelled);
        }
    }

    /// <summary>The generations that produce the choices; owned by the engine thread.</summary>
    internal Generation[] Generations { get; set; } = [];

    /// <summary>The first of them to run, null before; owned by the engine thread.</summary>
    internal Generation? Starter { get; set; }

    /// <summary>How many of the generations wait on their own for their first step.</summary>
    internal int WaitingSequences => Generations[0].Slots == 1 ? Generations.Length : 1;

    internal Generation Find(int choice) => Array.Find(Generations, generation => generation.Choice == choice)!;

    internal void ReportCachedTokens(int count) => Volatile.Write(ref _cachedTokens, count);

    /// <summary>Adds an event and wakes the reader; never waits. Called by the engine thread, and by it alone.</summary>
    internal void Emit(in SequenceEvent next)
    {
        bool wake;
        lock (_gate)
        {
            if (next.Kind == SequenceEventKind.Finished)
            {
                _openChoices--;
            }

            if (!_disposed)
            {
                if (_count == _events.Length)
                {
                    Grow_NeedsLock();
                }

                _events[(_head + _count) & (_events.Length - 1)] = next;
                _count++;
            }

            wake = _waiting && (_count > 0 || HasEnded);
            _waiting &= !wake;
        }

        if (wake)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private bool HasEnded => _openChoices == 0;

    private void Grow_NeedsLock()
    {
        var larger = new SequenceEvent[_events.Length * 2];
        for (int i = 0; i < _count; i++)
        {
            larger[i] = _events[(_head + i) & (_events.Length - 1)];
        }

        _events = larger;
        _head = 0;
    }

    private void CancelWait(CancellationToken token)
    {
        lock (_gate)
        {
            if (!_waiting)
            {
                return;
            }

            _waiting = false;
            _waitCancelled = new OperationCanceledException(token);
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}
