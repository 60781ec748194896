using HelixFlow.Schemas;

namespace HelixFlow.InferenceNode.Requests;

/// <summary>One request on a node, from the gate to its end, and why it ends early: its client left, its time is up, or the node drains.</summary>
/// <remarks>Used by its request's thread. Disposing it leaves the gate.</remarks>
internal sealed class RequestScope : IDisposable
{
    private readonly RequestGate _gate;
    private readonly CancellationToken _clientGone;
    private readonly CancellationTokenSource? _deadline;
    private readonly CancellationTokenSource _ended;
    private readonly TimeProvider _time;
    private readonly TimeSpan? _timeLimit;
    private readonly long _began;

    /// <exception cref="InferenceException">The node takes no more requests.</exception>
    public RequestScope(RequestGate gate, TimeSpan? timeLimit, TimeProvider time, CancellationToken clientGone)
    {
        gate.Enter();
        _gate = gate;
        _clientGone = clientGone;
        _time = time;
        _timeLimit = timeLimit;
        _began = time.GetTimestamp();
        _deadline = timeLimit is { } limit ? new CancellationTokenSource(limit, time) : null;
        _ended = CancellationTokenSource.CreateLinkedTokenSource(clientGone, gate.Evicted, _deadline?.Token ?? CancellationToken.None);
        Token = _ended.Token;
    }

    /// <summary>Cancelled when the request ends early, whatever the cause.</summary>
    public CancellationToken Token { get; }

    public void Cancel() => _ended.Cancel();

    /// <summary>Awaits a part of the request; an early end is told by its cause.</summary>
    /// <exception cref="InferenceException">The time is up, or the node drains.</exception>
    public async Task<T> GuardAsync<T>(Task<T> work)
    {
        try
        {
            return await work.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (Cause() is { } cause)
        {
            throw cause;
        }
    }

    /// <summary>As <see cref="GuardAsync"/>, for a stream's next event; what comes after the time limit counts as late whoever is told first.</summary>
    /// <exception cref="InferenceException">The time is up, or the node drains.</exception>
    public ValueTask<bool> MoveNextAsync<T>(IAsyncEnumerator<T> events)
    {
        ValueTask<bool> next = events.MoveNextAsync();
        return next.IsCompletedSuccessfully && !IsTimeUp ? next : MoveNextSlowAsync(next);
    }

    public void Dispose()
    {
        _ended.Dispose();
        _deadline?.Dispose();
        _gate.Leave();
    }

    // The timer that cancels may come late on a busy machine, the clock does not.
    private bool IsTimeUp => _timeLimit is { } limit && _time.GetElapsedTime(_began) >= limit;

    private async ValueTask<bool> MoveNextSlowAsync(ValueTask<bool> next)
    {
        bool moved = await GuardAsync(next.AsTask()).ConfigureAwait(false);
        return IsTimeUp && Cause() is { } cause ? throw cause : moved;
    }

    private InferenceException? Cause() =>
        _clientGone.IsCancellationRequested ? null
        : IsTimeUp || _deadline is { IsCancellationRequested: true } ? new InferenceException(InferenceError.DeadlineExceeded, "The request's time limit has passed.")
        : _gate.Evicted.IsCancellationRequested ? new InferenceException(InferenceError.Unavailable, "The node shuts down; the request can go on elsewhere.")
        : null;
}
