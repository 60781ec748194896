using System.Globalization;
using HelixFlow.Cli.Bench.Plots;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>Draws the measured rates under the machine's roofline: what a rate could be at most, by how many operations it does per byte that it reads.</summary>
/// <remarks>Williams, Waterman and Patterson, Roofline: An Insightful Visual Performance Model (2009), https://doi.org/10.1145/1498765.1498785.</remarks>
internal static class RooflinePlot
{
    // Rows that a step has at most: prompts are computed in chunks of as many.
    private const int ChunkRows = 512;

    public static string Write(EngineBenchResult result)
    {
        double memory = result.Ceilings.ReadGigabytesPerSecond;
        double peak = result.Work.IsQuantised ? result.Ceilings.Int8Gops : result.Ceilings.Float32Gflops;
        (double X, double Y)[] decode = [.. result.Rows.Select(row => Point(result.Work.DecodeGops(row.Decode.Median), EngineReport.Gigabytes(result, row)))];
        (double X, double Y)[] prefill =
        [
            .. result.Rows.DistinctBy(row => row.Prompt).Select(row =>
            {
                double rows = Math.Min(row.Prompt, ChunkRows);
                return Point(result.Work.PrefillGops(row.Prefill.Median), row.Prefill.Median / rows * result.Work.WeightBytes / 1e9);
            }),
        ];
        double ridge = peak / memory;
        double[] intensities = [.. decode.Concat(prefill).Select(point => point.X)];
        (double X, double Y)[] roof = [At(Math.Min(intensities.Min(), ridge) / 1.5), At(ridge), At(Math.Max(intensities.Max(), ridge) * 1.5)];
        string title = string.Create(CultureInfo.InvariantCulture, $"{result.Model}, {result.Room.Threads} threads: {memory:F0} GB/s, {peak:F0} GOPS");
        return SvgFigure.Write(title,
        [
            new PlotPanel("Rates under the roofline", "operations per byte read", "GOPS",
            [
                new PlotSeries("roof", SeriesStyle.Line, roof),
                new PlotSeries($"decode {string.Join(", ", result.Rows.Select(row => row.Sequences).Distinct())}", SeriesStyle.Dots, decode),
                new PlotSeries($"prefill {string.Join(", ", result.Rows.Select(row => row.Prompt).Distinct())}", SeriesStyle.Dots, prefill),
            ])
            {
                LogarithmicX = true,
                LogarithmicY = true,
            },
        ]);

        (double X, double Y) At(double intensity) => (intensity, Math.Min(peak, intensity * memory));

        static (double X, double Y) Point(double operations, double gigabytes) => (operations / gigabytes, operations);
    }
}
