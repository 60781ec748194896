namespace HelixFlow.Cli.Pull;

/// <summary>How long to wait before a failed request is repeated, and when to give up.</summary>
internal sealed class RetryPolicy
{
    /// <summary>Failures in a row without a received byte after which a pull gives up.</summary>
    public int MaxFailures { get; init; } = 8;

    /// <summary>The wait after the first failure; each further one doubles it.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A server that asks for a longer pause than this is an error: nobody wants to watch that.</summary>
    public TimeSpan MaxRetryAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A connection that delivers nothing for this long is dropped.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A number from 0 to 1 that spreads the waits, so that many clients do not come back together.</summary>
    public Func<double> Jitter { get; init; } = Random.Shared.NextDouble;

    public Func<TimeSpan, CancellationToken, Task> Wait { get; init; } = Task.Delay;

    /// <summary>Told before each wait what failed, so that a person sees why nothing moves.</summary>
    public Action<TransientException, TimeSpan> Retrying { get; init; } = static (_, _) => { };

    /// <param name="failures">Failures in a row so far, at least 1.</param>
    /// <param name="retryAfter">What the server asked for.</param>
    /// <exception cref="PullException">It asked for too long.</exception>
    public TimeSpan DelayAfter(int failures, TimeSpan? retryAfter)
    {
        if (retryAfter > MaxRetryAfter)
        {
            throw new PullException(
                $"the server asks to wait {retryAfter.Value.TotalMinutes:0} minutes (Retry-After); try later, the download will resume");
        }

        double doubled = FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30));
        double seconds = Math.Min(doubled, MaxDelay.TotalSeconds) * (0.5 + (0.5 * Jitter()));
        return retryAfter is { } asked && asked.TotalSeconds > seconds ? asked : TimeSpan.FromSeconds(seconds);
    }

    /// <summary>
    /// Runs <paramref name="attempt"/> until it succeeds, fails for good, or has failed <see cref="MaxFailures"/> times in a row.
    /// </summary>
    /// <param name="attempt">Throws <see cref="TransientException"/> for what may pass.</param>
    /// <param name="progressed">Whether the last attempt got anything done, which starts the count anew.</param>
    /// <param name="stopping">Ends the waits.</param>
    public async Task<T> RunAsync<T>(Func<Task<T>> attempt, Func<bool> progressed, CancellationToken stopping)
    {
        for (int failures = 0; ;)
        {
            TransientException failure;
            try
            {
                return await attempt();
            }
            catch (TransientException e)
            {
                failure = e;
            }

            failures = progressed() ? 1 : failures + 1;
            if (failures >= MaxFailures)
            {
                throw new PullException(
                    $"gave up after {failures} failures in a row: {failure.Message}. The same command resumes the download", failure);
            }

            TimeSpan delay = DelayAfter(failures, failure.RetryAfter);
            Retrying(failure, delay);
            await Wait(delay, stopping);
        }
    }
}
