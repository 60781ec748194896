namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>Waits for conditions in other processes, which give no signal: by looking again and again.</summary>
internal static class Eventually
{
    /// <summary>Far above what anything here takes: a machine may be busy with other things.</summary>
    public static readonly TimeSpan Guard = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until it is so.</summary>
    /// <param name="condition">Looked at every few milliseconds; connections that fail count as no.</param>
    /// <param name="what">What is waited for, for the failure's message.</param>
    /// <param name="facts">Asked for when it never became so.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, Func<string> facts)
    {
        using var guard = new CancellationTokenSource(Guard);
        while (!guard.IsCancellationRequested)
        {
            try
            {
                if (await condition().WaitAsync(guard.Token))
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // The process has not begun to listen, or has ended.
            }
            catch (OperationCanceledException)
            {
                break;
            }

            await Task.Delay(Pause);
        }

        Assert.Fail($"{what}: it did not come to that within {Guard.TotalSeconds:F0} s.\n{facts()}");
    }

    public static Task TrueAsync(Func<bool> condition, string what, Func<string> facts) => TrueAsync(() => Task.FromResult(condition()), what, facts);
}
