using System.CommandLine;
using System.Globalization;
using HelixFlow.Benchmarks.Cluster;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;

namespace HelixFlow.Benchmarks.Serving;

/// <summary>What decoding streams feel of a long prompt that arrives, with and without a step time budget.</summary>
internal static class InterleaveCommand
{
    // Tokens of each stream before the prompt is sent: enough for the engine to have learned what its steps take.
    private const int Settled = 12;

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A GGUF file or Hugging Face folder" };
        var budgets = new Option<int[]>("--budget") { Description = "Step time budgets in ms to compare, in turns; 0: none", DefaultValueFactory = _ => [100, 0], AllowMultipleArgumentsPerToken = true };
        var streams = new Option<int>("--streams") { Description = "Streams that decode", DefaultValueFactory = _ => 4 };
        var prompt = new Option<int>("--prompt") { Description = "Tokens of the prompt that arrives", DefaultValueFactory = _ => 4000 };
        var rounds = new Option<int>("--rounds") { Description = "Turns of all budgets", DefaultValueFactory = _ => 3 };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command("interleave", "Inter-token latency of decoding streams while a long prompt is prefilled, by step time budget") { model, budgets, streams, prompt, rounds, threads };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            int promptTokens = arguments.GetValue(prompt);
            int streamCount = arguments.GetValue(streams);
            int[] compared = arguments.GetValue(budgets)!;
            const int BlockSize = 16;
            using var runner = new ModelRunner(
                ModelFile.Open(arguments.GetRequiredValue(model)),
                new CpuBackend(new CpuBackendOptions { Threads = arguments.GetValue(threads) }),
                new ModelRunnerOptions { KvBlockSize = BlockSize, KvBlocks = ((promptTokens + 64) / BlockSize) + 2 + (streamCount * 80) });
            Console.WriteLine(Machine.Describe());
            await RunAsync(runner, null, streamCount, Math.Min(promptTokens, 200), cancellationToken); // compiles
            var results = compared.ToDictionary(static budget => budget, static _ => new List<InterleaveRound>());
            for (int round = 0; round < arguments.GetValue(rounds); round++)
            {
                foreach (int budget in compared)
                {
                    results[budget].Add(await RunAsync(runner, budget == 0 ? null : TimeSpan.FromMilliseconds(budget), streamCount, promptTokens, cancellationToken));
                }
            }

            Print(results, streamCount, promptTokens);
        });
        return command;
    }

    private static async Task<InterleaveRound> RunAsync(ModelRunner runner, TimeSpan? budget, int streamCount, int promptTokens, CancellationToken cancellationToken)
    {
        await using var engine = new InferenceEngine(runner, new EngineOptions { StepTimeBudget = budget, PrefixReuse = false });
        var times = new List<long>[streamCount]; // of each stream's tokens
        var settled = new TaskCompletionSource();
        int unsettled = streamCount;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] readers = [.. Enumerable.Range(0, streamCount).Select(async i =>
        {
            List<long> mine = times[i] = [];
            using SequenceStream stream = Submit(engine, Tokens(runner, 40, i), 1200);
            await foreach (SequenceEvent next in stream.ReadAllAsync(stop.Token))
            {
                mine.Add(TimeProvider.System.GetTimestamp());
                if (mine.Count == Settled && Interlocked.Decrement(ref unsettled) == 0)
                {
                    settled.SetResult();
                }
            }
        })];
        await settled.Task.WaitAsync(cancellationToken);
        long sent = TimeProvider.System.GetTimestamp();
        using (SequenceStream late = Submit(engine, Tokens(runner, promptTokens, streamCount), 1))
        {
            await late.WaitToReadAsync(cancellationToken);
        }

        long first = TimeProvider.System.GetTimestamp();
        await stop.CancelAsync();
        foreach (Task reader in readers)
        {
            await reader.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        List<double> gaps = [];
        foreach (List<long> mine in times)
        {
            for (int i = 1; i < mine.Count; i++)
            {
                if (mine[i] > sent && mine[i - 1] < first)
                {
                    gaps.Add(TimeProvider.System.GetElapsedTime(mine[i - 1], mine[i]).TotalMilliseconds);
                }
            }
        }

        return new InterleaveRound(gaps, TimeProvider.System.GetElapsedTime(sent, first).TotalSeconds);
    }

    private static SequenceStream Submit(InferenceEngine engine, int[] prompt, int tokens)
    {
        var request = new SequenceRequest { RequestId = "bench", Prompt = prompt, MaxTokens = tokens, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        SubmitOutcome outcome = engine.Submit(request, out SequenceStream? stream);
        return stream ?? throw new InvalidOperationException($"The engine refused a request: {outcome}.");
    }

    private static int[] Tokens(ModelRunner runner, int count, int sequence) =>
        [.. Enumerable.Range(0, count).Select(i => 100 + (int)(((i * 7919L) + (31 * sequence)) % Math.Min(7000, runner.VocabularySize - 200)))];

    private static void Print(Dictionary<int, List<InterleaveRound>> results, int streams, int prompt)
    {
        Console.WriteLine();
        Console.WriteLine($"time between tokens of {streams} streams while a prompt of {prompt} tokens is prefilled, all rounds together, ms");
        Console.WriteLine("| budget, ms | p50 | p99 | max | tokens of the streams meanwhile | first token of the prompt, s (median) |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        foreach ((int budget, List<InterleaveRound> rounds) in results)
        {
            double[] gaps = [.. rounds.SelectMany(static round => round.Gaps)];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {(budget == 0 ? "none" : budget)} | {Quantiles.Median(gaps):F0} | {Quantiles.Of(gaps, 0.99):F0} | {gaps.Max():F0} | {gaps.Length / rounds.Count} | {Quantiles.Median(rounds.Select(static round => round.FirstSeconds)):F1} |"));
        }
    }

    private sealed record InterleaveRound(List<double> Gaps, double FirstSeconds);
}
