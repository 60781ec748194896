using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>Repeats a write that the database could not take now: what a worker has done must not be lost because a server restarts.</summary>
internal static class StoragePatience
{
    private const int FirstWaitMs = 20;
    private const int LongestWaitMs = 2_000;

    /// <summary>Repeats until it succeeds, fails for another reason, or is cancelled. The work must be one that may be done twice.</summary>
    public static async Task<T> RepeatAsync<T>(Func<CancellationToken, Task<T>> work, TimeProvider time, CancellationToken cancellationToken)
    {
        for (int wait = FirstWaitMs; ; wait = Math.Min(2 * wait, LongestWaitMs))
        {
            try
            {
                return await work(cancellationToken).ConfigureAwait(false);
            }
            catch (StorageException exception) when (IsPassing(exception) && cancellationToken.CanBeCanceled)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(wait), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static bool IsPassing(StorageException exception) => exception.Failure is StorageFailure.Unavailable or StorageFailure.Full or StorageFailure.InUse;
}
