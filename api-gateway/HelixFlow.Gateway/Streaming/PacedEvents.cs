using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Reads a generation's events and says when there has been silence for a while.</summary>
internal static class PacedEvents
{
    /// <summary>Advances to the next event, calling <paramref name="onSilence"/> each time that <paramref name="interval"/> passes without one.</summary>
    public static async ValueTask<bool> MoveNextAsync(
        IAsyncEnumerator<GenerateEvent> events, TimeSpan interval, TimeProvider time, Func<Task> onSilence)
    {
        ValueTask<bool> next = events.MoveNextAsync();
        if (next.IsCompleted)
        {
            return await next;
        }

        Task<bool> pending = next.AsTask();
        try
        {
            while (true)
            {
                await ((Task)pending).WaitAsync(interval, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (pending.IsCompleted)
                {
                    return await pending;
                }

                await onSilence();
            }
        }
        finally
        {
            // When the client left during onSilence, the events end too; an enumerator may be disposed only after that.
            await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
