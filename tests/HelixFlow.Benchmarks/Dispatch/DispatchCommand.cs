using System.CommandLine;
using System.Globalization;
using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Benchmarks.Dispatch;

/// <summary>
/// What it costs to share an operation out to threads, alone and beside processes that keep processors busy; and with a model, how decoding
/// slows down beside them, here and in llama.cpp.
/// </summary>
internal static class DispatchCommand
{
    // A layer's smallest product: about 100 µs for one thread.
    private const int ProductStrips = 96;

    public static Command Create()
    {
        var threads = new Option<int>("--threads") { Description = "Threads of the team", DefaultValueFactory = _ => Environment.ProcessorCount };
        var seconds = new Option<double>("--seconds") { Description = "Time for each row", DefaultValueFactory = _ => 2 };
        var neighbours = new Option<int[]>("--neighbours")
        {
            Description = "Busy processes beside the measured one; several values run one after the other",
            DefaultValueFactory = _ => [0, 1, 2],
            AllowMultipleArgumentsPerToken = true,
        };
        var model = new Option<string?>("--model") { Description = "A GGUF file: compare decoding with llama.cpp, too" };
        var rounds = new Option<int>("--rounds") { Description = "Rounds of decoding in turns", DefaultValueFactory = _ => 4 };
        var command = new Command("dispatch", "Measure what parallel regions cost, with and without busy neighbours") { threads, seconds, neighbours, model, rounds };
        command.SetAction(arguments =>
        {
            int[] counts = arguments.GetRequiredValue(neighbours);
            MeasureRegions(counts, arguments.GetValue(threads), TimeSpan.FromSeconds(arguments.GetValue(seconds)));
            if (arguments.GetValue(model) is { } path)
            {
                using var race = new DecodeRace(path, arguments.GetValue(threads));
                race.Run(counts, arguments.GetValue(rounds));
            }
        });
        return command;
    }

    private static void MeasureRegions(int[] neighbours, int threads, TimeSpan time)
    {
        using var team = new WorkerTeam(threads);
        var plan = new ChunkPlan();
        plan.Cut(ProductStrips, threads, 2, ProductStrips);
        Console.WriteLine($"{threads} threads; µs per region");
        Console.WriteLine("neighbours  region             p10      p50      p99      max   regions/s");
        foreach (int count in neighbours)
        {
            using var busy = new Neighbours(count);
            Print(count, "empty", Measure(team, new Nothing(), threads, time));
            Print(count, "all meet", Measure(team, new Meeting(threads), threads, time));
            Print(count, "100 µs of work", Measure(team, new Strips(plan), plan.Count, time));
        }
    }

    private static double[] Measure(WorkerTeam team, ParallelWork work, int chunks, TimeSpan time)
    {
        TimeProvider clock = TimeProvider.System;
        var taken = new List<double>(1 << 20);
        for (int i = 0; i < 2000; i++)
        {
            team.Run(work, chunks);
        }

        long start = clock.GetTimestamp();
        while (clock.GetElapsedTime(start) < time)
        {
            Strips.Compute(2); // what a step does alone between two regions
            long before = clock.GetTimestamp();
            team.Run(work, chunks);
            taken.Add(clock.GetElapsedTime(before).TotalMicroseconds);
        }

        return [.. taken.Order()];
    }

    private static void Print(int neighbours, string region, double[] sorted) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{neighbours,10}  {region,-14} {sorted[sorted.Length / 10],7:F2}  {sorted[sorted.Length / 2],7:F2}  {sorted[sorted.Length * 99 / 100],7:F1}  {sorted[^1],7:F0}   {sorted.Length / sorted.Sum() * 1e6,9:F0}"));

    /// <summary>Chunks of nothing: what the caller pays when nobody is needed.</summary>
    private sealed class Nothing : ParallelWork
    {
        public override void Run(int chunk, int worker)
        {
        }
    }

    /// <summary>A barrier: no chunk ends before all have begun, each on a thread of its own.</summary>
    private sealed class Meeting(int threads) : ParallelWork
    {
        private int _arrived;

        public override void Run(int chunk, int worker)
        {
            int arrived = Interlocked.Increment(ref _arrived);
            int all = ((arrived - 1) / threads + 1) * threads;
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _arrived) < all)
            {
                spinner.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    /// <summary>Work in strips of about a microsecond.</summary>
    private sealed class Strips(ChunkPlan plan) : ParallelWork
    {
        private static readonly double[] Sink = new double[1024];

        public static void Compute(int microseconds)
        {
            double x = 1;
            for (int i = 0; i < 150 * microseconds; i++)
            {
                x = Math.Sqrt(x + i);
            }

            Sink[Environment.CurrentManagedThreadId % Sink.Length] = x;
        }

        public override void Run(int chunk, int worker)
        {
            (int first, int end) = plan[chunk];
            Compute(end - first);
        }
    }
}
