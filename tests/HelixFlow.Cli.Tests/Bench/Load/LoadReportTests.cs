using System.Text.Json.Nodes;
using System.Xml.Linq;
using HelixFlow.Cli.Bench.Load;

namespace HelixFlow.Cli.Tests.Bench.Load;

public sealed class LoadReportTests
{
    [Fact]
    public void The_figures_are_those_of_their_definitions()
    {
        // Sent 100 ms late; tokens at 1.0, 1.1, 1.3 and 1.6 s; usage says five, so one piece held two tokens.
        RequestTrace trace = Trace(arrival: 0.5, sent: 0.6, end: 1.7, outputTokens: 5, 1.0, 1.1, 1.3, 1.6);

        Assert.Equal(500, trace.Ttft.TotalMilliseconds, 6);
        Assert.Equal(150, trace.Tpot!.Value.TotalMilliseconds, 6);
        Assert.Equal(1200, trace.EndToEnd.TotalMilliseconds, 6);
        Assert.Equal([100.0, 200, 300], trace.InterTokenLatencies.Select(gap => Math.Round(gap.TotalMilliseconds, 6)));
        Assert.Equal(100, trace.Lag.TotalMilliseconds, 6);
    }

    [Fact]
    public void Goodput_counts_those_that_keep_every_limit()
    {
        RequestTrace fast = Trace(0, 0, 1, 3, 0.1, 0.5, 0.9);
        RequestTrace late = Trace(0, 0, 1, 3, 0.8, 0.85, 0.9);
        RequestTrace one = Trace(0, 0, 1, 1, 0.1);
        RequestTrace failed = Trace(0, 0, 1, 3, 0.1);
        failed.Fail("http 503", "full, \"sorry\"");
        (LatencyLimits limits, string? error) = LatencyLimits.Parse(["ttft=500ms", "tpot=450ms", "e2el=1s"]);
        Assert.Null(error);

        var summary = new LoadSummary(new LoadRun("m", 2, null, limits), [fast, late, one, failed]);

        Assert.Equal([true, false, true, false], summary.Traces.Select(limits.AreKeptBy));
        Assert.Equal((3, 1, 2), (summary.Completed, summary.Failed, summary.Good));
        Assert.Equal(2, summary.GoodRequestsPerSecond, 6);
        Assert.Equal(3, summary.RequestsPerSecond, 6);
        Assert.Equal(7, summary.OutputTokens);
        Assert.Equal(new LoadError("http 503", 1, "full, \"sorry\""), Assert.Single(summary.Errors));
    }

    [Theory]
    [InlineData("ttft")]
    [InlineData("ttft=")]
    [InlineData("ttft=5")]
    [InlineData("itl=5ms")]
    public void Limits_that_make_no_sense_are_refused(string text) => Assert.NotNull(LatencyLimits.Parse([text]).Error);

    [Fact]
    public void Every_line_of_the_csv_has_every_column()
    {
        LoadSummary[] runs = [Random(1, rate: 2), Random(2, rate: null)];
        var output = new StringWriter();

        LoadReport.WriteCsv(output, runs);

        string[] lines = output.ToString().TrimEnd('\n').Split('\n');
        int columns = LoadReport.CsvHeader.Split(',').Length;
        Assert.Equal(LoadReport.CsvHeader, lines[0]);
        Assert.Equal(1 + runs.Sum(run => run.Traces.Count), lines.Length);
        Assert.All(lines, line => Assert.Equal(columns, line.Split(',').Length));
        int good = Array.IndexOf(LoadReport.CsvHeader.Split(','), "good");
        Assert.Equal(runs.Sum(run => run.Good), lines.Skip(1).Count(line => line.Split(',')[good] == "1"));
    }

    [Fact]
    public void The_json_has_the_names_of_the_other_tools()
    {
        JsonObject json = LoadReport.Json(Random(3, rate: 4));

        string[] names =
        [
            "duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput", "request_goodput", "output_throughput", "total_token_throughput",
            "mean_ttft_ms", "median_ttft_ms", "std_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "median_tpot_ms", "p90_tpot_ms", "mean_itl_ms", "p99_itl_ms", "mean_e2el_ms", "p99_e2el_ms", "max_concurrent_requests",
        ];
        Assert.All(names, name => Assert.True(json.ContainsKey(name), name));
        Assert.Equal(json["median_ttft_ms"]!.ToJsonString(), json["p50_ttft_ms"]!.ToJsonString());
    }

    [Fact]
    public void A_run_without_an_answer_has_reports_too()
    {
        RequestTrace failed = Trace(0, 0, 1, 0);
        failed.Fail("no connection", "refused");
        var summary = new LoadSummary(new LoadRun("m", double.PositiveInfinity, null, new LatencyLimits()), [failed]);
        var output = new StringWriter();

        LoadReport.WriteTables(output, summary);

        Assert.Contains("failed, no connection: 1 (refused)", output.ToString(), StringComparison.Ordinal);
        Assert.Null(LoadReport.Json(summary)["mean_ttft_ms"]);
        Assert.NotNull(XDocument.Parse(LoadPlots.Draw(summary)).Root);
        Assert.NotNull(XDocument.Parse(LoadPlots.DrawSweep([summary])).Root);
    }

    [Fact]
    public void Pictures_of_any_run_are_well_formed_and_bounded()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            LoadSummary run = Random(seed, rate: 3, count: seed * 300);

            XDocument single = XDocument.Parse(LoadPlots.Draw(run));
            XDocument sweep = XDocument.Parse(LoadPlots.DrawSweep([run, Random(seed + 1, rate: 6)]));

            Assert.Equal("svg", single.Root!.Name.LocalName);
            Assert.Equal(4, sweep.Descendants().Count(element => element.Name.LocalName == "g"));
            Assert.InRange(single.Descendants().Count(element => element.Name.LocalName == "circle"), 0, 4200);
        }
    }

    private static LoadSummary Random(int seed, double? rate, int count = 80)
    {
        var random = new Random(seed);
        var traces = new List<RequestTrace>();
        for (int i = 0; i < count; i++)
        {
            double arrival = i * 0.3;
            double[] chunks = [.. Enumerable.Range(1, random.Next(0, 12)).Select(step => arrival + 0.2 + (step * 0.05 * random.NextDouble())).Order()];
            RequestTrace trace = Trace(arrival, arrival + (random.NextDouble() * 0.01), chunks.LastOrDefault(arrival + 0.1) + 0.01, random.Next(4) == 0 ? null : chunks.Length, chunks);
            if (random.Next(10) == 0)
            {
                trace.Fail("http 429", "full");
            }

            traces.Add(trace);
        }

        return new LoadSummary(new LoadRun("model <&>\u0001", rate, rate is null ? 8 : null, new LatencyLimits(TimeSpan.FromMilliseconds(220))), traces);
    }

    private static RequestTrace Trace(double arrival, double sent, double end, int? outputTokens, params double[] chunks)
    {
        var trace = new RequestTrace(new PlannedRequest(0, TimeSpan.FromSeconds(arrival), 0, [10], 0, 5))
        {
            Arrival = TimeSpan.FromSeconds(arrival),
            Sent = TimeSpan.FromSeconds(sent),
            End = TimeSpan.FromSeconds(end),
            UsageOutputTokens = outputTokens,
        };
        foreach (double chunk in chunks)
        {
            trace.AddChunk(TimeSpan.FromSeconds(chunk));
        }

        return trace;
    }
}
