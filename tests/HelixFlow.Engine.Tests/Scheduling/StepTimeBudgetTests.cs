using HelixFlow.Engine.Execution;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;
using HelixFlow.Engine.Tests.Execution;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Scheduling;

/// <summary>All in virtual time: a step takes what its rows cost.</summary>
public sealed class StepTimeBudgetTests
{
    private const int MaxRows = 512;
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(100);

    [Fact]
    public void Prefill_is_unlimited_while_nothing_decodes()
    {
        var scheduler = new Scheduler(new BlockPool(300, 16), MaxRows, 8, prefixReuse: false, TimeSpan.FromSeconds(30), Budget);
        scheduler.Add(Prompt(4000, 0), TimeSpan.Zero);
        for (int step = 0; step < 7; step++)
        {
            StepPlan plan = scheduler.Plan(TimeSpan.Zero);
            Assert.Equal((MaxRows, 0), (plan.Rows, plan.DecodeRows));
            scheduler.Commit(plan);
            scheduler.Learn(plan, TimeSpan.FromSeconds(5));
        }
    }

    [Theory]
    [InlineData(20, 1, 2)] // like a small model on a few cores
    [InlineData(2, 0.1, 0.05)] // fast: the whole chunk fits
    [InlineData(60, 5, 3)]
    public void Steps_keep_to_the_budget_and_use_it_while_others_decode(double fixedMs, double decodeMs, double prefillMs)
    {
        foreach (PlannedStep step in Run(fixedMs, decodeMs, prefillMs, noise: 0).Where(static step => step.Number > 40 && step.PrefillRows > 0))
        {
            double most = Math.Min(MaxRows, (100 - fixedMs - (4 * decodeMs)) / prefillMs);
            Assert.InRange(step.PrefillRows, Math.Max(PrefillAllowance.LeastRows, (0.85 * most) - 1), Math.Max(PrefillAllowance.LeastRows, most * 1.05));
        }
    }

    [Fact]
    public void A_prompt_advances_by_a_quarter_of_the_time_where_decode_rows_alone_use_the_budget_up()
    {
        PlannedStep[] steps = [.. Run(fixedMs: 120, decodeMs: 20, prefillMs: 1, noise: 0).Where(static step => step.Number > 40 && step.PrefillRows > 0)];

        Assert.NotEmpty(steps);
        Assert.All(steps, static step => Assert.InRange(step.PrefillRows, 50, 75)); // of 200 ms for four decode rows: 66
    }

    [Fact]
    public void A_prompt_always_advances_by_the_least_chunk()
    {
        PlannedStep[] steps = [.. Run(fixedMs: 1, decodeMs: 1, prefillMs: 500, noise: 0).Where(static step => step.Number > 5 && step.PrefillRows > 0)];

        Assert.NotEmpty(steps);
        Assert.All(steps, static step => Assert.Equal(PrefillAllowance.LeastRows, step.PrefillRows));
    }

