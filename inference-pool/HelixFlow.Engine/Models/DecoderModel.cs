using System.Numerics;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>
/// A decoder of any supported family, written as calls of backend operations: it reads like its paper, with the families' differences as
/// flags of the configuration.
/// </summary>
/// <remarks>
/// Runs on the engine thread only, but for <see cref="Progress"/>. Owns its weights and activation buffers; nothing is allocated per step.
/// </remarks>
internal sealed class DecoderModel : IDisposable
{
    private readonly ModelConfig _config;
    private readonly IBackend _backend;
    private readonly WeightLoader _weights;
    private readonly DeviceWeight _embedding;
    private readonly DecoderLayer[] _layers;
    private readonly DeviceWeight _outputNorm;
    private readonly DeviceWeight _output;
    private readonly Rope _rope;
    private readonly Rope _localRope;
    private readonly DecoderBuffers _buffers;
    private float[] _states = []; // [state row, hidden], of the latest run
    private int _stateCount;
    private long _progress;

    /// <summary>Loads a model's weights.</summary>
    /// <param name="model">The model; its mapping must stay open as long as this lives.</param>
    /// <param name="backend">Where to run it.</param>
    /// <param name="maxRows">The most rows of a batch.</param>
    /// <param name="contextLength">The longest sequence that will be run.</param>
    /// <param name="progress">Told which share of the weights has been loaded; null for nobody.</param>
    public DecoderModel(ModelFile model, IBackend backend, int maxRows, int contextLength, IProgress<double>? progress)
    {
        ModelConfig config = _config = model.Config;
        _backend = backend;
        _rope = config.Rope.Create(config.HeadSize, contextLength);
        _localRope = config.LocalRope == config.Rope ? _rope : config.LocalRope.Create(config.HeadSize, contextLength);
        _weights = new WeightLoader(model, backend, progress);
        try
        {
            var weights = new DecoderWeights(config, model.Names, _weights);
            (_embedding, _layers, _outputNorm, _output) = (weights.Embedding, weights.Layers, weights.OutputNorm, weights.Output);

            // After the weights: these have proved that the sizes are real.
            _buffers = new DecoderBuffers(backend, config, maxRows);
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    /// <summary>Bytes that the weights take on the device, beyond what they share with the file.</summary>
    public long WeightBytes => _weights.SizeBytes;

    /// <summary>
    /// Matrix products and attentions done: steps of a big model on a slow machine take longer than anyone wants to wait for a sign of life.
    /// </summary>
    public long Progress => Volatile.Read(ref _progress);

    /// <summary>Hidden states after the final norm [batch.StateRows.Length, hidden] of the latest run.</summary>
    public ReadOnlySpan<float> States => _states.AsSpan(0, _stateCount * _config.Hidden);

    /// <summary>Runs a batch and returns logits [batch.LogitRows.Length, vocabulary], valid until the next operation of the backend.</summary>
    public ReadOnlySpan<float> Run(Batch batch, DeviceKvStore kv)
    {
        _buffers.SetRows(batch.Rows);
        _stateCount = 0;
        DeviceTensor state = _buffers.State;
        DeviceTensor scratch = _buffers.Scratch;

        _backend.Embed(_embedding, batch.Tokens, _config.EmbeddingScale, state);
        for (int i = 0; i < _layers.Length; i++)
        {
            Attend(_layers[i], i, state, scratch, kv, batch);
            if (i == _layers.Length - 1)
            {
                // From here on every row is on its own, so only the rows that are wanted go on.
                if (batch.OutputRows.IsEmpty)
                {
                    return [];
                }

                PickOutputRows(batch.OutputRows, state, scratch);
                (state, scratch) = (scratch, state);
            }

            AddAttention(_layers[i], state, scratch);
            AddFeedForward(_layers[i], state, scratch);
        }

        _backend.RmsNorm(state, _outputNorm, _config.NormEpsilon, scratch);
        KeepStates(batch, scratch);
        if (batch.LogitRows.IsEmpty)
        {
            return [];
        }

        DeviceTensor logits = _buffers.Logits(batch.LogitRows.Length);
        Multiply(scratch, _output, null, logits);
        if (_config.FinalSoftCap > 0)
        {
            _backend.ScaleAndCap(logits, 1, _config.FinalSoftCap);
        }

        return _backend.Read(logits);
    }

    public void Dispose()
    {
        _buffers.Dispose();
        _weights.Dispose();
    }

    /// <summary>attended = attention(norm(state)); keys and values go to the cache.</summary>
    private void Attend(DecoderLayer layer, int index, DeviceTensor state, DeviceTensor scratch, DeviceKvStore kv, Batch batch)
    {
        (DeviceTensor query, DeviceTensor key, DeviceTensor value) = (_buffers.Query, _buffers.Key, _buffers.Value);

        _backend.Project(
            new NormedRows(state, layer.AttentionNorm, _config.NormEpsilon, scratch),
            [new(layer.Query, layer.QueryBias, query), new(layer.Key, layer.KeyBias, key), new(layer.Value, layer.ValueBias, value)]);
        Advance();
        if (layer.QueryNorm is not null && layer.KeyNorm is not null)
        {
            _backend.RmsNorm(query, layer.QueryNorm, _config.NormEpsilon, query);
            _backend.RmsNorm(key, layer.KeyNorm, _config.NormEpsilon, key);
        }

        _backend.RopeAndStore(query, key, value, _config.IsLocal(index) ? _localRope : _rope, kv, index, batch);
        var parameters = new AttentionParameters(_config.Heads, _config.AttentionScale, _config.AttentionSoftCap, _config.Windows[index]);
        _backend.Attention(query, kv, index, batch, parameters, _buffers.Attended);
        Advance();
    }

    /// <summary>state += output projection of attended.</summary>
    private void AddAttention(DecoderLayer layer, DeviceTensor state, DeviceTensor scratch) =>
        AddProjection(_buffers.Attended, layer.AttentionOutput, layer.AttentionOutputBias, layer.PostAttentionNorm, state, scratch);

    /// <summary>state += down(activation(gate(norm(state))) * up(norm(state))).</summary>
    private void AddFeedForward(DecoderLayer layer, DeviceTensor state, DeviceTensor scratch)
    {
        var gate = new Projection(layer.Gate, layer.GateBias, _buffers.Gate);
        var up = new Projection(layer.Up, layer.UpBias, _buffers.Up);

        _backend.ProjectGated(new NormedRows(state, layer.FeedForwardNorm, _config.NormEpsilon, scratch), gate, up, _config.Activation);
        Advance();
        AddProjection(gate.Output, layer.Down, layer.DownBias, layer.PostFeedForwardNorm, state, scratch);
    }

    /// <summary>state += projection of input, normalised first where the family does so.</summary>
    private void AddProjection(
        DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceWeight? postNorm, DeviceTensor state, DeviceTensor scratch)
    {
        if (postNorm is null)
        {
            Multiply(input, weight, bias, state, accumulate: true);
            return;
        }

        Multiply(input, weight, bias, scratch);
        _backend.AddNormed(state, scratch, postNorm, _config.NormEpsilon);
    }

    private void Multiply(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false)
    {
        _backend.Linear(input, weight, bias, output, accumulate);
        Advance();
    }

    private void Advance() => Volatile.Write(ref _progress, _progress + 1); // one writer

    /// <summary>Leaves the wanted rows of the state in <paramref name="picked"/>, and of attended in its place.</summary>
    private void PickOutputRows(ReadOnlySpan<int> rows, DeviceTensor state, DeviceTensor picked)
    {
        _backend.Gather(state, rows, picked);
        _backend.Gather(_buffers.Attended, rows, _buffers.Query);
        _buffers.SwapAttendedAndQuery();
        _buffers.SetRows(rows.Length);
    }

    /// <summary>Copies the wanted states, which are the last rows of the norm, and leaves the rows for logits in it.</summary>
    private void KeepStates(Batch batch, DeviceTensor normed)
    {
        int count = batch.StateRows.Length;
        if (count == 0)
        {
            return;
        }

        int size = count * _config.Hidden;
        if (_states.Length < size)
        {
            _states = new float[(int)Math.Min(BitOperations.RoundUpToPowerOf2((uint)count), batch.MaxRows) * _config.Hidden];
        }

        _backend.Read(normed)[^size..].CopyTo(_states);
        _stateCount = count;
        normed.Rows = batch.LogitRows.Length;
    }
}
