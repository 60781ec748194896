using System.Diagnostics.Metrics;
using HelixFlow.Observability;

namespace HelixFlow.Cli.Tests.Hosting;

public sealed class MeterTextTests
{
    [Fact]
    public async Task Counters_gauges_and_histograms_are_added_up_by_their_tags()
    {
        string name = $"test-{Guid.NewGuid():N}";
        using var meter = new Meter(name);
        using var other = new Meter(name + "-other");
        Counter<long> early = meter.CreateCounter<long>("app.things", "{thing}", "Things that came.");
        using var text = new MeterText(name);
        UpDownCounter<long> running = meter.CreateUpDownCounter<long>("app.running", "{thing}", "Things under way.");
        Gauge<int> connected = meter.CreateGauge<int>("app.connected", "{connection}", "1 while connected.");
        Histogram<double> seconds = meter.CreateHistogram("app.wait", "s", "Waits.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 2] });
        early.Add(2, new("type", "a"), new("by.whom", "x\"y"));
        early.Add(3, new("by.whom", "x\"y"), new KeyValuePair<string, object?>("type", "a"));
        early.Add(1, new KeyValuePair<string, object?>("type", "b"));
        running.Add(5);
        running.Add(-2);
        connected.Record(1);
        connected.Record(0);
        seconds.Record(0.25, new KeyValuePair<string, object?>("type", "a"));
        seconds.Record(1, new KeyValuePair<string, object?>("type", "a"));
        seconds.Record(9, new KeyValuePair<string, object?>("type", "a"));
        other.CreateCounter<long>("app.foreign").Add(1);

        Assert.Equal(
            """
            # HELP app_connected 1 while connected.
            # TYPE app_connected gauge
            app_connected 0
            # HELP app_running Things under way.
            # TYPE app_running gauge
            app_running 3
            # HELP app_things_total Things that came.
            # TYPE app_things_total counter
            app_things_total{by_whom="x\"y",type="a"} 5
            app_things_total{type="b"} 1
            # HELP app_wait_seconds Waits.
            # TYPE app_wait_seconds histogram
            app_wait_seconds_bucket{type="a",le="0.5"} 1
            app_wait_seconds_bucket{type="a",le="2"} 2
            app_wait_seconds_bucket{type="a",le="+Inf"} 3
            app_wait_seconds_sum{type="a"} 10.25
            app_wait_seconds_count{type="a"} 3

            """,
            await WriteAsync(text), ignoreLineEndingDifferences: true);
    }

    [Fact]
    public async Task Tags_without_end_fill_no_memory()
    {
        string name = $"test-{Guid.NewGuid():N}";
        using var meter = new Meter(name);
        using var text = new MeterText(name);
        Counter<long> things = meter.CreateCounter<long>("app.things");
        for (int i = 0; i < 5000; i++)
        {
            things.Add(1, new KeyValuePair<string, object?>("id", i));
        }

        Assert.Equal(2000, (await WriteAsync(text)).Split('\n').Count(static line => line.StartsWith("app_things_total{", StringComparison.Ordinal)));
    }

    private static async Task<string> WriteAsync(MeterText source)
    {
        var text = new PrometheusText();
        await source.WriteAsync(text, TestContext.Current.CancellationToken);
        return text.ToString();
    }
}
