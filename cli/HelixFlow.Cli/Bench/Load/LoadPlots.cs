using HelixFlow.Cli.Bench.Plots;

namespace HelixFlow.Cli.Bench.Load;

/// <summary>Draws what runs gave.</summary>
internal static class LoadPlots
{
    private const int MostDots = 2000;
    private const int CurvePoints = 400;

    /// <summary>One run: latencies as time goes on, and their cumulative distributions.</summary>
    public static string Draw(LoadSummary summary)
    {
        List<RequestTrace> completed = summary.Traces.FindAll(trace => trace.IsCompleted);
        LatencyLimits limits = summary.Run.Limits;
        return SvgFigure.Write(
            $"{summary.Run.Model}: {summary.Run.Name}, {summary.Completed} of {summary.Traces.Count} requests completed",
            [
                new PlotPanel("Time to first token, by arrival", "arrival, s", "TTFT, ms", [Dots("TTFT", completed.Select(trace => (trace.Arrival.TotalSeconds, trace.Ttft.TotalMilliseconds)))])
                {
                    YLimit = limits.Ttft?.TotalMilliseconds,
                },
                new PlotPanel("Time per output token, by arrival", "arrival, s", "TPOT, ms", [Dots("TPOT", completed.Where(trace => trace.Tpot is not null).Select(trace => (trace.Arrival.TotalSeconds, trace.Tpot!.Value.TotalMilliseconds)))])
                {
                    YLimit = limits.Tpot?.TotalMilliseconds,
                },
                new PlotPanel("First token and whole answer", "ms", "% of requests within", [Curve("TTFT", summary.Ttft), Curve("E2EL", summary.EndToEnd)]) { LogarithmicX = true },
                new PlotPanel("Tokens after the first", "ms", "% within", [Curve("TPOT", summary.Tpot), Curve("ITL", summary.Itl)]) { LogarithmicX = true },
            ]);
    }

    /// <summary>Several runs: what more load gives, and what it costs.</summary>
    public static string DrawSweep(IReadOnlyList<LoadSummary> runs)
    {
        string load = runs[0].Run.Rate is null ? "users" : "offered load, requests/s";
        LatencyLimits limits = runs[0].Run.Limits;
        PlotSeries[] throughput = [ByLoad("completed", runs, run => run.RequestsPerSecond), .. limits.IsEmpty ? (PlotSeries[])[] : [ByLoad("within limits", runs, run => run.GoodRequestsPerSecond)]];
        return SvgFigure.Write(
            $"{runs[0].Run.Model} by load",
            [
                new PlotPanel("Throughput and latency", "output tokens/s", "TTFT, ms",
                    [Between("p50", runs, run => run.Ttft.Median), Between("p99", runs, run => run.Ttft.Percentile(99))]) { LogarithmicY = true, YLimit = limits.Ttft?.TotalMilliseconds },
                new PlotPanel("Requests per second", load, "requests/s", throughput),
                new PlotPanel("Time to first token", load, "TTFT, ms",
                    [ByLoad("p50", runs, run => run.Ttft.Median), ByLoad("p90", runs, run => run.Ttft.Percentile(90)), ByLoad("p99", runs, run => run.Ttft.Percentile(99))])
                {
                    LogarithmicY = true,
                    YLimit = limits.Ttft?.TotalMilliseconds,
                },
                new PlotPanel("Time per output token", load, "TPOT, ms",
                    [ByLoad("p50", runs, run => run.Tpot.Median), ByLoad("p90", runs, run => run.Tpot.Percentile(90)), ByLoad("p99", runs, run => run.Tpot.Percentile(99))])
                {
                    YLimit = limits.Tpot?.TotalMilliseconds,
                },
            ]);
    }

    private static PlotSeries ByLoad(string name, IReadOnlyList<LoadSummary> runs, Func<LoadSummary, double> value) =>
        new(name, SeriesStyle.LineWithDots, [.. runs.Select(run => (run.Run.Rate ?? run.Run.Users ?? 0, value(run)))]);

    private static PlotSeries Between(string name, IReadOnlyList<LoadSummary> runs, Func<LoadSummary, double> latency) =>
        new(name, SeriesStyle.LineWithDots, [.. runs.Select(run => (run.OutputTokensPerSecond, latency(run)))]);

    // Of too many dots, the lowest and the highest of each stretch of time are kept: the outliers are what matters.
    private static PlotSeries Dots(string name, IEnumerable<(double X, double Y)> points)
    {
        (double X, double Y)[] all = [.. points];
        return new PlotSeries(name, SeriesStyle.Dots, all.Length <= MostDots
            ? all
            : [.. all.Chunk((all.Length * 2 / MostDots) + 1).SelectMany(stretch => ((double, double)[])[stretch.MinBy(point => point.Y), stretch.MaxBy(point => point.Y)])]);
    }

    private static PlotSeries Curve(string name, Distribution values)
    {
        int steps = Math.Min(CurvePoints, Math.Max(values.Count - 1, 0));
        return new PlotSeries(name, SeriesStyle.Line, values.Count == 0
            ? []
            : [.. Enumerable.Range(0, steps + 1).Select(i => steps == 0 ? 100.0 : 100.0 * i / steps).Select(percent => (values.Percentile(percent), percent))]);
    }
}
