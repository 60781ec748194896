namespace HelixFlow.Observability;

/// <summary>Counts values by fixed upper bounds. Thread-safe and lock-free.</summary>
/// <param name="bounds">Ascending upper bounds, inclusive; values above the last are counted apart.</param>
public sealed class Histogram(params double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    /// <summary>Bounds with the values at most as large and larger than the bound before; the last is infinity.</summary>
    public IEnumerable<(double Bound, long Count)> Buckets
    {
        get
        {
            for (int i = 0; i <= bounds.Length; i++)
            {
                yield return (i < bounds.Length ? bounds[i] : double.PositiveInfinity, Volatile.Read(ref _counts[i]));
            }
        }
    }

    /// <summary>The values' sum.</summary>
    public double Sum => Volatile.Read(ref _sum);

    public void Record(double value)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _counts[bucket]);
        double seen = Volatile.Read(ref _sum);
        double before;
        while ((before = Interlocked.CompareExchange(ref _sum, seen + value, seen)) != seen)
        {
            seen = before;
        }
    }
}
