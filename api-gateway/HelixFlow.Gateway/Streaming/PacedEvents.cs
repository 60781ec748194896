using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Reads a generation's events and says when there has been silence for a while.</summary>
/// <remarks>
/// Used by its request's thread; the events' source and the timer wake it. Waiting for an event allocates nothing and touches the timer only
/// when it has run out: it then looks how long the silence has really been. Dispose it when no event is being waited for; the events are the
/// caller's.
/// </remarks>
/// <param name="events">The events.</param>
/// <param name="interval">How long a silence is told after, and told again.</param>
/// <param name="time">The clock.</param>
/// <param name="beforeWait">Called when an event is not there yet, before it is waited for: the time to send what has been written.</param>
/// <param name="onSilence">Called each time that the interval has passed without an event.</param>
internal sealed class PacedEvents(
    IAsyncEnumerator<GenerateEvent> events, TimeSpan interval, TimeProvider time, Func<ValueTask> beforeWait, Func<Task> onSilence) : IValueTaskSource<bool>, IDisposable
{
    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _wake; // true: the event has come; false: silence
    private ConfiguredValueTaskAwaitable<bool>.ConfiguredValueTaskAwaiter _pending;
    private Action? _onEvent;
    private ITimer? _timer;
    private long _silentSince;
    private bool _isArmed; // the timer runs
    private bool _isWaiting; // the request's thread waits to be woken
    private bool _hasCome; // the pending event

    /// <summary>The event that <see cref="MoveNextAsync"/> has advanced to.</summary>
    public GenerateEvent Current => events.Current;

    /// <summary>Advances to the next event; false when there is none.</summary>
    public ValueTask<bool> MoveNextAsync()
    {
        ValueTask<bool> next = events.MoveNextAsync();
        return next.IsCompleted ? next : MoveNextSlowAsync(next);
    }

    public void Dispose() => _timer?.Dispose();

    bool IValueTaskSource<bool>.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> MoveNextSlowAsync(ValueTask<bool> next)
    {
        _pending = next.ConfigureAwait(false).GetAwaiter();
        _hasCome = false;
        _pending.UnsafeOnCompleted(_onEvent ??= OnEvent);
        try
        {
            await beforeWait().ConfigureAwait(false);
            while (!HasCome() && !await WaitAsync(limited: true).ConfigureAwait(false))
            {
                await onSilence().ConfigureAwait(false);
            }
        }
        catch
        {
            // When the client has left, the events end too; an enumerator may be disposed only after that.
            if (!HasCome())
            {
                await WaitAsync(limited: false).ConfigureAwait(false);
            }

            Observe();
            throw;
        }

        return _pending.GetResult();
    }

    private bool HasCome()
    {
        lock (_lock)
        {
            return _hasCome;
        }
    }

    /// <summary>True when the event has come, false when there was silence.</summary>
    private ValueTask<bool> WaitAsync(bool limited)
    {
        lock (_lock)
        {
            if (_hasCome)
            {
                return ValueTask.FromResult(true);
            }

            _wake.Reset();
            _isWaiting = true;
            _silentSince = limited ? time.GetTimestamp() : long.MaxValue;
            if (limited && !_isArmed)
            {
                _isArmed = true;
                if (_timer is null)
                {
                    _timer = time.CreateTimer(static state => ((PacedEvents)state!).OnTimer(), this, interval, Timeout.InfiniteTimeSpan);
                }
                else
                {
                    _timer.Change(interval, Timeout.InfiniteTimeSpan);
                }
            }

            return new ValueTask<bool>(this, _wake.Version);
        }
    }

    private void OnEvent()
    {
        lock (_lock)
        {
            _hasCome = true;
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        _wake.SetResult(true);
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            _isArmed = false;
            if (!_isWaiting || _silentSince == long.MaxValue)
            {
                return; // the next wait starts it again
            }

            TimeSpan left = interval - time.GetElapsedTime(_silentSince);
            if (left > TimeSpan.Zero)
            {
                _isArmed = true;
                _timer?.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }

            _isWaiting = false;
        }

        _wake.SetResult(false);
    }

    private void Observe()
    {
        try
        {
            _pending.GetResult();
        }
        catch (Exception)
        {
            // What ended the request is on its way already.
        }
    }
}
