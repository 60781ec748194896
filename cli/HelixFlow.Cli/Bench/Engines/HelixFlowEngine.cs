using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>A model runner alone: no scheduler, no sampler, no network. Owns the runner.</summary>
internal sealed class HelixFlowEngine : IMeasuredEngine
{
    private const int Chunk = 512;

    private readonly IModelRunner _runner;
    private readonly Batch _batch;
    private readonly int[][] _blockTables;

    public HelixFlowEngine(IModelRunner runner, EngineRoom room)
    {
        _runner = runner;
        _batch = new Batch(runner.MaxBatchRows, room.Sequences);
        int blocks = Blocks(room.Length, runner.KvBlockSize);
        _blockTables = [.. Enumerable.Range(0, room.Sequences).Select(sequence => Enumerable.Range(sequence * blocks, blocks).ToArray())];
    }

    public int VocabularySize => _runner.VocabularySize;

    /// <summary>Loads a model with room for the measurement.</summary>
    /// <exception cref="BenchException">The model's context is too short.</exception>
    /// <exception cref="ArgumentException">The model cannot have its keys and values stored so.</exception>
    public static HelixFlowEngine Load(ModelFile file, EngineRoom room, IProgress<double>? progress = null)
    {
        if (file.Config.ContextLength < room.Length)
        {
            int longest = file.Config.ContextLength;
            file.Dispose();
            throw new BenchException($"the model's context has {longest} tokens, but prompt and output together take {room.Length}: give a smaller --prompt or --generate");
        }

        // Every sequence has blocks of its own.
        var options = new ModelRunnerOptions { ExpectedSequences = room.Sequences, KvType = room.KvType, LoadProgress = progress };
        options = options with { KvBlocks = room.Sequences * Blocks(room.Length, options.KvBlockSize), MaxBatchRows = Math.Max(options.MaxBatchRows, room.Sequences) };
        return new HelixFlowEngine(new ModelRunner(file, new CpuBackend(room.Backend), options), room);
    }

    public int Prefill(int sequence, ReadOnlySpan<int> tokens)
    {
        for (int from = 0; ; from += Chunk)
        {
            int count = Math.Min(Math.Min(Chunk, _runner.MaxBatchRows), tokens.Length - from);
            bool last = from + count == tokens.Length;
            _batch.Clear();
            _batch.Add(tokens.Slice(from, count), from, _blockTables[sequence], wantLogits: last);
            ReadOnlySpan<float> logits = _runner.Run(_batch);
            if (last)
            {
                return GreedyToken.Of(logits);
            }
        }
    }

    public void Step(Span<int> next, int position)
    {
        _batch.Clear();
        for (int sequence = 0; sequence < next.Length; sequence++)
        {
            _batch.Add(next.Slice(sequence, 1), position, _blockTables[sequence], wantLogits: true);
        }

        ReadOnlySpan<float> logits = _runner.Run(_batch);
        for (int sequence = 0; sequence < next.Length; sequence++)
        {
            next[sequence] = GreedyToken.Of(logits.Slice(sequence * VocabularySize, VocabularySize));
        }
    }

    /// <summary>Nothing is to be done: what a sequence holds behind the position that is run is not looked at, and is overwritten.</summary>
    public void Rewind(int sequence, int position)
    {
    }

    public void Dispose() => _runner.Dispose();

    private static int Blocks(int length, int blockSize) => (length + blockSize - 1) / blockSize;
}