    [Fact]
    public void Noise_and_delayed_steps_neither_starve_the_prompt_nor_lift_the_limit()
    {
        foreach (PlannedStep step in Run(fixedMs: 20, decodeMs: 1, prefillMs: 1, noise: 0.3).Where(static step => step.Number > 40 && step.PrefillRows > 0))
        {
            Assert.InRange(step.PrefillRows, 25, 150); // 76 without noise
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Decoding_streams_go_on_while_a_long_prompt_arrives(bool limited)
    {
        var time = new VirtualTime();
        var durations = new List<double>();
        using var runner = new FakeModelRunner(blocks: 400, blockSize: 16, contextLength: 4096, maxRows: MaxRows);
        var options = new EngineOptions { TimeProvider = time, StepTimeBudget = limited ? Budget : null, PrefixReuse = false };
        await using var engine = new InferenceEngine(runner, options);
        SequenceStream? late = null;
        using var submitted = new ManualResetEventSlim();
        runner.OnStep = batch =>
        {
            submitted.Wait();
            if (runner.Steps == 30)
            {
                engine.Submit(Request([.. Enumerable.Range(0, 2000).Select(static i => i % 64)], 1), out late);
            }

            int decoding = 0;
            foreach (Backends.BatchSequence sequence in batch.Sequences)
            {
                decoding += sequence.RowCount == 1 ? 1 : 0;
            }

            TimeSpan took = TimeSpan.FromMilliseconds(20 + decoding + (2 * (batch.Rows - decoding)));
            time.Advance(took);
            if (runner.Steps > 10)
            {
                durations.Add(took.TotalMilliseconds);
            }
        };
        SequenceStream[] streams = [.. Enumerable.Range(0, 4).Select(i =>
        {
            Assert.Equal(SubmitOutcome.Accepted, engine.Submit(Request([i], 200), out SequenceStream? stream));
            return stream!;
        })];
        submitted.Set();
        using var guard = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        foreach (SequenceStream stream in streams)
        {
            Assert.Equal(201, await stream.ReadAllAsync(guard.Token).CountAsync(guard.Token));
        }

        Assert.Equal(2, await late!.ReadAllAsync(guard.Token).CountAsync(guard.Token));
        if (limited)
        {
            Assert.InRange(durations.Max(), 95, 105);
        }
        else
        {
            Assert.True(durations.Max() > 1000);
        }
    }

    /// <summary>
    /// Four sequences decode, then prompts of 3,000 tokens come one after the other; steps take what an affine machine would. The last chunks of
    /// prompts, which take what is left of them, are not among the result.
    /// </summary>
    private static List<PlannedStep> Run(double fixedMs, double decodeMs, double prefillMs, double noise)
    {
        var random = new Random(3);
        var scheduler = new Scheduler(new BlockPool(2000, 16), MaxRows, 8, prefixReuse: false, TimeSpan.FromSeconds(30), Budget);
        for (int i = 0; i < 4; i++)
        {
            scheduler.Add(Prompt(20, i), TimeSpan.Zero);
        }

        var steps = new List<PlannedStep>();
        for (int number = 0; number < 200; number++)
        {
            if (number % 60 == 20)
            {
                scheduler.Add(Prompt(3000, number), TimeSpan.Zero);
            }

            StepPlan plan = scheduler.Plan(TimeSpan.Zero);
            int prefill = plan.Rows - plan.DecodeRows;
            double took = fixedMs + (plan.DecodeRows * decodeMs) + (prefill * prefillMs);
            took *= random.Next(20) == 0 && noise > 0 ? 20 : 1 + (noise * random.NextDouble());
            bool lastOfPrompt = plan.Entries.Exists(static entry => entry.IsLast && entry.Sequence.Computed + entry.Rows <= entry.Sequence.PromptLength);
            scheduler.Commit(plan);
            scheduler.Learn(plan, TimeSpan.FromMilliseconds(took));
            foreach (PlannedRows entry in plan.Entries.Where(static entry => entry.Sequence.Pending == 0))
            {
                entry.Sequence.Append(1);
            }

            foreach (Sequence done in scheduler.Running.Where(static sequence => sequence.PromptLength == 3000 && sequence.Pending == 1).ToArray())
            {
                scheduler.Remove(done);
            }

            if (plan.DecodeRows > 0 && !lastOfPrompt)
            {
                steps.Add(new PlannedStep(number, prefill));
            }
        }

        return steps;
    }

    private static Sequence Prompt(int length, int arrival) => new([.. Enumerable.Range(0, length)], length + 500, 0, arrival, 0, "");

    private static SequenceRequest Request(int[] prompt, int tokens) =>
        new() { RequestId = "test", Prompt = prompt, MaxTokens = tokens, Sampling = SamplingOptions.Greedy };

    private sealed record PlannedStep(int Number, int PrefillRows);
}
