using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>
/// An encoder of any supported family, written as calls of backend operations. It runs whole texts: keys and values live for one layer of one batch,
/// in a store of the model's own, and no block is held between batches.
/// </summary>
/// <remarks>
/// Runs on the engine thread only, but for <see cref="Progress"/>. Owns its weights and activation buffers; nothing is allocated per batch.
/// </remarks>
internal sealed class EncoderModel : IDisposable
{
    private readonly EncoderConfig _config;
    private readonly IBackend _backend;
    private readonly WeightLoader _loader;
    private readonly EncoderWeights _weights;
    private readonly EncoderBuffers _buffers;
    private readonly Rope _rope;
    private long _progress;

    /// <summary>Loads a model's weights.</summary>
    /// <param name="model">The model; its mapping must stay open as long as this lives.</param>
    /// <param name="backend">Where to run it.</param>
    /// <param name="maxRows">The most rows of a batch.</param>
    /// <param name="maxSequences">The most texts of a batch.</param>
    /// <param name="progress">Told which share of the weights has been loaded; null for nobody.</param>
    public EncoderModel(ModelFile model, IBackend backend, int maxRows, int maxSequences, IProgress<double>? progress)
    {
        EncoderConfig config = _config = model.Encoder!;
        _backend = backend;
        _rope = config.Rope?.Create(config.HeadSize, config.ContextLength) ?? new Rope(config.HeadSize, RopePairing.Halves, []);
        _loader = new WeightLoader(model, backend, progress);
        try
        {
            _weights = new EncoderWeights(config, model.EncoderNames!, _loader);
            _buffers = new EncoderBuffers(backend, config, maxRows, maxSequences);
        }
        catch
        {
            _loader.Dispose();
            throw;
        }
    }

    /// <summary>Bytes that the weights take on the device, beyond what they share with the file.</summary>
    public long WeightBytes => _loader.SizeBytes;

    /// <inheritdoc cref="DecoderModel.Progress"/>
    public long Progress => Volatile.Read(ref _progress);

    /// <summary>
    /// Runs a batch; the result is valid until the backend's next operation: the final states [outputRows, hidden] of an embedding model, the scores
    /// [outputRows, labels] of one with a head.
    /// </summary>
    /// <param name="batch">Whole texts.</param>
    /// <param name="types">The token type of each row; all below the model's number of types.</param>
    /// <param name="outputRows">The rows whose results are wanted, ascending; at least one.</param>
    public ReadOnlySpan<float> Run(Batch batch, ReadOnlySpan<int> types, ReadOnlySpan<int> outputRows)
    {
        _buffers.SetRows(batch.Rows);
        DeviceTensor state = _buffers.State;
        DeviceTensor scratch = _buffers.Scratch;
        Embed(batch, types, state);
        for (int i = 0; i < _weights.Layers.Length; i++)
        {
            EncoderLayer layer = _weights.Layers[i];
            Attend(layer, batch, state, scratch);
            if (i == _weights.Layers.Length - 1 && outputRows.Length < batch.Rows)
            {
                // From here on every row is on its own, so only the rows that are wanted go on.
                _backend.Gather(state, outputRows, scratch);
                _backend.Gather(_buffers.Attended, outputRows, _buffers.Query);
                _buffers.SwapAttendedAndQuery();
                _buffers.SetRows(outputRows.Length);
                (state, scratch) = (scratch, state);
            }

            Multiply(_buffers.Attended, layer.AttentionOutput, state, accumulate: true);
            Normalise(state, layer.AttentionNorm);
            FeedForward(layer, state, scratch);
            Normalise(state, layer.OutputNorm);
        }

        return _backend.Read(_weights.Head is { } head ? Score(head, state, scratch) : state);
    }

    public void Dispose()
    {
        _buffers.Dispose();
        _loader.Dispose();
    }

    /// <summary>state = norm(tokens + positions + types).</summary>
    private void Embed(Batch batch, ReadOnlySpan<int> types, DeviceTensor state)
    {
        _backend.Embed(_weights.Tokens, batch.Tokens, 1, state);
        if (_weights.Positions is { } positions)
        {
            _backend.Embed(positions, batch.Positions, 1, state, accumulate: true);
        }

        if (_weights.Types is { } table)
        {
            _backend.Embed(table, types, 1, state, accumulate: true);
        }

        Normalise(state, _weights.Norm);
    }

    /// <summary>attended = attention(state), over each text as a whole.</summary>
    private void Attend(EncoderLayer layer, Batch batch, DeviceTensor state, DeviceTensor scratch)
    {
        (DeviceTensor query, DeviceTensor key, DeviceTensor value) = (_buffers.Query, _buffers.Key, _buffers.Value);
        _backend.Project(
            new NormedRows(state, null, 0, scratch),
            [
                new(layer.Query.Weight, layer.Query.Bias, query), new(layer.Key.Weight, layer.Key.Bias, key),
                new(layer.Value.Weight, layer.Value.Bias, value),
            ]);
        Advance();
        _backend.RopeAndStore(query, key, value, _rope, _buffers.Keys, 0, batch);
        var parameters = new AttentionParameters(_config.Heads, 1 / MathF.Sqrt(_config.HeadSize), 0, 0) { SeesAll = true };
        _backend.Attention(query, _buffers.Keys, 0, batch, parameters, _buffers.Attended);
        Advance();
    }

    /// <summary>state += down(activation(up(state))), or with the gate activated and multiplied.</summary>
    private void FeedForward(EncoderLayer layer, DeviceTensor state, DeviceTensor scratch)
    {
        if (layer.Gate is { } gate)
        {
            _backend.ProjectGated(
                new NormedRows(state, null, 0, scratch),
                new(gate.Weight, gate.Bias, _buffers.Inner), new(layer.Up.Weight, layer.Up.Bias, _buffers.Up!), _config.Activation);
            Advance();
        }
        else
        {
            Multiply(state, layer.Up, _buffers.Inner);
            _backend.Activate(_buffers.Inner, _config.Activation);
        }

        Multiply(_buffers.Inner, layer.Down, state, accumulate: true);
    }

    private DeviceTensor Score(EncoderProjection head, DeviceTensor state, DeviceTensor scratch)
    {
        DeviceTensor input = state;
        if (_weights.HeadDense is { } dense)
        {
            Multiply(state, dense, scratch);
            _backend.Activate(scratch, Activation.Tanh);
            input = scratch;
        }

        DeviceTensor scores = _buffers.Scores!;
        scores.Rows = input.Rows;
        Multiply(input, head, scores);
        return scores;
    }

    private void Normalise(DeviceTensor state, LayerNorm norm) => _backend.LayerNorm(state, norm.Weight, norm.Bias, _config.NormEpsilon, state);

    private void Multiply(DeviceTensor input, EncoderProjection projection, DeviceTensor output, bool accumulate = false)
    {
        _backend.Linear(input, projection.Weight, projection.Bias, output, accumulate);
        Advance();
    }

    private void Advance() => Volatile.Write(ref _progress, _progress + 1); // one writer
}
