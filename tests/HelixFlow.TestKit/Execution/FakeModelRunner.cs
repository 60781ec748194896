using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;

namespace HelixFlow.TestKit.Execution;

/// <summary>
/// A device whose key/value store holds token ids and whose logits are a hash of the history that it reads back through the block table: a
/// wrong block, position, copy or reuse gives another continuation, or an exception. Hidden states are another hash of the same history.
/// </summary>
public sealed class FakeModelRunner(int blocks, int blockSize = 4, int vocabulary = 64, int contextLength = 512, int maxRows = 64) : IModelRunner
{
    /// <summary>Entries of a hidden state.</summary>
    public const int StateSize = 8;

    private const int Empty = -1;

    private readonly int[] _slots = Fill(new int[blocks * blockSize]); // [block, position]: token
    private readonly long[] _writtenIn = new long[blocks * blockSize]; // [block, position]: step
    private readonly float[] _logits = new float[maxRows * vocabulary];
    private readonly float[] _states = new float[maxRows * StateSize];
    private int _stateCount;
    private int _failures;
    private long _progress;

    public int VocabularySize => vocabulary;

    public int HiddenSize => StateSize;

    public int ContextLength => contextLength;

    public int KvBlocks => blocks;

    public int KvBlockSize => blockSize;

    public int MaxBatchRows => maxRows;

    public long Steps { get; private set; }

    public long Progress => Volatile.Read(ref _progress);

    public ReadOnlySpan<float> States => _states.AsSpan(0, _stateCount * StateSize);

    /// <summary>Called at the start of each step on the engine thread, with the batch.</summary>
    public Action<Batch>? OnStep { get; set; }

    /// <summary>Sequences whose history ends with this token get NaN logits.</summary>
    public int PoisonToken { get; set; } = Empty;

    /// <summary>
    /// Set: the logits depend on the last so many tokens, and on the whole history a little only, so that the device often repeats itself.
    /// </summary>
    public int? Memory { get; set; }

    /// <summary>Pretends that a part of a step was done. To be called while <see cref="OnStep"/> runs.</summary>
    public void Advance() => Volatile.Write(ref _progress, _progress + 1);

    /// <summary>Makes this many of the next steps throw.</summary>
    public void FailNext(int count) => Volatile.Write(ref _failures, count);

    public ReadOnlySpan<float> Run(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Steps++;
        OnStep?.Invoke(batch);
        if (_failures > 0)
        {
            _failures--;
            throw new InvalidOperationException("scripted failure");
        }

        foreach (BatchSequence sequence in batch.Sequences)
        {
            for (int row = sequence.FirstRow; row < sequence.FirstRow + sequence.RowCount; row++)
            {
                int slot = Slot(sequence.BlockTable.Span, batch.Positions[row]);
                if (_writtenIn[slot] == Steps)
                {
                    throw new InvalidOperationException($"two sequences write slot {slot} in step {Steps}");
                }

                _slots[slot] = batch.Tokens[row];
                _writtenIn[slot] = Steps;
            }
        }

        int next = 0;
        _stateCount = 0;
        foreach (BatchSequence sequence in batch.Sequences)
        {
            for (int row = sequence.FirstRow; row < sequence.FirstRow + sequence.RowCount; row++)
            {
                if (batch.StateRows.Contains(row))
                {
                    WriteState(sequence.BlockTable.Span, batch.Positions[row] + 1, _states.AsSpan(_stateCount++ * StateSize, StateSize));
                }
            }

            for (int row = sequence.FirstRow; row < sequence.FirstRow + sequence.RowCount; row++)
            {
                if (batch.LogitRows.Contains(row))
                {
                    WriteLogits(sequence.BlockTable.Span, batch.Positions[row] + 1, _logits.AsSpan(next++ * vocabulary, vocabulary));
                }
            }
        }

        return _logits.AsSpan(0, next * vocabulary);
    }

    public void CopyBlock(int source, int destination) =>
        _slots.AsSpan(source * blockSize, blockSize).CopyTo(_slots.AsSpan(destination * blockSize, blockSize));

