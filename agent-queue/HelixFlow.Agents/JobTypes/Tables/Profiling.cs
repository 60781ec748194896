using System.Globalization;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>Computes a table's profile: a function of the table alone.</summary>
internal static class Profiling
{
    private const int MostFrequent = 10;
    private const int MostOutliers = 20;
    private const int MostBins = 20;
    private const int MostCorrelated = 40; // columns: their pairs grow with the square
    private const int MostClouds = 2;
    private const int MostPoints = 400;
    private const double CloudFrom = 0.3; // weaker correlations show nothing to the eye

    private static readonly string[] _dateForms = ["yyyy-MM-dd", "yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-ddTHH:mm", "yyyy-MM-dd HH:mm"];

    public static TableProfile Of(DataTable table)
    {
        var columns = new List<ColumnProfile>(table.Names.Count);
        var numbers = new List<(string Name, double[] Values)>(); // NaN where a row has no value
        for (int i = 0; i < table.Names.Count; i++)
        {
            ColumnProfile column = Column(table.Names[i], [.. table.Column(i)], out double[]? values);
            columns.Add(column);
            if (values is not null)
            {
                numbers.Add((column.Name, values));
            }
        }

        var correlations = new List<(Correlation Correlation, double[] X, double[] Y)>();
        for (int a = 0; a < Math.Min(numbers.Count, MostCorrelated); a++)
        {
            for (int b = a + 1; b < Math.Min(numbers.Count, MostCorrelated); b++)
            {
                if (Correlate(numbers[a].Values, numbers[b].Values, out int rows) is { } coefficient)
                {
                    correlations.Add((new Correlation(numbers[a].Name, numbers[b].Name, coefficient, rows), numbers[a].Values, numbers[b].Values));
                }
            }
        }

        correlations = [.. correlations.OrderByDescending(static pair => Math.Abs(pair.Correlation.Coefficient))];
        return new TableProfile(
            table.Rows.Count,
            columns,
            [.. correlations.Select(static pair => pair.Correlation)],
            [.. correlations.Where(static pair => Math.Abs(pair.Correlation.Coefficient) >= CloudFrom).Take(MostClouds).Select(static pair =>
                new PointCloud(pair.Correlation.A, pair.Correlation.B, Points(pair.X, pair.Y)))]);
    }

    private static ColumnProfile Column(string name, string?[] cells, out double[]? numbers)
    {
        string[] values = [.. cells.OfType<string>()];
        string type = values.Length == 0 ? "empty"
            : Array.TrueForAll(values, static value => IsNumber(value, out _)) ? Array.TrueForAll(values, static value => IsNumber(value, out double number) && double.IsInteger(number)) ? "integer" : "number"
            : Array.TrueForAll(values, static value => value is "true" or "false" or "True" or "False" or "TRUE" or "FALSE") ? "boolean"
            : Array.TrueForAll(values, static value => IsDate(value, out _)) ? "date"
            : "text";
        numbers = type is "integer" or "number" ? Array.ConvertAll(cells, static cell => cell is not null && IsNumber(cell, out double number) ? number : double.NaN) : null;
        List<ValueCount> counts = [.. values.CountBy(static value => value, StringComparer.Ordinal).Select(static pair => new ValueCount(pair.Key, pair.Value))];
        string[] dates = type == "date" ? [.. values.OrderBy(static value => IsDate(value, out DateTimeOffset date) ? date : default)] : [];
        return new ColumnProfile(
            name, type, values.Length, cells.Length - values.Length, counts.Count,
            numbers is null ? null : Numbers(numbers),
            type is "text" or "boolean" ? [.. counts.OrderByDescending(static value => value.Count).ThenBy(static value => value.Value, StringComparer.Ordinal).Take(MostFrequent)] : null,
            dates.Length > 0 ? dates[0] : null,
            dates.Length > 0 ? dates[^1] : null);
    }

