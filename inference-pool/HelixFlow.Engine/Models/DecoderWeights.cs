using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>All weights of a decoder, brought to a device or only counted; the loader owns them.</summary>
internal sealed class DecoderWeights
{
    public DecoderWeights(ModelConfig config, WeightNames names, WeightLoader loader)
    {
        Embedding = loader.Table(names.Embedding, config.Vocabulary, config.Hidden);
        Layers = new DecoderLayer[config.Layers];
        for (int i = 0; i < Layers.Length; i++)
        {
            Layers[i] = new DecoderLayer(config, names, i, loader);
        }

        OutputNorm = loader.Norm(names.OutputNorm, config.Hidden);
        Output = loader.Matrix(config.TiedEmbeddings ? names.Embedding : names.Output, config.Vocabulary, config.Hidden);
    }

    public DeviceWeight Embedding { get; }

    public DecoderLayer[] Layers { get; }

    public DeviceWeight OutputNorm { get; }

    public DeviceWeight Output { get; }
}
