using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>The weights of one decoder layer. Matrices are [outputs, inputs]; the loader owns them.</summary>
internal sealed class DecoderLayer
{
    public DecoderLayer(ModelConfig config, WeightNames names, int index, WeightLoader weights)
    {
        string prefix = $"{names.LayerPrefix}{index}.";
        int hidden = config.Hidden;
        int queryRows = config.Heads * config.HeadSize;
        int kvRows = config.KvHeads * config.HeadSize;

        AttentionNorm = weights.Norm(prefix + names.AttentionNorm, hidden);
        if (config.FusedProjections)
        {
            string fused = prefix + names.QueryKeyValue;
            int fusedRows = queryRows + kvRows + kvRows;
            Query = weights.Part(fused, fusedRows, hidden, 0, queryRows);
            Key = weights.Part(fused, fusedRows, hidden, queryRows, kvRows);
            Value = weights.Part(fused, fusedRows, hidden, queryRows + kvRows, kvRows);
            fused = prefix + names.GateUp;
            Gate = weights.Part(fused, 2 * config.FeedForward, hidden, 0, config.FeedForward);
            Up = weights.Part(fused, 2 * config.FeedForward, hidden, config.FeedForward, config.FeedForward);
        }
        else
        {
            Query = weights.Matrix(prefix + names.Query, queryRows, hidden);
            Key = weights.Matrix(prefix + names.Key, kvRows, hidden);
            Value = weights.Matrix(prefix + names.Value, kvRows, hidden);
            Gate = weights.Matrix(prefix + names.Gate, config.FeedForward, hidden);
            Up = weights.Matrix(prefix + names.Up, config.FeedForward, hidden);
        }

        QueryBias = weights.Bias(config.QkvBias, prefix + names.Query, queryRows);
        KeyBias = weights.Bias(config.QkvBias, prefix + names.Key, kvRows);
        ValueBias = weights.Bias(config.QkvBias, prefix + names.Value, kvRows);
        QueryNorm = config.QueryKeyNorms ? weights.Norm(prefix + names.QueryNorm, config.HeadSize) : null;
        KeyNorm = config.QueryKeyNorms ? weights.Norm(prefix + names.KeyNorm, config.HeadSize) : null;
        AttentionOutput = weights.Matrix(prefix + names.AttentionOutput, hidden, queryRows);
        AttentionOutputBias = weights.Bias(config.OutputBias, prefix + names.AttentionOutput, hidden);
        PostAttentionNorm = config.PostNorms ? weights.Norm(prefix + names.PostAttentionNorm, hidden) : null;

        FeedForwardNorm = weights.Norm(prefix + names.FeedForwardNorm, hidden);
        GateBias = weights.Bias(config.FeedForwardBias, prefix + names.Gate, config.FeedForward);
        UpBias = weights.Bias(config.FeedForwardBias, prefix + names.Up, config.FeedForward);
        Down = weights.Matrix(prefix + names.Down, hidden, config.FeedForward);
        DownBias = weights.Bias(config.FeedForwardBias, prefix + names.Down, hidden);
        PostFeedForwardNorm = config.PostNorms ? weights.Norm(prefix + names.PostFeedForwardNorm, hidden) : null;
    }

    public DeviceWeight AttentionNorm { get; }

    public DeviceWeight Query { get; }

    public DeviceWeight Key { get; }

    public DeviceWeight Value { get; }

    public DeviceWeight? QueryBias { get; }

    public DeviceWeight? KeyBias { get; }

    public DeviceWeight? ValueBias { get; }

    public DeviceWeight? QueryNorm { get; }

    public DeviceWeight? KeyNorm { get; }

    public DeviceWeight AttentionOutput { get; }

    public DeviceWeight? AttentionOutputBias { get; }

    public DeviceWeight? PostAttentionNorm { get; }

    public DeviceWeight FeedForwardNorm { get; }

    public DeviceWeight Gate { get; }

    public DeviceWeight? GateBias { get; }

    public DeviceWeight Up { get; }

    public DeviceWeight? UpBias { get; }

    public DeviceWeight Down { get; }

    public DeviceWeight? DownBias { get; }

    public DeviceWeight? PostFeedForwardNorm { get; }
}
