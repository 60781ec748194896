using HelixFlow.Cli.Bench.Engines;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Cli.Bench.Compare;

/// <summary>What two engines are compared in: prefill of one prompt, and decoding with each number of sequences.</summary>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Generate">Tokens to generate per sequence.</param>
/// <param name="Sequences">Sequences that decode together, a row for each.</param>
/// <param name="Rounds">Measurements of each row and engine.</param>
/// <param name="Threads">Worker threads of each engine.</param>
internal sealed record ComparisonPlan(int Prompt, int Generate, int[] Sequences, int Rounds, int Threads)
{
    /// <summary>How both engines store keys and values: what llama.cpp does by default, and ours too.</summary>
    public const KvType SharedKvType = KvType.F16;

    public EngineRoom Room => new(Sequences.Max(), Prompt + Generate, Threads, SharedKvType);

    public IEnumerable<EngineTask> Tasks => [new EngineTask(Prompt, 0, 1), .. Sequences.Select(count => new EngineTask(Prompt, Generate, count))];
}

/// <summary>One thing to time.</summary>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Generate">Tokens to generate per sequence; 0 times the prefill of one prompt instead.</param>
/// <param name="Sequences">Sequences that decode together.</param>
internal sealed record EngineTask(int Prompt, int Generate, int Sequences)
{
    public string Name => Generate == 0 ? "prefill" : $"decode {Sequences}";
}

/// <summary>One side of a comparison: an engine in a process of its own, which tests replace.</summary>
internal interface IComparedEngine
{
    /// <summary>The settings that the engine can run with, by name; at least one.</summary>
    IReadOnlyList<string> Settings { get; }

    /// <summary>Times the task once and returns tokens per second.</summary>
    /// <exception cref="BenchException">The engine failed.</exception>
    Task<double> MeasureAsync(EngineTask task, int setting, CancellationToken cancellationToken);
}

/// <summary>What the rounds of a task gave, in tokens per second.</summary>
/// <param name="Task">What was timed.</param>
/// <param name="Ours">The rates of our engine.</param>
/// <param name="Theirs">The rates of the peer.</param>
/// <param name="PeerSetting">The setting at which the peer was faster before the rounds.</param>
/// <param name="RoundRatios">Our rate by the peer's of the same round.</param>
internal sealed record ComparisonRow(EngineTask Task, Distribution Ours, Distribution Theirs, string PeerSetting, Distribution RoundRatios)
{
    /// <summary>Our median rate by the peer's.</summary>
    public double Ratio => Ours.Median / Theirs.Median;
}

/// <summary>Measures two engines in turns, A, B, A, B, so that what else the machine does meets both alike.</summary>
internal sealed class Comparison(ComparisonPlan plan, IComparedEngine ours, IComparedEngine theirs, BenchDisplay display)
{
    public async Task<List<ComparisonRow>> RunAsync(CancellationToken cancellationToken)
    {
        var rows = new List<ComparisonRow>();
        EngineTask[] tasks = [.. plan.Tasks];
        foreach (EngineTask task in tasks)
        {
            double share = (double)rows.Count / tasks.Length;
            display.Report($"{task.Name}: settings", share);
            int ourSetting = await BestSettingAsync(ours, task, cancellationToken);
            int theirSetting = await BestSettingAsync(theirs, task, cancellationToken);
            double[] ourRates = new double[plan.Rounds];
            double[] theirRates = new double[plan.Rounds];
            for (int round = 0; round < plan.Rounds; round++)
            {
                display.Report($"{task.Name}: round {round + 1} of {plan.Rounds}", share + ((double)round / plan.Rounds / tasks.Length));
                ourRates[round] = await ours.MeasureAsync(task, ourSetting, cancellationToken);
                theirRates[round] = await theirs.MeasureAsync(task, theirSetting, cancellationToken);
            }

            rows.Add(new ComparisonRow(
                task, new Distribution(ourRates), new Distribution(theirRates), theirs.Settings[theirSetting],
                new Distribution(ourRates.Zip(theirRates, (our, their) => our / their))));
        }

        return rows;
    }

    // The first measurement of a setting also evaluates the prompts that it lacks and warms it up, so the second is compared.
    private static async Task<int> BestSettingAsync(IComparedEngine engine, EngineTask task, CancellationToken cancellationToken)
    {
        int best = 0;
        double bestRate = 0;
        for (int setting = 0; setting < engine.Settings.Count; setting++)
        {
            await engine.MeasureAsync(task, setting, cancellationToken);
            double rate = engine.Settings.Count == 1 ? 0 : await engine.MeasureAsync(task, setting, cancellationToken);
            (best, bestRate) = rate > bestRate ? (setting, rate) : (best, bestRate);
        }

        return best;
    }
}
