using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>What a model makes the machine do, counted from its tensors: the bridge from tokens per second to GB/s and GOPS.</summary>
/// <param name="WeightBytes">Bytes of weights that a step reads, whatever the number of its sequences.</param>
/// <param name="KvBytesPerPosition">Bytes of keys and values that a step reads for each position of each sequence; float16.</param>
/// <param name="LayerWeights">Weights that every token multiplies and adds.</param>
/// <param name="OutputWeights">Weights that only tokens whose logits are wanted multiply and add.</param>
/// <param name="IsQuantised">Whether the products are those of bytes, so that the byte ceiling is the one to compare with.</param>
internal sealed record EngineWork(long WeightBytes, long KvBytesPerPosition, long LayerWeights, long OutputWeights, bool IsQuantised)
{
    public static EngineWork Of(ModelFile file)
    {
        long bytes = 0;
        long layers = 0;
        long output = 0;
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            long weights = (long)tensor.Rows * tensor.Columns;
            if (tensor.Name is "token_embd.weight" or "model.embed_tokens.weight")
            {
                // An untied table is only looked up.
                bytes += file.Config.TiedEmbeddings ? tensor.SizeBytes : 0;
                output += file.Config.TiedEmbeddings ? weights : 0;
                continue;
            }

            bytes += tensor.SizeBytes;
            if (tensor.Name is "output.weight" or "lm_head.weight")
            {
                output += weights;
            }
            else
            {
                layers += weights;
            }
        }

        long kv = (long)file.Config.Layers * file.Config.KvHeads * file.Config.HeadSize * 2 * 2;
        return new EngineWork(bytes, kv, layers, output, file.WeightType is not (TensorType.F32 or TensorType.F16 or TensorType.BF16));
    }

    /// <summary>Billions of operations a second of a prefill rate, two for each weight.</summary>
    public double PrefillGops(double tokensPerSecond) => tokensPerSecond * 2 * LayerWeights / 1e9;

    /// <summary>Billions of operations a second of a decoding rate, two for each weight.</summary>
    public double DecodeGops(double tokensPerSecond) => tokensPerSecond * 2 * (LayerWeights + OutputWeights) / 1e9;

    /// <summary>Gigabytes a second that decoding reads: the weights once a step, and every sequence's keys and values.</summary>
    /// <param name="tokensPerSecond">The rate of all sequences together.</param>
    /// <param name="sequences">How many they are.</param>
    /// <param name="meanContext">Positions that each holds, on average over the steps.</param>
    public double DecodeGigabytes(double tokensPerSecond, int sequences, double meanContext) =>
        tokensPerSecond / sequences * (WeightBytes + (sequences * meanContext * KvBytesPerPosition)) / 1e9;
}
