using HelixFlow.Engine.Backends;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Scheduling;

public sealed class SchedulerTests
{
    private const int BlockSize = 4;
    private static readonly TimeSpan Ageing = TimeSpan.FromSeconds(30);

    [Fact]
    public void Random_workloads_end_in_bounded_steps_with_unpreempted_tokens_and_all_blocks_back()
    {
        long preemptions = 0;
        for (int seed = 0; seed < 150; seed++)
        {
            preemptions += RunWorkload(new Random(seed), seed);
        }

        Assert.True(preemptions > 100, $"only {preemptions} preemptions: the workloads do not press the store");
    }

    [Fact]
    public void Decode_rows_come_first_and_prefill_chunks_take_the_rest_of_the_budget()
    {
        var pool = new BlockPool(64, BlockSize);
        var scheduler = new Scheduler(pool, 10, 4, prefixReuse: true, Ageing);
        Sequence first = Waiting(scheduler, [1, 2, 3], arrival: 1);
        scheduler.Commit(scheduler.Plan(TimeSpan.Zero));
        first.Append(9);
        Sequence second = Waiting(scheduler, [.. Enumerable.Range(0, 30)], arrival: 2);

        StepPlan plan = scheduler.Plan(TimeSpan.Zero);

        Assert.Equal([new PlannedRows(first, 1), new PlannedRows(second, 9)], plan.Entries);
    }

    [Fact]
    public void Higher_priority_starts_first_then_the_earlier_arrival()
    {
        var scheduler = new Scheduler(new BlockPool(64, BlockSize), 16, 2, prefixReuse: true, Ageing);
        Waiting(scheduler, [1], arrival: 1);
        Sequence early = Waiting(scheduler, [2], arrival: 2, priority: 5);
        Sequence late = Waiting(scheduler, [3], arrival: 3, priority: 5);

        StepPlan plan = scheduler.Plan(TimeSpan.Zero);

        Assert.Equal([early, late], plan.Entries.Select(entry => entry.Sequence));
    }

    [Fact]
    public void The_last_in_order_is_preempted_when_blocks_run_out()
    {
        var scheduler = new Scheduler(new BlockPool(4, BlockSize), 16, 4, prefixReuse: false, Ageing);
        Sequence urgent = Waiting(scheduler, [1, 2, 3, 4, 5, 6, 7], arrival: 2, priority: 1);
        Sequence plain = Waiting(scheduler, [1, 2, 3, 4, 5, 6, 7], arrival: 1);
        for (int i = 0; i < 2; i++)
        {
            StepPlan plan = scheduler.Plan(TimeSpan.Zero);
            Assert.Equal(2, plan.Entries.Count);
            scheduler.Commit(plan);
            urgent.Append(1);
            plain.Append(1);
        }

        Assert.Equal([new PlannedRows(urgent, 1)], scheduler.Plan(TimeSpan.Zero).Entries);
        Assert.Equal((SequenceStatus.Waiting, 0), (plain.Status, plain.Table.Count));
        Assert.Equal(1, scheduler.Preemptions);
    }

    [Fact]
    public void A_preempted_sequence_finds_what_is_left_of_its_own_blocks()
    {
        var scheduler = new Scheduler(new BlockPool(4, BlockSize), 16, 4, prefixReuse: true, Ageing);
        Sequence urgent = Waiting(scheduler, [1, 2, 3, 4, 5, 6, 7], arrival: 2, priority: 1);
        Sequence plain = Waiting(scheduler, [9, 8, 7, 6, 5, 4, 3], arrival: 1);
        for (int i = 0; i < 2; i++)
        {
            scheduler.Commit(scheduler.Plan(TimeSpan.Zero));
            urgent.Append(1);
            plain.Append(1);
        }

        scheduler.Commit(scheduler.Plan(TimeSpan.Zero)); // a third block for the urgent one: the last of the other one's two
        Assert.Equal(SequenceStatus.Waiting, plain.Status);
        scheduler.Remove(urgent);

        Assert.Equal([new PlannedRows(plain, plain.Length - BlockSize)], scheduler.Plan(TimeSpan.Zero).Entries);
        Assert.Equal(0, plain.CachedTokens); // it had computed them itself
    }

    [Fact]
    public void A_prompt_that_is_being_prefilled_takes_over_what_another_one_computes_meanwhile()
    {
        var scheduler = new Scheduler(new BlockPool(64, BlockSize), 16, 4, prefixReuse: true, Ageing);
        int[] shared = [.. Enumerable.Range(0, 40)];
        Sequence first = Waiting(scheduler, [.. shared, 100, 101], arrival: 1);
        Sequence second = Waiting(scheduler, [.. shared, 200, 201], arrival: 2);
        int computed = 0;
        while (first.Pending > 0 || second.Pending > 0)
        {
            StepPlan plan = scheduler.Plan(TimeSpan.Zero);
            computed += plan.Rows;
            scheduler.Commit(plan);
            if (first.Pending == 0)
            {
                scheduler.Remove(first);
            }
        }

        Assert.Equal(34, second.CachedTokens); // 32 when it started, beside the first one's last chunk, and 2 of the block that it had begun
        Assert.Equal(42 + 8, computed);
    }

