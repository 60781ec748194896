using System.CommandLine;
using System.Globalization;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Benchmarks.Speculation;

/// <summary>Decode rates of the whole engine with guesses and without, in turns on the same loaded model.</summary>
internal static class SpeculationCommand
{
    private const int EndOfTurn = 2; // of helix-tiny

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A GGUF file or a Hugging Face folder" };
        var tokenizer = new Option<string>("--tokenizer") { Description = "A folder with tokenizer.json, to read the text with", DefaultValueFactory = _ => "models/helix-tiny" };
        var text = new Option<string>("--text") { Description = "The text to quote and to go on with", DefaultValueFactory = _ => "docs/operating.md" };
        var prompt = new Option<int>("--prompt") { DefaultValueFactory = _ => 300 };
        var generate = new Option<int>("--generate") { DefaultValueFactory = _ => 200 };
        var sequences = new Option<int[]>("--sequences") { DefaultValueFactory = _ => [1], AllowMultipleArgumentsPerToken = true };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 4 };
        var guesses = new Option<int>("--speculation-tokens") { DefaultValueFactory = _ => new EngineOptions().SpeculationTokens };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var only = new Option<string>("--only") { Description = "The kind of work by the start of its name", DefaultValueFactory = _ => "" };
        var command = new Command("speculation", "Decode rates with and without speculation by kind of work, in turns")
        {
            model, tokenizer, text, prompt, generate, sequences, rounds, guesses, threads, only,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string path = arguments.GetRequiredValue(model);
            SpeculationWork[] work = [.. SpeculationWork.All(
                await File.ReadAllTextAsync(arguments.GetRequiredValue(text), cancellationToken),
                Tokenizer.FromHuggingFace(arguments.GetRequiredValue(tokenizer)),
                path,
                arguments.GetValue(prompt),
                arguments.GetValue(generate))];
            string start = arguments.GetRequiredValue(only);
            using var runner = new ModelRunner(ModelFile.Open(path), new CpuBackend(new CpuBackendOptions { Threads = arguments.GetValue(threads) }), new ModelRunnerOptions());
            Console.WriteLine("| work | sequences | tok/s without | tok/s with | ratio | of medians | guessed | right | tokens per step |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
            foreach (SpeculationWork one in work.Where(one => one.Name.StartsWith(start, StringComparison.Ordinal)))
            {
                foreach (int count in arguments.GetValue(sequences)!)
                {
                    await MeasureAsync(runner, one, count, arguments.GetValue(generate), arguments.GetValue(rounds), arguments.GetValue(guesses), cancellationToken);
                }
            }
        });
        return command;
    }

    private static async Task MeasureAsync(ModelRunner model, SpeculationWork work, int sequences, int generate, int rounds, int guesses, CancellationToken cancellationToken)
    {
        // Both engines own the whole store, one after the other: so none may find the other's blocks.
        var runner = new ScriptedRunner(model);
        await using var without = new InferenceEngine(runner, new EngineOptions { PrefixReuse = false, Speculation = SpeculationMode.Off });
        await using var with = new InferenceEngine(runner, new EngineOptions { PrefixReuse = false, Speculation = SpeculationMode.NGram, SpeculationTokens = guesses });
        var rates = (Without: new List<double>(), With: new List<double>());
        for (int round = -1; round < rounds; round++)
        {
            (double slow, double quick) = (await RateAsync(without, runner, work, sequences, generate, cancellationToken), await RateAsync(with, runner, work, sequences, generate, cancellationToken));
            if (round >= 0) // the first is the compiler's
            {
                rates.Without.Add(slow);
                rates.With.Add(quick);
            }
        }

        EngineSnapshot end = with.Snapshot();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {work.Name} | {sequences} | {rates.Without.Max():F1} | {rates.With.Max():F1} | {rates.With.Max() / rates.Without.Max():F3} | {Median(rates.With) / Median(rates.Without):F3} | {end.ProposedTokens} | {(double)end.AcceptedTokens / Math.Max(1, end.ProposedTokens):P0} | {(double)end.GeneratedTokens / (end.GeneratedTokens - end.AcceptedTokens):F2} |"));
    }

    /// <summary>Tokens per second from the moment that all sequences have their first one, over all prompts.</summary>
    private static async Task<double> RateAsync(InferenceEngine engine, ScriptedRunner runner, SpeculationWork work, int sequences, int generate, CancellationToken cancellationToken)
    {
        long tokens = 0;
        TimeSpan elapsed = TimeSpan.Zero;
        foreach (int[] prompt in work.Prompts)
        {
            runner.Script = work.Answer.Length == 0 ? [] : [.. prompt, .. work.Answer];
            int going = 0;
            long said = 0;
            long start = 0;
            long before = 0;
            await Task.WhenAll(Enumerable.Range(0, sequences).Select(async _ =>
            {
                var request = new SequenceRequest
                {
                    RequestId = "bench",
                    Prompt = prompt,
                    MaxTokens = generate,
                    StopIds = work.Answer.Length == 0 ? [EndOfTurn] : [],
                    Sampling = SamplingOptions.Greedy,
                };
                if (engine.Submit(request, out SequenceStream? stream) != SubmitOutcome.Accepted)
                {
                    throw new InvalidOperationException(engine.FindProblem(request)?.Message ?? "the engine refused the work");
                }

                using SequenceStream events = stream!;
                bool first = true;
                await foreach (SequenceEvent next in events.ReadAllAsync(cancellationToken))
                {
                    long now = Interlocked.Increment(ref said);
                    if (first && Interlocked.Increment(ref going) == sequences)
                    {
                        (start, before) = (TimeProvider.System.GetTimestamp(), now);
                    }

                    first = false;
                }
            }));
            elapsed += TimeProvider.System.GetElapsedTime(start);
            tokens += said - before;
        }

        return tokens / elapsed.TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
