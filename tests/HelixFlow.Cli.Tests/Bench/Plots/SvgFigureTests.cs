using System.Globalization;
using System.Xml.Linq;
using HelixFlow.Cli.Bench.Plots;

namespace HelixFlow.Cli.Tests.Bench.Plots;

public sealed class SvgFigureTests
{
    [Fact]
    public void Whatever_is_drawn_stays_inside_the_picture()
    {
        var random = new Random(2);
        double[] nasty = [0, -1, double.NaN, double.PositiveInfinity, 1e-12, 1e12, 5];
        for (int round = 0; round < 200; round++)
        {
            (double, double)[] points = [.. Enumerable.Range(0, random.Next(0, 40)).Select(_ => (Value(), Value()))];
            SeriesStyle style = (SeriesStyle)random.Next(3);
            string svg = SvgFigure.Write(
                "a <b> & \"c\"\u0002",
                [
                    new PlotPanel("x", "s", "ms", [new PlotSeries("one", style, points), new PlotSeries("two", style, points)])
                    {
                        LogarithmicX = random.Next(2) == 0,
                        LogarithmicY = random.Next(2) == 0,
                        YLimit = random.Next(2) == 0 ? Value() : null,
                    },
                ]);

            XDocument document = XDocument.Parse(svg);
            Assert.All(document.Descendants().Where(element => element.Name.LocalName == "circle"), circle =>
            {
                Assert.InRange(Number(circle, "cx"), 0, 480);
                Assert.InRange(Number(circle, "cy"), 0, 344);
            });
            Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
        }

        double Value() => random.Next(4) == 0 ? nasty[random.Next(nasty.Length)] : random.NextDouble() * 1000;

        static double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Axes_label_a_few_round_numbers_and_keep_the_order_of_values()
    {
        var random = new Random(3);
        for (int round = 0; round < 500; round++)
        {
            double scale = Math.Pow(10, random.Next(-4, 7));
            double[] values = [.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.NextDouble() * scale)];
            foreach (Axis axis in (Axis[])[Axis.FromZero(values), Axis.Logarithmic(values)])
            {
                Assert.InRange(axis.Ticks.Count, 2, 20);
                Assert.All(axis.Ticks, tick => Assert.InRange(axis.Place(tick), 0, 1));
                double[] places = [.. values.Order().Select(axis.Place)];
                Assert.Equal(places, places.Order());
                Assert.InRange(places[^1], axis.IsLogarithmic ? 0 : 0.5, 1);
            }
        }
    }
}
