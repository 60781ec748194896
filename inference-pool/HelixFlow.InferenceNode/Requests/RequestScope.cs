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

    /// <exception cref="InferenceException">The node takes no more requests.</exception>
    public RequestScope(RequestGate gate, TimeSpan? timeLimit, TimeProvider time, CancellationToken clientGone)
    {
        gate.Enter();
        _gate = gate;
        _clientGone = clientGone;
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

    /// <summary>As <see cref="GuardAsync"/>, for a stream's next event.</summary>
    public ValueTask<bool> MoveNextAsync<T>(IAsyncEnumerator<T> events)
    {
        ValueTask<bool> next = events.MoveNextAsync();
        return next.IsCompletedSuccessfully ? next : new ValueTask<bool>(GuardAsync(next.AsTask()));
    }

    public void Dispose()
    {
        _ended.Dispose();
        _deadline?.Dispose();
        _gate.Leave();
    }

    private InferenceException? Cause() =>
        _clientGone.IsCancellationRequested ? null
        : _deadline is { IsCancellationRequested: true } ? new InferenceException(InferenceError.DeadlineExceeded, "The request's time limit has passed.")
        : _gate.Evicted.IsCancellationRequested ? new InferenceException(InferenceError.Unavailable, "The node shuts down; the request can go on elsewhere.")
        : null;
}
