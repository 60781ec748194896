namespace HelixFlow.InferenceNode.Requests;

/// <summary>Tells any number of watchers that something has changed; they look for themselves what. Thread-safe.</summary>
internal sealed class ChangeSignal
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public event Action? Changed;

    /// <summary>Completes at the next change. Take it before looking, so that no change is missed.</summary>
    public Task NextAsync => Volatile.Read(ref _next).Task;

    public void Set()
    {
        Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        Changed?.Invoke();
    }
}
