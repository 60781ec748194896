namespace HelixFlow.Agents.Dispatch;

/// <summary>Wakes one waiter early. Signals that come before it waits, or while it is awake, are one: it looks at the state after it wakes.</summary>
/// <remarks>Any thread may call <see cref="Set"/>; one loop waits.</remarks>
internal sealed class WakeSignal(TimeProvider time)
{
    private TaskCompletionSource _signal = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Set() => Volatile.Read(ref _signal).TrySetResult();

    /// <summary>Waits for a signal, for as long as it takes, or until it is cancelled; none of these is an error.</summary>
    public async Task WaitAsync(TimeSpan longest, CancellationToken cancellationToken)
    {
        TaskCompletionSource signal = Volatile.Read(ref _signal);
        if (!signal.Task.IsCompleted && longest > TimeSpan.Zero)
        {
            using var delay = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(signal.Task, Task.Delay(longest, time, delay.Token)).ConfigureAwait(false);
            await delay.CancelAsync().ConfigureAwait(false);
        }

        if (signal.Task.IsCompleted)
        {
            Volatile.Write(ref _signal, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }
}
