using System.CommandLine;
using System.Globalization;
using HelixFlow.InferenceNode;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>What gateway and gRPC add to the first token and to each further one.</summary>
internal static class OverheadCommand
{
    private const int InstantTokens = 1000;

    public static Command Create()
    {
        var streams = new Option<int[]>("--streams") { Description = "Streams at a time; several values are measured one after the other", DefaultValueFactory = _ => [1, 64], AllowMultipleArgumentsPerToken = true };
        var rounds = new Option<int>("--rounds") { Description = "Turns of all set-ups; figures are medians over them", DefaultValueFactory = _ => 5 };
        var seconds = new Option<double>("--seconds") { Description = "How long a set-up is measured per round and load", DefaultValueFactory = _ => 2 };
        var interval = new Option<double>("--interval-ms") { Description = "Between two tokens of the paced pool", DefaultValueFactory = _ => 20 };
        var engine = new Option<string?>("--engine") { Description = "A model to run on one thread instead of the scripted pool: a folder or GGUF file" };
        var only = new Option<string?>("--only") { Description = "Measure only the baseline and the set-ups whose name has this text" };
        var command = new Command("gateway-overhead", "Measure what gateway and gRPC add to the first and to each further token, against calling the engine in process")
        {
            streams, rounds, seconds, interval, engine, only,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            TimeSpan limit = TimeSpan.FromSeconds(arguments.GetValue(seconds));
            string? model = arguments.GetValue(engine);
            Console.WriteLine(Machine.Describe());
            await using OverheadSetups setups = model is null
                ? await OverheadSetups.PacedAsync(TimeSpan.FromMilliseconds(arguments.GetValue(interval)), cancellationToken)
                : await OverheadSetups.EngineAsync(model, cancellationToken);
            OverheadSetup[] chosen = [.. setups.All.Where((setup, at) => at == 0 || setup.Name.Contains(arguments.GetValue(only) ?? "", StringComparison.Ordinal))];
            foreach (OverheadSetup setup in chosen)
            {
                await WarmUpAsync(setup, model, cancellationToken);
            }

            foreach (int count in arguments.GetValue(streams)!)
            {
                foreach (string mode in (string[])(model is null ? [PacedPool.Paced, PacedPool.Instant] : [ModelSource.NameOf(model)]))
                {
                    await MeasureAsync(chosen, mode, count, arguments.GetValue(rounds), limit, cancellationToken);
                }
            }
        });
        return command;
    }

    // Until the JIT has compiled the path a second time, with what it has learnt: half of a server's processor time goes there at first.
    private static async Task WarmUpAsync(OverheadSetup setup, string? engine, CancellationToken cancellationToken)
    {
        string[] models = engine is null ? [PacedPool.Instant, PacedPool.Paced, PacedPool.Instant] : [ModelSource.NameOf(engine)];
        foreach (string model in models)
        {
            await OverheadRound.RunAsync(setup, model, streams: 16, tokens: 32, TimeSpan.FromSeconds(2), cancellationToken);
        }
    }

    private static async Task MeasureAsync(OverheadSetup[] setups, string model, int streams, int rounds, TimeSpan limit, CancellationToken cancellationToken)
    {
        // With one stream, short answers, so that there are enough first tokens.
        int tokens = model == PacedPool.Instant ? InstantTokens : streams == 1 && model == PacedPool.Paced ? 4 : 32;
        var results = setups.ToDictionary(static setup => setup, static _ => new List<OverheadRound>());
        for (int round = 0; round < rounds; round++)
        {
            foreach (OverheadSetup setup in setups)
            {
                OverheadRound result = await OverheadRound.RunAsync(setup, model, streams, tokens, limit, cancellationToken);
                results[setup].Add(result);
            }
        }

        Print(setups, results, model, streams, rounds);
    }

    private static void Print(OverheadSetup[] setups, Dictionary<OverheadSetup, List<OverheadRound>> results, string model, int streams, int rounds)
    {
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model}, {streams} streams: medians of {rounds} rounds, µs; \"+\" is the median difference to the baseline of the same round"));
        Console.WriteLine("| Set-up | first p50 | + | first p99 | token's way p50 | + | p99 | per token p50 | + | all streams, per token | processor per token | allocated per token |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        List<OverheadRound> baseline = results[setups[0]];
        foreach (OverheadSetup setup in setups)
        {
            List<OverheadRound> mine = results[setup];
            string Median(Func<OverheadRound, double> pick) => Text(Quantiles.Median(mine.Select(pick)));
            string Added(Func<OverheadRound, double> pick) => Text(Quantiles.Median(mine.Zip(baseline, (one, other) => pick(one) - pick(other))));
            Console.WriteLine(
                $"| {setup.Name} | {Median(r => r.FirstP50)} | {Added(r => r.FirstP50)} | {Median(r => r.FirstP99)} " +
                $"| {Median(r => r.DelayP50)} | {Added(r => r.DelayP50)} | {Median(r => r.DelayP99)} " +
                $"| {Median(r => r.PerTokenP50)} | {Added(r => r.PerTokenP50)} | {Median(r => r.WallPerToken)} | {Median(r => r.ProcessorPerToken)} | {Median(r => r.AllocatedPerToken)} B |");
        }
    }

    private static string Text(double value) => double.IsNaN(value) ? "–" : value.ToString(Math.Abs(value) < 10 ? "F1" : "F0", CultureInfo.InvariantCulture);
}
