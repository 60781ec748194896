using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>What a model will take on a device, worked out before it is loaded.</summary>
/// <param name="WeightBytes">Its weights, as large as in the file; a tied embedding counts twice, as table and as output matrix.</param>
/// <param name="KvBytes">Its key/value store.</param>
/// <param name="ScratchBytes">Its activations and logits.</param>
public sealed record ModelMemory(long WeightBytes, long KvBytes, long ScratchBytes)
{
    public long TotalBytes => WeightBytes + KvBytes + ScratchBytes;

    /// <summary>Estimates from the file's header; reads no weights.</summary>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, are out of range, or want a type of keys and values that the model cannot have.</exception>
    public static ModelMemory Estimate(ModelFile model, ModelRunnerOptions options)
    {
        long weights = 0;
        foreach (StoredTensor tensor in model.Tensors.Values)
        {
            weights += tensor.SizeBytes;
        }

        if (model.Config.TiedEmbeddings && model.Tensors.TryGetValue($"{model.Names.Embedding}.weight", out StoredTensor? table))
        {
            weights += table.SizeBytes;
        }

        KvLayout kv = LayOutKv(model.Config, options);
        return new ModelMemory(
            weights, kv.Blocks * kv.BlockBytes, DecoderBuffers.SizeBytes(model.Config, options.MaxBatchRows, options.ExpectedSequences));
    }

    /// <summary>The most tokens that a model run with these options takes: its own limit, the options', or what the store holds.</summary>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, are out of range, or want a type of keys and values that the model cannot have.</exception>
    public static int ContextLength(ModelConfig config, ModelRunnerOptions options)
    {
        KvLayout layout = LayOutKv(config, options);
        return (int)Math.Min(Math.Min(config.ContextLength, options.ContextLength ?? int.MaxValue), (long)layout.Blocks * layout.BlockSize);
    }

    /// <summary>The key/value store that the options give a model.</summary>
    internal static KvLayout LayOutKv(ModelConfig config, ModelRunnerOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxBatchRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.ExpectedSequences);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.KvBlockSize);
        var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, options.KvBlocks ?? 0, options.KvBlockSize, options.KvType);
        layout.ThrowIfUnsupported();
        if (options.KvBlocks is { } blocks)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
            return layout;
        }

        long affordable = options.KvBytes / layout.BlockBytes;
        if (affordable < 1)
        {
            throw new ArgumentException(
                $"KvBytes is {options.KvBytes}, but one block of {options.KvBlockSize} positions takes {layout.BlockBytes} bytes", nameof(options));
        }

        // More blocks than full contexts of all expected sequences could never be used.
        long context = Math.Min(config.ContextLength, options.ContextLength ?? int.MaxValue);
        long useful = (context + options.KvBlockSize - 1) / options.KvBlockSize * options.ExpectedSequences;
        return layout with { Blocks = (int)Math.Min(Math.Min(affordable, useful), int.MaxValue) };
    }
}
