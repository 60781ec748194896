using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>What a model makes the machine do, counted from its tensors: the bridge from tokens per second to GB/s and GOPS.</summary>
/// <param name="WeightBytes">Bytes of weights that a step reads, whatever the number of its sequences.</param>
/// <param name="KvBytesPerPosition">Bytes of keys and values that a step reads for each position of each sequence, as they are stored.</param>
/// <param name="LayerWeights">Weights that every token multiplies and adds.</param>
/// <param name="OutputWeights">Weights that only tokens whose logits are wanted multiply and add.</param>
/// <param name="IsQuantised">Whether the products are those of bytes, so that the byte ceiling is the one to compare with.</param>
internal sealed record EngineWork(long WeightBytes, long KvBytesPerPosition, long LayerWeights, long OutputWeights, bool IsQuantised)
{
    /// <summary>Counts a model's work when it is loaded so: with weights as they are rounded, and keys and values as they are stored.</summary>
    public static EngineWork Of(ModelFile file, EngineRoom room)
    {
        CpuBackendOptions backend = room.Backend;
        long bytes = 0;
        long quantised = 0;
        long layers = 0;
        long output = 0;
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            long weights = (long)tensor.Rows * tensor.Columns;
            TensorType type = backend.TypeOf(tensor);
            long sizeBytes = tensor.Rows * type.RowBytes(tensor.Columns);
            if (tensor.Name is "token_embd.weight" or "model.embed_tokens.weight")
            {
                // An untied table is only looked up.
                bytes += file.Config.TiedEmbeddings ? sizeBytes : 0;
                output += file.Config.TiedEmbeddings ? weights : 0;
                continue;
            }

            bytes += sizeBytes;
            quantised += type.BlockElements() > 1 ? weights : 0;
            if (tensor.Name is "output.weight" or "lm_head.weight")
            {
                output += weights;
            }
            else
            {
                layers += weights;
            }
        }

        var position = new KvLayout(file.Config.Layers, file.Config.KvHeads, file.Config.HeadSize, 1, 1, room.KvType);
        return new EngineWork(bytes, 2L * position.Layers * position.KvHeads * position.HeadBytes, layers, output, 2 * quantised > layers);
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
