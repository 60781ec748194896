using System.Globalization;

namespace HelixFlow.Cli.Bench.Plots;

/// <summary>Maps values to a stretch of a drawing and chooses round numbers to label. Immutable.</summary>
internal sealed class Axis
{
    private const double MostRatio = 10_000;

    private readonly double _low;
    private readonly double _high;

    private Axis(double low, double high, bool isLogarithmic, IReadOnlyList<double> ticks)
    {
        (_low, _high, IsLogarithmic, Ticks) = (low, high, isLogarithmic, ticks);
    }

    public bool IsLogarithmic { get; }

    /// <summary>The values to label, within the axis.</summary>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>An axis from 0 to a round number at or above the largest value.</summary>
    public static Axis FromZero(IEnumerable<double> values)
    {
        double most = values.Where(double.IsFinite).DefaultIfEmpty(0).Max();
        most = most > 0 ? most : 1;
        double step = Step(most / 5);
        int count = (int)Math.Ceiling((most / step) - 1e-9);
        return new Axis(0, count * step, false, [.. Enumerable.Range(0, count + 1).Select(i => i * step)]);
    }

    /// <summary>A logarithmic axis around the positive values, of four decades at most; what is lower lies on its lower end.</summary>
    public static Axis Logarithmic(IEnumerable<double> values)
    {
        double[] positive = [.. values.Where(value => double.IsFinite(value) && value > 0)];
        if (positive.Length == 0)
        {
            positive = [1, 10];
        }

        double low = RoundBelow(Math.Max(positive.Min(), positive.Max() / MostRatio));
        double high = RoundAbove(positive.Max());
        if (high <= low)
        {
            high = RoundAbove(low * 1.5);
        }

        bool few = high / low <= 1000;
        var ticks = new List<double>();
        for (double decade = Math.Pow(10, Math.Floor(Math.Log10(low))); decade <= high * 1.001; decade *= 10)
        {
            ticks.AddRange((few ? (double[])[1, 2, 5] : [1]).Select(digit => digit * decade).Where(tick => tick >= low * 0.999 && tick <= high * 1.001));
        }

        return new Axis(low, high, true, ticks);
    }

    /// <summary>Where a value lies: 0 at the lower end, 1 at the upper end, never outside.</summary>
    public double Place(double value)
    {
        double place = IsLogarithmic
            ? Math.Log(Math.Max(value, _low) / _low) / Math.Log(_high / _low)
            : (value - _low) / (_high - _low);
        return Math.Clamp(place, 0, 1);
    }

    public static string Label(double value) => Math.Abs(value) >= 10_000
        ? (value / 1000).ToString("0.###", CultureInfo.InvariantCulture) + "k"
        : value.ToString("0.####", CultureInfo.InvariantCulture);

    private static double Step(double atLeast)
    {
        double decade = Math.Pow(10, Math.Floor(Math.Log10(atLeast)));
        return ((double[])[1, 2, 5, 10]).Select(digit => digit * decade).First(step => step >= atLeast * 0.999);
    }

    private static double RoundBelow(double value)
    {
        double decade = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return ((double[])[5, 2, 1]).Select(digit => digit * decade).FirstOrDefault(round => round <= value * 1.0001, decade);
    }

    private static double RoundAbove(double value)
    {
        double decade = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return ((double[])[1, 2, 5, 10]).Select(digit => digit * decade).First(round => round >= value * 0.9999);
    }
}
