using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;

namespace HelixFlow.Benchmarks.Speculation;

/// <summary>
/// A real model that does all its work, and then says what it is told to: speed on a text that a model with random weights would not write.
/// </summary>
/// <remarks>Not thread-safe. The model is the caller's.</remarks>
internal sealed class ScriptedRunner(ModelRunner model) : IModelRunner
{
    private readonly int[] _said = new int[model.MaxBatchRows]; // [logit row]: the token whose logit is set
    private float[] _logits = [];

    /// <summary>By position: what every sequence has there. Empty: the model speaks for itself.</summary>
    public int[] Script { get; set; } = [];

    public int VocabularySize => model.VocabularySize;

    public int HiddenSize => model.HiddenSize;

    public int ContextLength => model.ContextLength;

    public int KvBlocks => model.KvBlocks;

    public int KvBlockSize => model.KvBlockSize;

    public int MaxBatchRows => model.MaxBatchRows;

    public long Progress => model.Progress;

    public ReadOnlySpan<float> States => model.States;

    public ReadOnlySpan<float> Run(Batch batch)
    {
        ReadOnlySpan<float> logits = model.Run(batch);
        if (Script.Length == 0)
        {
            return logits;
        }

        if (_logits.Length < logits.Length)
        {
            _logits = new float[logits.Length];
            _said.AsSpan().Clear();
        }

        for (int i = 0; i < batch.LogitRows.Length; i++)
        {
            Span<float> row = _logits.AsSpan(i * VocabularySize, VocabularySize);
            row[_said[i]] = 0;
            _said[i] = Script[Math.Min(batch.Positions[batch.LogitRows[i]] + 1, Script.Length - 1)];
            row[_said[i]] = 10;
        }

        return _logits.AsSpan(0, logits.Length);
    }

    public void CopyBlock(int source, int destination) => model.CopyBlock(source, destination);

    public void Dispose()
    {
    }
}
