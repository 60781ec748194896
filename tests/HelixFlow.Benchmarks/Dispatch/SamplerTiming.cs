using System.CommandLine;
using System.Globalization;
using HelixFlow.Engine.Sampling;

namespace HelixFlow.Benchmarks.Dispatch;

/// <summary>What choosing a token costs, for flat and for peaked distributions.</summary>
internal static class SamplerTiming
{
    public static Command Create()
    {
        var vocabulary = new Option<int>("--vocabulary") { DefaultValueFactory = _ => 128_256 };
        var command = new Command("sampler", "Measure what choosing a token costs") { vocabulary };
        command.SetAction(arguments => Run(arguments.GetValue(vocabulary)));
        return command;
    }

    private static void Run(int vocabulary)
    {
        (string Name, SamplingOptions Options)[] cases =
        [
            ("greedy", SamplingOptions.Greedy),
            ("temperature", new SamplingOptions { Temperature = 0.8f }),
            ("top-p 0.95", new SamplingOptions { Temperature = 0.8f, TopP = 0.95f }),
            ("top-p 0.5", new SamplingOptions { Temperature = 0.8f, TopP = 0.5f }),
            ("top-k 40", new SamplingOptions { Temperature = 0.8f, TopK = 40 }),
            ("top-k 40, top-p 0.95", new SamplingOptions { Temperature = 0.8f, TopK = 40, TopP = 0.95f }),
            ("min-p 0.05", new SamplingOptions { Temperature = 0.8f, MinP = 0.05f }),
        ];
        Console.WriteLine($"µs per token, vocabulary of {vocabulary}; standard deviation of the logits 1 (flat), 3 and 6 (peaked)");
        float[][] rows = [Normal(vocabulary, 1), Normal(vocabulary, 3), Normal(vocabulary, 6)];
        var sampler = new Sampler(vocabulary);
        var top = new TokenLogprob[20];
        foreach ((string name, SamplingOptions options) in cases)
        {
            Print(name, rows, row => sampler.Sample(row, new SamplerState(options, 3, [])));
        }

        Print("20 logprobs", rows, row => sampler.Logprobs(row, 5, top));
    }

    private static void Print(string name, float[][] rows, Action<float[]> work) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{name,-22} {Best(() => work(rows[0])),8:F0} {Best(() => work(rows[1])),8:F0} {Best(() => work(rows[2])),8:F0}"));

    private static double Best(Action work)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 200; i++)
        {
            long start = TimeProvider.System.GetTimestamp();
            work();
            best = Math.Min(best, TimeProvider.System.GetElapsedTime(start).TotalMicroseconds);
        }

        return best;
    }

    private static float[] Normal(int count, double deviation)
    {
        var random = new Random(17);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
    }
}
