using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>A loaded model with its key/value store on one device.</summary>
/// <remarks>
/// Owns the backend and the model file it is given, since weights may share the file's pages: disposing it disposes both. Everything is
/// allocated when it is created (logits and states when a batch first wants more rows of them than any before); a step allocates nothing.
/// </remarks>
public sealed class ModelRunner : IModelRunner
{
    private readonly IBackend _backend;
    private readonly ModelFile _file;
    private readonly DecoderModel _model;
    private readonly DeviceKvStore _kv;

    /// <summary>Loads the model. What is passed is disposed when loading fails, too.</summary>
    /// <exception cref="ModelFormatException">A weight is missing or has the wrong shape.</exception>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, or are out of range.</exception>
    public ModelRunner(ModelFile file, IBackend backend, ModelRunnerOptions options)
    {
        _file = file;
        _backend = backend;
        Config = file.Config;
        MaxBatchRows = options.MaxBatchRows;
        try
        {
            KvLayout layout = ModelMemory.LayOutKv(file.Config, options);
            KvBlocks = layout.Blocks;
            KvBlockSize = layout.BlockSize;
            ContextLength = ModelMemory.ContextLength(file.Config, options);
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ContextLength, nameof(options));
            _model = new DecoderModel(file, backend, options.MaxBatchRows, ContextLength, options.LoadProgress);
            _kv = backend.AllocateKv(layout);
        }
        catch
        {
            _model?.Dispose();
            backend.Dispose();
            file.Dispose();
            throw;
        }
    }

    public ModelConfig Config { get; }

    /// <inheritdoc/>
    public int VocabularySize => Config.Vocabulary;

    /// <inheritdoc/>
    public int HiddenSize => Config.Hidden;

    /// <inheritdoc/>
    public int ContextLength { get; }

    /// <inheritdoc/>
    public int KvBlocks { get; }

    /// <inheritdoc/>
    public int KvBlockSize { get; }

    /// <inheritdoc/>
    public int MaxBatchRows { get; }

    /// <inheritdoc/>
    public long Progress => _model.Progress;

    /// <inheritdoc/>
    public ReadOnlySpan<float> States => _model.States;

    /// <summary>Bytes that the weights take on the device, beyond what they share with the file.</summary>
    public long WeightBytes => _model.WeightBytes;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The batch has no rows or too many, or a token that is not in the vocabulary.</exception>
    public ReadOnlySpan<float> Run(Batch batch)
    {
        if (batch.Rows < 1 || batch.Rows > MaxBatchRows)
        {
            throw new ArgumentException($"the batch has {batch.Rows} rows; 1 to {MaxBatchRows} are possible", nameof(batch));
        }

        // A bad id would be read as memory outside the embedding table.
        if (batch.Tokens.IndexOfAnyExceptInRange(0, VocabularySize - 1) is var bad && bad >= 0)
        {
            throw new ArgumentException($"token {batch.Tokens[bad]} of row {bad} is not in the vocabulary of {VocabularySize}", nameof(batch));
        }

        return _model.Run(batch, _kv);
    }

    /// <inheritdoc/>
    public void CopyBlock(int source, int destination) => _backend.CopyBlock(_kv, source, destination);

    public void Dispose()
    {
        _model.Dispose();
        _kv.Dispose();
        _backend.Dispose();
        _file.Dispose();
    }
}
