using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;

namespace HelixFlow.TestKit.Models;

/// <summary>Runs sequences on a model runner without a scheduler: each has its own blocks, scattered over the store.</summary>
public sealed class RunnerSession
{
    private readonly IModelRunner _runner;
    private readonly Batch _batch;
    private readonly int[][] _blockTables;

    public RunnerSession(IModelRunner runner, int sequences = 1)
    {
        _runner = runner;
        _batch = new Batch(runner.MaxBatchRows, sequences);
        int blocks = runner.KvBlocks / sequences;
        _blockTables = [.. Enumerable.Range(0, sequences).Select(s => Enumerable.Range(0, blocks).Select(i => ((blocks - 1 - i) * sequences) + s).ToArray())];
    }

    public int Sequences => _blockTables.Length;

    /// <summary>Runs the next tokens of a sequence in chunks and returns the logits after the last.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="firstPosition">The position of the first of them.</param>
    /// <param name="sequence">The sequence, from 0.</param>
    /// <param name="chunk">The most tokens of a batch.</param>
    public ReadOnlySpan<float> Evaluate(scoped ReadOnlySpan<int> tokens, int firstPosition, int sequence = 0, int chunk = 512)
    {
        ReadOnlySpan<float> logits = [];
        for (int i = 0; i < tokens.Length; i += chunk)
        {
            int count = Math.Min(chunk, tokens.Length - i);
            _batch.Clear();
            _batch.Add(tokens.Slice(i, count), firstPosition + i, _blockTables[sequence], wantLogits: i + count == tokens.Length);
            logits = _runner.Run(_batch);
        }

        return logits;
    }

    /// <summary>Runs parts of several sequences in one batch and returns the logits after the last token of each.</summary>
    /// <param name="parts">For each sequence from 0 its next tokens and the position of the first of them.</param>
    public ReadOnlySpan<float> EvaluateTogether(params IReadOnlyList<(int[] Tokens, int FirstPosition)> parts)
    {
        _batch.Clear();
        for (int s = 0; s < parts.Count; s++)
        {
            _batch.Add(parts[s].Tokens, parts[s].FirstPosition, _blockTables[s], wantLogits: true);
        }

        return _runner.Run(_batch);
    }

    /// <summary>The most likely tokens after a prompt, each fed back.</summary>
    public int[] Continue(ReadOnlySpan<int> prompt, int count, int sequence = 0, int chunk = 512)
    {
        var continuation = new int[count];
        ReadOnlySpan<float> logits = Evaluate(prompt, 0, sequence, chunk);
        for (int i = 0; i < count; i++)
        {
            continuation[i] = IndexOfMax(logits);
            if (i < count - 1)
            {
                logits = Evaluate([continuation[i]], prompt.Length + i, sequence);
            }
        }

        return continuation;
    }

    public static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best])
            {
                best = i;
            }
        }

        return best;
    }
}
