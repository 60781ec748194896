using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Bench;

/// <summary>What to run: every sequence's prompt is prefilled, then all sequences decode together, greedily.</summary>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Generate">Tokens to generate per sequence; the first comes from the prefill.</param>
/// <param name="Sequences">Sequences that decode together.</param>
internal sealed record EngineBenchPlan(int Prompt, int Generate, int Sequences)
{
    /// <summary>Blocks of the key/value store that the plan needs.</summary>
    public int KvBlocks(int blockSize) => Sequences * ((Prompt + Generate + blockSize - 1) / blockSize);
}

/// <summary>What was measured.</summary>
internal sealed record EngineBenchResult(double PrefillTokensPerSecond, double DecodeTokensPerSecond, int[][] Continuations);

/// <summary>Times a model runner alone: no scheduler, no sampler, no network.</summary>
/// <remarks>
/// The prompts are the ids 100 + (i * 7919 + 31 * sequence) mod min(7000, vocabulary - 200), evaluated in chunks of 512, so that another
/// engine can be given exactly the same work.
/// </remarks>
internal sealed class EngineBench(IModelRunner runner, EngineBenchPlan plan, TimeProvider time)
{
    private const int WarmUpSteps = 24;

    private readonly Batch _batch = new(runner.MaxBatchRows, Math.Max(plan.Sequences, 1));
    private readonly int[][] _blockTables = BlockTables(runner, plan);

    public EngineBenchResult Run()
    {
        // The just-in-time compiler needs some calls of each kind before its code is what runs for the rest of the process.
        Prefill(0, Math.Min(plan.Prompt, 64));
        int[] warm = new int[plan.Sequences];
        for (int step = 0; step < Math.Min(WarmUpSteps, plan.Prompt); step++)
        {
            Decode(warm, step);
        }

        int[][] continuations = new int[plan.Sequences][];
        int[] next = new int[plan.Sequences];
        long start = time.GetTimestamp();
        for (int sequence = 0; sequence < plan.Sequences; sequence++)
        {
            next[sequence] = Prefill(sequence, plan.Prompt);
            continuations[sequence] = new int[plan.Generate];
        }

        TimeSpan prefill = time.GetElapsedTime(start);
        start = time.GetTimestamp();
        for (int step = 0; step < plan.Generate; step++)
        {
            for (int sequence = 0; sequence < plan.Sequences; sequence++)
            {
                continuations[sequence][step] = next[sequence];
            }

            if (step < plan.Generate - 1)
            {
                Decode(next, plan.Prompt + step);
            }
        }

        TimeSpan decode = time.GetElapsedTime(start);
        return new EngineBenchResult(
            plan.Prompt * plan.Sequences / prefill.TotalSeconds,
            plan.Generate > 1 ? (plan.Generate - 1) * plan.Sequences / decode.TotalSeconds : 0,
            continuations);
    }

    private int Prefill(int sequence, int length)
    {
        int modulus = Math.Min(7000, runner.VocabularySize - 200);
        Span<int> tokens = stackalloc int[512];
        int next = 0;
        for (int from = 0; from < length; from += 512)
        {
            int count = Math.Min(Math.Min(512, runner.MaxBatchRows), length - from);
            for (int i = 0; i < count; i++)
            {
                tokens[i] = 100 + (int)((((long)(from + i) * 7919) + (31 * sequence)) % modulus);
            }

            _batch.Clear();
            _batch.Add(tokens[..count], from, _blockTables[sequence], wantLogits: from + count == length);
            ReadOnlySpan<float> logits = runner.Run(_batch);
            if (from + count == length)
            {
                next = Best(logits);
            }
        }

        return next;
    }

    private void Decode(int[] next, int position)
    {
        _batch.Clear();
        for (int sequence = 0; sequence < plan.Sequences; sequence++)
        {
            _batch.Add(next.AsSpan(sequence, 1), position, _blockTables[sequence], wantLogits: true);
        }

        ReadOnlySpan<float> logits = runner.Run(_batch);
        for (int sequence = 0; sequence < plan.Sequences; sequence++)
        {
            next[sequence] = Best(logits.Slice(sequence * runner.VocabularySize, runner.VocabularySize));
        }
    }

    private static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }

    private static int[][] BlockTables(IModelRunner runner, EngineBenchPlan plan)
    {
        int each = plan.KvBlocks(runner.KvBlockSize) / Math.Max(plan.Sequences, 1);
        int[][] tables = new int[plan.Sequences][];
        for (int sequence = 0; sequence < plan.Sequences; sequence++)
        {
            tables[sequence] = [.. Enumerable.Range(sequence * each, each)];
        }

        return tables;
    }
}
