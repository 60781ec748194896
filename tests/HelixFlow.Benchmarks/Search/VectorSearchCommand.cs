using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using HelixFlow.Engine.Cpu;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Benchmarks.Search;

/// <summary>What it costs to compare a query with every vector of a store, beside what one thread can read from memory.</summary>
internal static class VectorSearchCommand
{
    private const int Nearest = 100;
    private const int Seed = 1;

    public static Command Create()
    {
        var counts = new Option<int[]>("--vectors") { Description = "Vectors of the store", DefaultValueFactory = _ => [10_000, 100_000], AllowMultipleArgumentsPerToken = true };
        var dimensions = new Option<int[]>("--dimensions") { Description = "Values of a vector", DefaultValueFactory = _ => [384, 1024], AllowMultipleArgumentsPerToken = true };
        var perFile = new Option<int>("--chunks") { Description = "Vectors of a file", DefaultValueFactory = _ => 50 };
        var rounds = new Option<int>("--rounds") { Description = "Rounds of which the best counts", DefaultValueFactory = _ => 30 };
        var command = new Command("vector-search", "Measure the scan of a vector store") { counts, dimensions, perFile, rounds };
        command.SetAction(arguments => Run(arguments.GetValue(counts)!, arguments.GetValue(dimensions)!, arguments.GetValue(perFile), arguments.GetValue(rounds)));
        return command;
    }

    private static void Run(int[] counts, int[] dimensions, int perFile, int rounds)
    {
        double ceiling = MachineCeilings.Measure(1).ReadGigabytesPerSecond;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"one thread reads {ceiling:F1} GB/s"));
        Console.WriteLine("| vectors | values | ms a search | GB/s | of read |");
        Console.WriteLine("| ---: | ---: | ---: | ---: | ---: |");
        foreach (int count in counts)
        {
            foreach (int width in dimensions)
            {
                double seconds = Measure(count, width, perFile, rounds);
                double rate = count * (double)width * sizeof(float) / seconds / 1e9;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {count} | {width} | {seconds * 1000:F2} | {rate:F1} | {rate / ceiling:P0} |"));
            }
        }
    }

    private static double Measure(int count, int width, int perFile, int rounds)
    {
        var random = new Random(Seed);
        var segments = new List<VectorSegment>();
        for (int start = 0; start < count; start += perFile)
        {
            int length = Math.Min(perFile, count - start);
            float[] vectors = new float[length * width];
            for (int i = 0; i < length; i++)
            {
                Fill(random, vectors.AsSpan(i * width, width));
            }

            segments.Add(new VectorSegment([.. Enumerable.Range(start, length).Select(static chunk => (long)chunk)], vectors));
        }

        float[] query = new float[width];
        Fill(random, query);
        double best = double.PositiveInfinity;
        for (int round = 0; round < rounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            var nearest = new NearestVectors(query, Nearest);
            foreach (VectorSegment segment in segments)
            {
                nearest.Scan(segment);
            }

            if (nearest.ToList().Count != Math.Min(Nearest, count))
            {
                throw new InvalidOperationException("The scan has lost something.");
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(begin).TotalSeconds);
        }

        return best;
    }

    private static void Fill(Random random, Span<float> vector)
    {
        foreach (ref float value in vector)
        {
            value = (float)(random.NextDouble() - 0.5);
        }

        VectorScan.Normalise(vector);
    }
}
