using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>A loaded model on a device, as the engine loop sees it: a batch goes in, logits come out.</summary>
/// <remarks>
/// Not thread-safe but for <see cref="Progress"/>: called by the engine thread only. An interface because tests drive the scheduler with a
/// scripted device.
/// </remarks>
public interface IModelRunner : IDisposable
{
    /// <summary>Entries of a row of logits.</summary>
    int VocabularySize { get; }

    /// <summary>Entries of a hidden state.</summary>
    int HiddenSize { get; }

    /// <summary>Most tokens of one sequence, prompt and output together.</summary>
    int ContextLength { get; }

    /// <summary>Blocks of the key/value store.</summary>
    int KvBlocks { get; }

    /// <summary>Positions per block.</summary>
    int KvBlockSize { get; }

    /// <summary>Most rows and sequences that a batch may have.</summary>
    int MaxBatchRows { get; }

    /// <summary>
    /// Rises while a batch runs, at least once per layer, so that a long step can be told from one that hangs. Never falls. Any thread may read it.
    /// </summary>
    long Progress { get; }

    /// <summary>Runs the batch and returns logits [batch.LogitRows.Length, VocabularySize]; valid until the next call.</summary>
    ReadOnlySpan<float> Run(Batch batch);

    /// <summary>
    /// The hidden states that the latest <see cref="Run"/> was asked for, after the final norm: [batch.StateRows.Length, HiddenSize]; valid until
    /// the next run.
    /// </summary>
    ReadOnlySpan<float> States { get; }

    /// <summary>Copies one block's keys and values to another.</summary>
    void CopyBlock(int source, int destination);
}
