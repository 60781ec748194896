using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>All weights of an encoder, brought to a device or only counted; the loader owns them.</summary>
internal sealed class EncoderWeights
{
    public EncoderWeights(EncoderConfig config, EncoderNames names, WeightLoader loader)
    {
        int hidden = config.Hidden;
        Tokens = loader.Table(names.Tokens, config.Vocabulary, hidden);
        Positions = config.Rope is null
            ? loader.TablePart(names.Positions, config.PositionRows, hidden, config.FirstPosition, config.ContextLength)
            : null;
        Types = config.TokenTypes > 0 ? loader.Table(names.Types, config.TokenTypes, hidden) : null;
        Norm = new LayerNorm(names.EmbeddingNorm, hidden, loader);
        Layers = new EncoderLayer[config.Layers];
        for (int i = 0; i < Layers.Length; i++)
        {
            Layers[i] = new EncoderLayer(config, names, $"{names.LayerPrefix}{i}.", loader);
        }

        if (config.Labels > 0)
        {
            HeadDense = config.HeadDense ? new EncoderProjection(names.HeadDense, hidden, hidden, hasBias: true, loader) : null;
            Head = new EncoderProjection(names.HeadOutput, config.Labels, hidden, hasBias: true, loader);
        }
    }

    public DeviceWeight Tokens { get; }

    public DeviceWeight? Positions { get; }

    public DeviceWeight? Types { get; }

    public LayerNorm Norm { get; }

    public EncoderLayer[] Layers { get; }

    public EncoderProjection? HeadDense { get; }

    public EncoderProjection? Head { get; }
}

/// <summary>The weights of one encoder layer. Matrices are [outputs, inputs].</summary>
internal sealed class EncoderLayer
{
    public EncoderLayer(EncoderConfig config, EncoderNames names, string prefix, WeightLoader loader)
    {
        int hidden = config.Hidden;
        if (config.FusedProjections)
        {
            string fused = prefix + names.QueryKeyValue;
            Query = new EncoderProjection(loader.Part(fused, 3 * hidden, hidden, 0, hidden), null);
            Key = new EncoderProjection(loader.Part(fused, 3 * hidden, hidden, hidden, hidden), null);
            Value = new EncoderProjection(loader.Part(fused, 3 * hidden, hidden, 2 * hidden, hidden), null);
        }
        else
        {
            Query = new EncoderProjection(prefix + names.Query, hidden, hidden, config.Biases, loader);
            Key = new EncoderProjection(prefix + names.Key, hidden, hidden, config.Biases, loader);
            Value = new EncoderProjection(prefix + names.Value, hidden, hidden, config.Biases, loader);
        }

        AttentionOutput = new EncoderProjection(prefix + names.AttentionOutput, hidden, hidden, config.Biases, loader);
        AttentionNorm = new LayerNorm(prefix + names.AttentionNorm, hidden, loader);
        Gate = config.Gated ? new EncoderProjection(prefix + names.Gate, config.FeedForward, hidden, config.Biases, loader) : null;
        Up = new EncoderProjection(prefix + names.Up, config.FeedForward, hidden, config.Biases, loader);
        Down = new EncoderProjection(prefix + names.Down, hidden, config.FeedForward, config.Biases, loader);
        OutputNorm = new LayerNorm(prefix + names.OutputNorm, hidden, loader);
    }

    public EncoderProjection Query { get; }

    public EncoderProjection Key { get; }

    public EncoderProjection Value { get; }

    public EncoderProjection AttentionOutput { get; }

    public LayerNorm AttentionNorm { get; }

    public EncoderProjection? Gate { get; }

    public EncoderProjection Up { get; }

    public EncoderProjection Down { get; }

    public LayerNorm OutputNorm { get; }
}

/// <summary>A matrix [outputs, inputs] with its bias, if it has one.</summary>
internal sealed record EncoderProjection(DeviceWeight Weight, DeviceWeight? Bias)
{
    public EncoderProjection(string name, int rows, int columns, bool hasBias, WeightLoader loader)
        : this(loader.Matrix(name, rows, columns), loader.Bias(hasBias, name, rows))
    {
    }
}

/// <summary>The weight and the bias of a norm over rows.</summary>
internal sealed record LayerNorm(DeviceWeight Weight, DeviceWeight Bias)
{
    public LayerNorm(string name, int length, WeightLoader loader)
        : this(loader.Norm(name, length), loader.Bias(true, name, length)!)
    {
    }
}