    private static Sequence Waiting(Scheduler scheduler, int[] prompt, long arrival, int priority = 0)
    {
        var sequence = new Sequence(prompt, prompt.Length + 9, priority, arrival, 0, "");
        scheduler.Add(sequence, TimeSpan.Zero);
        return sequence;
    }

    /// <returns>How often a sequence was preempted.</returns>
    private static long RunWorkload(Random random, int seed)
    {
        int blocks = random.Next(6, 30);
        int maxSequences = random.Next(1, 8);
        int maxRows = maxSequences + random.Next(12);
        var pool = new BlockPool(blocks, BlockSize);
        var scheduler = new Scheduler(pool, maxRows, maxSequences, prefixReuse: random.Next(2) == 0, Ageing, random.Next(2) == 0 ? TimeSpan.FromMilliseconds(1) : null);
        using var runner = new FakeModelRunner(blocks, BlockSize, maxRows: maxRows);
        var batch = new Batch(maxRows, maxSequences);
        List<Sequence> coming = [.. Enumerable.Range(0, 20).Select(i => RandomSequence(random, i, blocks * BlockSize))];
        List<Sequence> all = [.. coming];
        HashSet<Sequence> removed = [];
        int bound = all.Sum(sequence => sequence.MaxLength) * (all.Count + 1);
        for (int step = 0; coming.Count > 0 || scheduler.HasWork; step++)
        {
            Assert.True(step < bound, $"seed {seed}: {scheduler.Running.Count} run and {scheduler.Waiting.Count} wait after {step} steps");
            while (coming.Count > 0 && (random.Next(3) == 0 || !scheduler.HasWork))
            {
                scheduler.Add(coming[0], TimeSpan.Zero);
                coming.RemoveAt(0);
            }

            if (random.Next(40) == 0)
            {
                Sequence cancelled = scheduler.Running.Count > 0 ? scheduler.Running[^1] : scheduler.Waiting[^1];
                scheduler.Remove(cancelled);
                removed.Add(cancelled);
                continue;
            }

            StepPlan plan = RunStep(scheduler, runner, batch);
            scheduler.Learn(plan, TimeSpan.FromMilliseconds(random.NextDouble()));
            int held = all.SelectMany(sequence => sequence.Table.Blocks.ToArray()).Distinct().Count();
            Assert.Equal((held, blocks), (pool.Held, pool.Held + pool.Cached + pool.Free));
        }

        Assert.Equal(0, pool.Held);
        foreach (Sequence sequence in all.Where(sequence => !removed.Contains(sequence)))
        {
            Assert.Equal(sequence.MaxLength, sequence.Length);
            int[] expected = FakeModelRunner.Continue(sequence.Tokens[..sequence.PromptLength], sequence.Length - sequence.PromptLength);
            Assert.Equal(expected, sequence.Tokens[sequence.PromptLength..].ToArray());
        }

        return scheduler.Preemptions;
    }

    private static StepPlan RunStep(Scheduler scheduler, FakeModelRunner runner, Batch batch)
    {
        StepPlan plan = scheduler.Plan(TimeSpan.Zero);
        Assert.NotEmpty(plan.Entries);
        batch.Clear();
        foreach (PlannedRows entry in plan.Entries)
        {
            Sequence sequence = entry.Sequence;
            batch.Add(sequence.Tokens.Slice(sequence.Computed, entry.Rows), sequence.Computed, sequence.Table.Blocks, entry.IsLast);
        }

        ReadOnlySpan<float> logits = runner.Run(batch);
        scheduler.Commit(plan);
        int row = 0;
        foreach (PlannedRows entry in plan.Entries.Where(entry => entry.Sequence.Pending == 0))
        {
            ReadOnlySpan<float> mine = logits.Slice(row++ * runner.VocabularySize, runner.VocabularySize);
            entry.Sequence.Append(mine.IndexOf(RowMath.MaxOrNan(mine)));
            if (entry.Sequence.Length == entry.Sequence.MaxLength)
            {
                scheduler.Remove(entry.Sequence);
            }
        }

        return plan;
    }

    private static Sequence RandomSequence(Random random, int arrival, int capacity)
    {
        // Few distinct tokens, so that prefixes are shared.
        int[] prompt = [.. Enumerable.Range(0, random.Next(1, capacity / 2)).Select(_ => random.Next(2))];
        int maxLength = Math.Min(capacity, prompt.Length + random.Next(1, capacity / 2));
        return new Sequence(prompt, maxLength, random.Next(3), arrival, 0, random.Next(4) == 0 ? "other" : "");
    }
}
