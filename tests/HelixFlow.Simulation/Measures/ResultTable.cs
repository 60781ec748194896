using System.Globalization;
using System.Text;

namespace HelixFlow.Simulation.Measures;

/// <summary>Writes results as a Markdown table.</summary>
public static class ResultTable
{
    public static string Of(Experiment experiment)
    {
        var text = new StringBuilder();
        text.Append("| Policy | Hits % | Joined % | Misses % | Loads /1000 | Evictions /1000 | Loaded TB ");
        text.Append("| Wait mean s | p50 s | p99 s | max s | Refused | Held too long | Unfinished | Memory % | Running /node | Loading /node |\n");
        text.Append("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        foreach (SimulationResult result in experiment.Results)
        {
            double share = 100.0 / Math.Max(1, result.Requests);
            text.Append(CultureInfo.InvariantCulture, $"| {result.Policy} | {result.Hits * share:F2} | {result.Joined * share:F2} | {result.Misses * share:F2} ");
            text.Append(CultureInfo.InvariantCulture, $"| {result.LoadsPerThousand:F1} | {result.EvictionsPerThousand:F1} | {result.LoadedBytes / 1e12:F2} ");
            text.Append(CultureInfo.InvariantCulture, $"| {result.WaitMean.TotalSeconds:F3} | {result.WaitMedian.TotalSeconds:F3} ");
            text.Append(CultureInfo.InvariantCulture, $"| {result.Wait99.TotalSeconds:F2} | {result.WaitMax.TotalSeconds:F1} ");
            text.Append(CultureInfo.InvariantCulture, $"| {result.Refused} | {result.HeldTooLong} | {result.Unfinished} ");
            text.Append(CultureInfo.InvariantCulture, $"| {100 * result.MemoryUse:F1} | {result.RunningPerNode:F2} | {result.LoadingPerNode:F2} |\n");
        }

        int requests = Math.Max(1, experiment.Results[0].Requests);
        text.Append(CultureInfo.InvariantCulture, $"\nAt most {100.0 * experiment.RoutedBound / requests:F2} % of the requests could be hits ");
        text.Append(CultureInfo.InvariantCulture, $"with the routing of '{experiment.Results[0].Policy}' and any eviction; ");
        text.Append(CultureInfo.InvariantCulture, $"at most {100.0 * experiment.PooledBound / requests:F2} % with any routing and any eviction.\n");
        return text.ToString();
    }
}
