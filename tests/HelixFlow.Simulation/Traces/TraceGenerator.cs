using System.Globalization;

namespace HelixFlow.Simulation.Traces;

/// <summary>Draws traces.</summary>
/// <remarks>
/// Arrivals are a Poisson process. Prompts have a log-normal number of tokens with median 400 and σ 1, at most 16,384; answers one with median 150
/// and σ 0.9, at most 4,096. Of the requests 80 % have priority 0, 10 % have 1 and 10 % have −1.
/// </remarks>
public static class TraceGenerator
{
    private const double RateSwing = 0.6; // the rate goes between 0.4 and 1.6 of its mean
    private const double PopularitySwing = 2; // a model's weight goes between 1/7.4 and 7.4 of its mean
    private const int StepsPerPeriod = 48;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static IReadOnlyList<TraceRequest> Generate(TraceOptions options)
    {
        options.Validate();
        var random = new Random(options.Seed);
        string[] names = NamesOf(options.Models);
        random.Shuffle(names); // rank and size are independent
        double[] weights = Zipf(options.Models, options.Exponent);
        double[] projects = Cumulative(Zipf(options.Projects, 1));
        var requests = new List<TraceRequest>(options.Requests);
        switch (options.Kind)
        {
            case TraceKind.Zipf:
                Steady(options.Requests, options.Rate);
                break;
            case TraceKind.Diurnal:
                Diurnal();
                break;
            case TraceKind.Bursts:
                int crowds = (int)Math.Round(options.Requests * options.CrowdShare / options.CrowdSize);
                Crowds(crowds, options.Requests / options.Rate);
                Steady(options.Requests - requests.Count, options.Rate * (options.Requests - requests.Count) / options.Requests);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(options), options.Kind, "There is no such kind of trace.");
        }

        return [.. requests.OrderBy(static request => request.At)];

        void Add(double seconds, int rank) => requests.Add(new TraceRequest(
            TimeSpan.FromSeconds(seconds),
            names[rank],
            LogNormal(random, 400, 1, 16_384),
            LogNormal(random, 150, 0.9, 4_096),
            string.Create(CultureInfo.InvariantCulture, $"p{Draw(projects, random):D2}"),
            random.NextDouble() switch { < 0.1 => 1, < 0.2 => -1, _ => 0 }));

        void Steady(int count, double rate)
        {
            double[] ranks = Cumulative(weights);
            double at = 0;
            for (int i = 0; i < count; i++)
            {
                at += Exponential(random, 1 / rate);
                Add(at, Draw(ranks, random));
            }
        }

        void Diurnal()
        {
            double period = options.Period.TotalSeconds;
            double[] phases = [.. weights.Select(_ => random.NextDouble())];
            double[] ranks = [];
            int step = -1;
            double at = 0;
            while (requests.Count < options.Requests)
            {
                // Thinning (Lewis and Shedler 1979): drawn at the highest rate, kept in proportion to the present one.
                at += Exponential(random, 1 / (options.Rate * (1 + RateSwing)));
                if (random.NextDouble() * (1 + RateSwing) > 1 + (RateSwing * Math.Sin(2 * Math.PI * at / period)))
                {
                    continue;
                }

                if ((int)(at / period * StepsPerPeriod) is var current && current != step)
                {
                    step = current;
                    ranks = Cumulative([.. weights.Select((weight, rank) =>
                        weight * Math.Exp(PopularitySwing * Math.Sin(2 * Math.PI * (((double)step / StepsPerPeriod) + phases[rank]))))]);
                }

                Add(at, Draw(ranks, random));
            }
        }

        void Crowds(int count, double seconds)
        {
            for (int crowd = 0; crowd < count; crowd++)
            {
                double begins = random.NextDouble() * seconds;
                int rank = (options.Models / 2) + random.Next((options.Models + 1) / 2);
                for (int i = 0; i < options.CrowdSize && requests.Count < options.Requests; i++)
                {
                    Add(begins + Exponential(random, options.CrowdDecay.TotalSeconds), Math.Min(rank, options.Models - 1));
                }
            }
        }
    }

    /// <summary>The names that generated traces use: m0000 and so on.</summary>
    public static string[] NamesOf(int models) => [.. Enumerable.Range(0, models).Select(at => string.Create(CultureInfo.InvariantCulture, $"m{at:D4}"))];

    private static double[] Zipf(int count, double exponent) => [.. Enumerable.Range(1, count).Select(rank => Math.Pow(rank, -exponent))];

    private static double[] Cumulative(double[] weights)
    {
        double[] sums = new double[weights.Length];
        double sum = 0;
        for (int at = 0; at < weights.Length; at++)
        {
            sums[at] = sum += weights[at];
        }

        return sums;
    }

    private static int Draw(double[] cumulative, Random random)
    {
        int at = Array.BinarySearch(cumulative, random.NextDouble() * cumulative[^1]);
        return Math.Min(at < 0 ? ~at : at + 1, cumulative.Length - 1);
    }

    private static double Exponential(Random random, double mean) => -mean * Math.Log(1 - random.NextDouble());

    /// <summary>Rounded, and 1 at least.</summary>
    private static int LogNormal(Random random, double median, double sigma, int most)
    {
        // Box and Muller 1958.
        double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        return (int)Math.Clamp(Math.Round(median * Math.Exp(sigma * normal)), 1, most);
    }
}
