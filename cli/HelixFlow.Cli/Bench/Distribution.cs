namespace HelixFlow.Cli.Bench;

/// <summary>What was measured several times: its middle, its tails and its spread. Immutable.</summary>
/// <remarks>
/// Percentiles interpolate linearly between the two nearest values, as numpy's default does, so that figures agree with those of tools built
/// on it. Every figure of an empty distribution is NaN.
/// </remarks>
internal sealed class Distribution
{
    private readonly double[] _sorted;

    public Distribution(IEnumerable<double> values)
    {
        _sorted = [.. values];
        Array.Sort(_sorted);
        Mean = _sorted.Length == 0 ? double.NaN : _sorted.Average();
        StandardDeviation = _sorted.Length == 0 ? double.NaN : Math.Sqrt(_sorted.Average(value => (value - Mean) * (value - Mean)));
    }

    public int Count => _sorted.Length;

    public double Mean { get; }

    /// <summary>Of the values as the whole population (divided by their number).</summary>
    public double StandardDeviation { get; }

    public double Min => Percentile(0);

    public double Median => Percentile(50);

    public double Max => Percentile(100);

    /// <summary>The values in rising order.</summary>
    public IReadOnlyList<double> Sorted => _sorted;

    /// <summary>The value that this many percent of the values do not exceed.</summary>
    /// <param name="percent">0 (the smallest value) to 100 (the largest).</param>
    public double Percentile(double percent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(percent, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        if (_sorted.Length == 0)
        {
            return double.NaN;
        }

        double place = percent / 100 * (_sorted.Length - 1);
        int below = (int)place;
        int above = Math.Min(below + 1, _sorted.Length - 1);
        return _sorted[below] + ((_sorted[above] - _sorted[below]) * (place - below));
    }
}
