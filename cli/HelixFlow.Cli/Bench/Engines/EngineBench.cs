using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>What to measure: every combination of a prompt's length and a number of sequences.</summary>
/// <param name="Prompts">Tokens of each prompt; values above 0.</param>
/// <param name="Generate">Tokens to generate per sequence, the first of which comes from the prefill.</param>
/// <param name="Sequences">Sequences that decode together; values above 0.</param>
/// <param name="Repetitions">How often each rate is measured, at least.</param>
/// <param name="Threads">Worker threads.</param>
/// <param name="KvType">How keys and values are stored.</param>
/// <param name="Quantize">What float weights are rounded to when they are loaded; null for nothing.</param>
internal sealed record EngineBenchPlan(
    int[] Prompts, int Generate, int[] Sequences, int Repetitions, int Threads, KvType KvType = KvType.F16, TensorType? Quantize = null)
{
    public EngineRoom Room => new(Sequences.Max(), Prompts.Max() + Generate, Threads, KvType, Quantize);
}

/// <summary>The rates of one combination, in tokens per second.</summary>
internal sealed record EngineBenchRow(int Prompt, int Generate, int Sequences, Distribution Prefill, Distribution Decode, int[][] Continuations);

/// <summary>What was measured.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Room">What it ran with.</param>
/// <param name="Ceilings">The machine's limits, measured just before.</param>
/// <param name="Work">What the model makes the machine do.</param>
/// <param name="Load">From opening the file to a model that can run.</param>
/// <param name="FirstToken">From opening the file to the first token after a short prompt.</param>
/// <param name="Rows">The rates.</param>
internal sealed record EngineBenchResult(string Model, EngineRoom Room, MachineCeilings Ceilings, EngineWork Work, TimeSpan Load, TimeSpan FirstToken, List<EngineBenchRow> Rows);

/// <summary>Measures HelixFlow's engine alone: the machine, then the model loaded once for the whole plan.</summary>
internal sealed class EngineBench(EngineBenchPlan plan, TimeProvider time, BenchDisplay display)
{
    private const int FirstPrompt = 16;

    // The ceilings and the load take about as long as a row.
    private double _steps;
    private int _done;

    /// <exception cref="BenchException">The model's context is too short for the plan.</exception>
    public EngineBenchResult Run(string path, CancellationToken cancellationToken)
    {
        _steps = 3 + (plan.Prompts.Length * plan.Sequences.Length);
        Next("measuring the machine's ceilings");
        MachineCeilings ceilings = MachineCeilings.Measure(plan.Threads);

        Next("loading the model");
        long start = time.GetTimestamp();
        ModelFile file = ModelFile.Open(path);
        EngineWork work = EngineWork.Of(file, plan.Room);
        string name = file.Name;
        using HelixFlowEngine engine = HelixFlowEngine.Load(file, plan.Room);
        TimeSpan load = time.GetElapsedTime(start);
        var meter = new EngineMeter(engine, time);
        meter.Prefill(0, Math.Min(FirstPrompt, plan.Prompts.Max()));
        TimeSpan firstToken = time.GetElapsedTime(start);

        Next("warming up");
        meter.WarmUp(plan.Prompts.Max(), plan.Sequences.Max());
        var rows = new List<EngineBenchRow>();
        foreach (int prompt in plan.Prompts)
        {
            var prefill = new List<double>();
            foreach (int sequences in plan.Sequences)
            {
                Next($"{prompt} tokens of prompt, {sequences} {(sequences == 1 ? "sequence" : "sequences")}");
                rows.Add(Measure(meter, prompt, sequences, prefill, cancellationToken));
            }
        }

        return new EngineBenchResult(name, plan.Room, ceilings, work, load, firstToken, rows);
    }

    private EngineBenchRow Measure(EngineMeter meter, int prompt, int sequences, List<double> prefill, CancellationToken cancellationToken)
    {
        prefill.AddRange(meter.PrefillMissing(sequences, prompt));
        while (prefill.Count < plan.Repetitions)
        {
            cancellationToken.ThrowIfCancellationRequested();
            prefill.Add(meter.Prefill(0, prompt));
        }

        var decode = new List<double>();
        int[][] continuations = [];
        for (int repetition = 0; repetition < plan.Repetitions; repetition++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            decode.Add(meter.Decode(sequences, plan.Generate, out continuations));
        }

        return new EngineBenchRow(prompt, plan.Generate, sequences, new Distribution(prefill), new Distribution(decode), continuations);
    }

    private void Next(string what) => display.Report(what, _done++ / _steps);
}