    public void Dispose()
    {
    }

    /// <summary>The logits after a text.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="vocabulary">Tokens of the device.</param>
    /// <param name="memory">As <see cref="Memory"/>.</param>
    public static float[] LogitsAfter(ReadOnlySpan<int> text, int vocabulary, int? memory)
    {
        var runner = new FakeModelRunner(blocks: 1, blockSize: text.Length, vocabulary) { Memory = memory };
        text.CopyTo(runner._slots);
        float[] logits = new float[vocabulary];
        runner.WriteLogits([0], text.Length, logits);
        return logits;
    }

    /// <summary>What greedy decoding gives after a prompt.</summary>
    public static int[] Continue(ReadOnlySpan<int> prompt, int tokens, int vocabulary = 64)
    {
        List<int> history = [.. prompt];
        float[] logits = new float[vocabulary];
        for (int i = 0; i < tokens; i++)
        {
            ulong hash = Seed;
            foreach (int token in history)
            {
                hash = Mix(hash, token);
            }

            Expand(hash, logits);
            history.Add(logits.AsSpan().IndexOf(logits.Max()));
        }

        return [.. history.Skip(prompt.Length)];
    }

    /// <summary>The hidden state of the last token of a text.</summary>
    public static float[] StateAfter(ReadOnlySpan<int> text)
    {
        ulong hash = Seed;
        foreach (int token in text)
        {
            hash = Mix(hash, token);
        }

        float[] state = new float[StateSize];
        ExpandState(hash, state);
        return state;
    }

    private const ulong Seed = 0x9E3779B97F4A7C15;

    private void WriteLogits(ReadOnlySpan<int> blockTable, int length, Span<float> logits)
    {
        Expand(HashOf(blockTable, length), logits);
        if (Memory is int memory)
        {
            Repeat(blockTable, length, memory, logits);
        }

        if (_slots[Slot(blockTable, length - 1)] == PoisonToken)
        {
            logits[logits.Length / 2] = float.NaN;
        }
    }

    private void Repeat(ReadOnlySpan<int> blockTable, int length, int memory, Span<float> logits)
    {
        ulong hash = Seed;
        for (int position = Math.Max(0, length - memory); position < length; position++)
        {
            hash = Mix(hash, _slots[Slot(blockTable, position)]);
        }

        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = (logits[i] / 16) + ((Mix(hash, i + 1) >> 40) * (12f / (1 << 24)));
        }
    }

    private void WriteState(ReadOnlySpan<int> blockTable, int length, Span<float> state)
    {
        ExpandState(HashOf(blockTable, length), state);
        if (_slots[Slot(blockTable, length - 1)] == PoisonToken)
        {
            state[^1] = float.PositiveInfinity;
        }
    }

    private ulong HashOf(ReadOnlySpan<int> blockTable, int length)
    {
        ulong hash = Seed;
        for (int position = 0; position < length; position++)
        {
            int token = _slots[Slot(blockTable, position)];
            if (token == Empty)
            {
                throw new InvalidOperationException($"position {position} was never computed");
            }

            hash = Mix(hash, token);
        }

        return hash;
    }

    private int Slot(ReadOnlySpan<int> blockTable, int position) => (blockTable[position / blockSize] * blockSize) + (position % blockSize);

    private static ulong Mix(ulong hash, int token)
    {
        hash = (hash ^ (uint)token) * 0xBF58476D1CE4E5B9;
        return hash ^ (hash >> 29);
    }

    private static void Expand(ulong hash, Span<float> logits)
    {
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = (Mix(hash, i + 1) >> 40) * (6f / (1 << 24)); // [0, 6)
        }
    }

    private static void ExpandState(ulong hash, Span<float> state)
    {
        Expand(Mix(hash, -1), state);
        foreach (ref float value in state)
        {
            value -= 3;
        }
    }

    private static int[] Fill(int[] slots)
    {
        slots.AsSpan().Fill(Empty);
        return slots;
    }
}
