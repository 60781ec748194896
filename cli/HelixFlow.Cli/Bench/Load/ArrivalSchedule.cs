namespace HelixFlow.Cli.Bench.Load;

/// <summary>When the requests of an open loop arrive.</summary>
internal static class ArrivalSchedule
{
    /// <summary>A Poisson process: independent exponential gaps, as when many users who do not know of one another ask. Without end.</summary>
    /// <param name="rate">Requests per second, above 0; infinite lets all arrive at once.</param>
    /// <param name="random">Where the gaps come from; the same seed gives the same arrivals.</param>
    public static IEnumerable<TimeSpan> Poisson(double rate, Random random)
    {
        double seconds = 0;
        while (true)
        {
            // 1 - u lies in (0, 1], so that the logarithm is finite.
            seconds += double.IsPositiveInfinity(rate) ? 0 : -Math.Log(1 - random.NextDouble()) / rate;
            yield return TimeSpan.FromSeconds(seconds);
        }
    }
}