    private static NumberProfile Numbers(double[] column)
    {
        double[] sorted = [.. column.Where(static number => !double.IsNaN(number)).Order()];
        double sum = Sum(sorted);
        double mean = sum / sorted.Length;
        double? deviation = sorted.Length < 2 ? null : Math.Sqrt(Sum(sorted.Select(number => (number - mean) * (number - mean))) / (sorted.Length - 1));
        double q1 = Quantile(sorted, 0.25), q3 = Quantile(sorted, 0.75);
        double below = q1 - (1.5 * (q3 - q1)), above = q3 + (1.5 * (q3 - q1));
        double median = Quantile(sorted, 0.5);
        List<Outlier> outliers = [.. column.Select(static (value, i) => new Outlier(i + 1, value)).Where(cell => cell.Value < below || cell.Value > above)
            .OrderByDescending(cell => Math.Abs(cell.Value - median)).ThenBy(static cell => cell.Row)];
        return new NumberProfile(
            sorted[0], q1, median, q3, sorted[^1], mean, Finite(deviation), sum,
            new Outliers(below, above, outliers.Count, [.. outliers.Take(MostOutliers)]), Histogram(sorted));
    }

    /// <summary>A sum that does not lose small values beside large ones (Neumaier, 1974).</summary>
    internal static double Sum(IEnumerable<double> values)
    {
        double sum = 0, lost = 0;
        foreach (double value in values)
        {
            double next = sum + value;
            lost += Math.Abs(sum) >= Math.Abs(value) ? sum - next + value : value - next + sum;
            sum = next;
        }

        return sum + lost;
    }

    internal static double Quantile(double[] sorted, double q)
    {
        double rank = q * (sorted.Length - 1);
        int low = (int)rank;
        return low + 1 < sorted.Length ? sorted[low] + ((rank - low) * (sorted[low + 1] - sorted[low])) : sorted[low];
    }

    /// <summary>Bins of equal width, as many as the square root of the number of values and twenty at most.</summary>
    private static List<Bin> Histogram(double[] sorted)
    {
        double min = sorted[0], width = sorted[^1] - min;
        if (width == 0 || !double.IsFinite(width))
        {
            return [new Bin(min, sorted[^1], sorted.Length)];
        }

        int[] counts = new int[Math.Clamp((int)Math.Ceiling(Math.Sqrt(sorted.Length)), 2, MostBins)];
        foreach (double value in sorted)
        {
            counts[Math.Min(counts.Length - 1, (int)((value - min) / width * counts.Length))]++;
        }

        return [.. counts.Select((count, i) => new Bin(min + (width * i / counts.Length), i + 1 == counts.Length ? sorted[^1] : min + (width * (i + 1) / counts.Length), count))];
    }

    /// <summary>Null when fewer than three rows have both values, or one of the columns is the same in all of them.</summary>
    internal static double? Correlate(double[] x, double[] y, out int rows)
    {
        double meanX = 0, meanY = 0, varianceX = 0, varianceY = 0, covariance = 0;
        rows = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (double.IsNaN(x[i]) || double.IsNaN(y[i]))
            {
                continue;
            }

            rows++;
            double toX = x[i] - meanX, toY = y[i] - meanY;
            meanX += toX / rows;
            meanY += toY / rows;
            varianceX += toX * (x[i] - meanX);
            varianceY += toY * (y[i] - meanY);
            covariance += toX * (y[i] - meanY);
        }

        double spread = Math.Sqrt(varianceX) * Math.Sqrt(varianceY);
        return rows < 3 || spread == 0 || !double.IsFinite(covariance / spread) ? null : Math.Clamp(covariance / spread, -1, 1);
    }

    private static List<double[]> Points(double[] x, double[] y)
    {
        int[] both = [.. Enumerable.Range(0, x.Length).Where(i => !double.IsNaN(x[i]) && !double.IsNaN(y[i]))];
        int step = Math.Max(1, (both.Length + MostPoints - 1) / MostPoints);
        return [.. both.Where((_, i) => i % step == 0).Select(i => (double[])[x[i], y[i]])];
    }

    // Up to 1e150, whose square a double still holds. A number with leading zeros is a code, such as a postcode.
    private static bool IsNumber(string text, out double number) =>
        double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out number)
        && double.IsFinite(number) && Math.Abs(number) < 1e150 && !(text.Length > 1 && text[0] == '0' && char.IsAsciiDigit(text[1]));

    private static bool IsDate(string text, out DateTimeOffset date) =>
        DateTimeOffset.TryParseExact(text, _dateForms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out date);

    private static double? Finite(double? number) => number is { } value && double.IsFinite(value) ? value : null;
}
