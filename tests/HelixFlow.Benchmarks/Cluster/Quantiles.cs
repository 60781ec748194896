namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Order statistics of samples.</summary>
internal static class Quantiles
{
    /// <summary>The value below which a share of the samples lies, by nearest rank; NaN for no samples.</summary>
    public static double Of(IEnumerable<double> samples, double share)
    {
        double[] sorted = [.. samples.Order()];
        return sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    public static double Median(IEnumerable<double> samples) => Of(samples, 0.5);
}
