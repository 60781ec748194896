using HelixFlow.Cli.Bench;

namespace HelixFlow.Cli.Tests.Bench;

public sealed class DistributionTests
{
    [Fact]
    public void Percentiles_agree_with_sorting_and_counting()
    {
        var random = new Random(1);
        for (int round = 0; round < 300; round++)
        {
            double[] values = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => Math.Round(random.NextDouble() * 20) - 10)];
            var distribution = new Distribution(values);
            double percent = random.NextDouble() * 100;
            double percentile = distribution.Percentile(percent);
            double[] sorted = [.. values.Order()];

            Assert.Equal(sorted, distribution.Sorted);
            Assert.Equal(sorted[0], distribution.Min);
            Assert.Equal(sorted[^1], distribution.Max);
            Assert.Equal(values.Average(), distribution.Mean, 9);

            // Between the two values whose places enclose it, and never below an earlier percentile.
            double place = percent / 100 * (values.Length - 1);
            Assert.InRange(percentile, sorted[(int)Math.Floor(place)] - 1e-9, sorted[(int)Math.Ceiling(place)] + 1e-9);
            Assert.True(distribution.Percentile(percent / 2) <= percentile + 1e-9);
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(25, 1.75)]
    [InlineData(50, 2.5)]
    [InlineData(90, 3.7)]
    [InlineData(100, 4)]
    public void Percentiles_are_those_of_numpy(double percent, double expected) =>
        Assert.Equal(expected, new Distribution([4, 1, 3, 2]).Percentile(percent), 12);

    [Fact]
    public void The_deviation_is_of_the_population() => Assert.Equal(Math.Sqrt(1.25), new Distribution([1, 2, 3, 4]).StandardDeviation, 12);

    [Fact]
    public void Nothing_measured_has_no_figures()
    {
        var empty = new Distribution([]);

        Assert.Equal(0, empty.Count);
        Assert.All((double[])[empty.Mean, empty.Median, empty.Min, empty.Max, empty.StandardDeviation], value => Assert.Equal(double.NaN, value));
    }

    [Theory]
    [InlineData("250ms", 0.25)]
    [InlineData("1.5s", 1.5)]
    [InlineData("2m", 120)]
    [InlineData("1h", 3600)]
    public void Durations_have_units(string text, double seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), DurationText.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("0s")]
    [InlineData("1d")]
    [InlineData("1e9h")]
    [InlineData("99999999999999999999h")]
    [InlineData("1,5s")]
    public void Other_texts_are_no_durations(string text) => Assert.Null(DurationText.Parse(text));
}
