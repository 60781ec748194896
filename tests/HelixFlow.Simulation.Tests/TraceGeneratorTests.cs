using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Tests;

public sealed class TraceGeneratorTests
{
    [Theory]
    [InlineData(TraceKind.Zipf)]
    [InlineData(TraceKind.Diurnal)]
    [InlineData(TraceKind.Bursts)]
    public void A_trace_has_its_length_its_order_and_about_its_rate(TraceKind kind)
    {
        var options = new TraceOptions { Kind = kind, Models = 100, Requests = 24_000, Rate = 20, CrowdSize = 100 };

        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(options);

        Assert.Equal(24_000, trace.Count);
        Assert.Equal(trace.OrderBy(static request => request.At), trace);
        Assert.InRange(trace[^1].At.TotalSeconds, 1080, 1400); // bursts may end a little after the rest
        Assert.Equal(trace, TraceGenerator.Generate(options));
        Assert.NotEqual(trace, TraceGenerator.Generate(options with { Seed = 2 }));
    }

    [Fact]
    public void Popularity_follows_the_exponent()
    {
        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Models = 100, Requests = 100_000, Exponent = 1 });

        int[] counts = [.. trace.GroupBy(static request => request.Model).Select(static model => model.Count()).OrderDescending()];

        double first = 100_000 / Enumerable.Range(1, 100).Sum(static rank => 1.0 / rank);
        Assert.InRange(counts[0], 0.95 * first, 1.05 * first);
        Assert.InRange(counts[9], 0.09 * first, 0.115 * first);
    }

    [Fact]
    public void In_a_day_popularity_drifts_and_in_bursts_a_cold_model_gets_a_crowd()
    {
        IReadOnlyList<TraceRequest> day = TraceGenerator.Generate(new TraceOptions { Kind = TraceKind.Diurnal, Models = 100, Requests = 40_000, Rate = 20, Exponent = 0 });
        string[] Top(int quarter) => [.. day.Where(request => (int)(request.At.TotalMinutes / 5) == quarter)
            .GroupBy(static request => request.Model).OrderByDescending(static model => model.Count()).Take(20).Select(static model => model.Key)];
        Assert.InRange(Top(0).Intersect(Top(2)).Count(), 0, 3); // half a day apart

        IReadOnlyList<TraceRequest> bursts = TraceGenerator.Generate(new TraceOptions { Kind = TraceKind.Bursts, Models = 1000, Requests = 40_000, Exponent = 2 });
        Assert.InRange(bursts.GroupBy(static request => request.Model).Count(static model => model.Count() >= 400), 15, 40);
    }

    [Fact]
    public void Sizes_are_spread_as_documented_and_belong_to_names()
    {
        IReadOnlyDictionary<string, long> sizes = ModelSizes.Draw(TraceGenerator.NamesOf(3000), seed: 1);

        Assert.InRange(sizes.Values.Average() / (1L << 30), 10.5, 11.9);
        Assert.InRange(sizes.Values.Max(), 40L << 30, 48L << 30);
        Assert.Equal(sizes["m0042"], ModelSizes.Draw(["m0042"], seed: 1)["m0042"]);
    }
}
