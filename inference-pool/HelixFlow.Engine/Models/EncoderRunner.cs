using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>A loaded encoder on one device: whole texts go in, vectors or scores come out.</summary>
/// <remarks>
/// Not thread-safe but for <see cref="Progress"/>: called by the engine thread only. Owns the backend and the model file it is given, since weights may
/// share the file's pages: disposing it disposes both. Everything is allocated when it is created; a batch allocates nothing.
/// </remarks>
public sealed class EncoderRunner : IDisposable
{
    /// <summary>The most texts of a batch: a batch of one-word texts still fills the usual number of rows.</summary>
    public const int MaxSequences = 128;

    private readonly IBackend _backend;
    private readonly ModelFile _file;
    private readonly EncoderModel _model;
    private readonly Batch _batch;
    private readonly int[] _types;      // of each row
    private readonly int[] _outputRows; // whose results are wanted
    private readonly int[] _blocks;     // 0, 1, 2, …
    private int _blocksUsed;
    private int _outputs;

    /// <summary>Loads the model. What is passed is disposed when loading fails, too.</summary>
    /// <exception cref="ModelFormatException">A weight is missing or has the wrong shape, or the model is no encoder.</exception>
    public EncoderRunner(ModelFile file, IBackend backend, ModelRunnerOptions options)
    {
        _file = file;
        _backend = backend;
        try
        {
            Config = file.Encoder ?? throw new ModelFormatException(file.Path, null, "is a decoder; an encoder is expected");
            ContextLength = Math.Min(Config.ContextLength, options.ContextLength ?? int.MaxValue);
            BatchRows = options.MaxBatchRows;
            int rows = MaxRows(file.Encoder, options);
            _model = new EncoderModel(file, backend, rows, MaxSequences, options.LoadProgress);
            _batch = new Batch(rows, MaxSequences);
            _types = new int[rows];
            _outputRows = new int[rows];
            _blocks = [.. Enumerable.Range(0, EncoderBuffers.BlocksOf(rows) + MaxSequences)];
        }
        catch
        {
            _model?.Dispose();
            backend.Dispose();
            file.Dispose();
            throw;
        }
    }

    public EncoderConfig Config { get; }

    /// <summary>The most tokens of a text, special ones included.</summary>
    public int ContextLength { get; }

    /// <summary>The rows that a batch of several texts should have at most; a longer text is a batch of its own.</summary>
    public int BatchRows { get; }

    /// <summary>Values of a result: the hidden size, or the number of scores.</summary>
    public int ResultSize => Config.Labels > 0 ? Config.Labels : Config.Hidden;

    /// <inheritdoc cref="IModelRunner.Progress"/>
    public long Progress => _model.Progress;

    /// <summary>Bytes that the weights take on the device, beyond what they share with the file.</summary>
    public long WeightBytes => _model.WeightBytes;

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        _batch.Clear();
        _blocksUsed = _outputs = 0;
    }

    /// <summary>Adds a text to the batch, for which there must be room.</summary>
    /// <param name="tokens">1 to <see cref="ContextLength"/> token ids.</param>
    /// <param name="secondText">The first token of the second text of a pair; as many as there are tokens for a single text.</param>
    /// <param name="pooling">Which states are wanted; a model with a head takes the first token's whatever is said.</param>
    /// <returns>How many results the text has.</returns>
    /// <exception cref="ArgumentException">There are no tokens or too many, or a token is not in the vocabulary.</exception>
    public int Add(ReadOnlySpan<int> tokens, int secondText, Pooling pooling)
    {
        if (tokens.Length < 1 || tokens.Length > ContextLength)
        {
            throw new ArgumentException($"the text has {tokens.Length} tokens; 1 to {ContextLength} are possible", nameof(tokens));
        }

        // A bad id would be read as memory outside the embedding table.
        if (tokens.IndexOfAnyExceptInRange(0, Config.Vocabulary - 1) is var bad && bad >= 0)
        {
            throw new ArgumentException($"token {tokens[bad]} at {bad} is not in the vocabulary of {Config.Vocabulary}", nameof(tokens));
        }

        int first = _batch.Rows;
        int blocks = EncoderBuffers.BlocksOf(tokens.Length);
        _batch.Add(tokens, 0, _blocks.AsMemory(_blocksUsed, blocks), wantLogits: false);
        _blocksUsed += blocks;
        _types.AsSpan(first, secondText).Clear();
        _types.AsSpan(first + secondText, tokens.Length - secondText).Fill(Config.TokenTypes > 1 ? 1 : 0);

        (int from, int count) = (Config.Labels > 0 ? Pooling.First : pooling) switch
        {
            Pooling.Mean => (first, tokens.Length),
            Pooling.Last => (first + tokens.Length - 1, 1),
            _ => (first, 1),
        };
        for (int row = from; row < from + count; row++)
        {
            _outputRows[_outputs++] = row;
        }

        return count;
    }

    /// <summary>Runs the batch, which must have a text; the result [results of all texts, <see cref="ResultSize"/>] is valid until the next call.</summary>
    public ReadOnlySpan<float> Run() => _model.Run(_batch, _types.AsSpan(0, _batch.Rows), _outputRows.AsSpan(0, _outputs));

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
        _file.Dispose();
    }

    /// <summary>The most rows of a batch: the usual number, or one text of the greatest length.</summary>
    internal static int MaxRows(EncoderConfig config, ModelRunnerOptions options) =>
        Math.Max(options.MaxBatchRows, Math.Min(config.ContextLength, options.ContextLength ?? int.MaxValue));
}
