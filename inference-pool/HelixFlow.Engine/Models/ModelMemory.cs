using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>What a model will take on a device, worked out before it is loaded.</summary>
/// <param name="WeightBytes">Its weights, in the layouts that the device gives them.</param>
/// <param name="MappedBytes">Weights that are used where they lie in the mapped file.</param>
/// <param name="KvBytes">Its key/value store.</param>
/// <param name="ScratchBytes">At most so many for activations, logits and whatever operations take beside them.</param>
public sealed record ModelMemory(long WeightBytes, long MappedBytes, long KvBytes, long ScratchBytes)
{
    public long TotalBytes => WeightBytes + MappedBytes + KvBytes + ScratchBytes;

    /// <summary>Works it out from the file's header, for a device that stores weights as the file does; reads no weights.</summary>
    /// <inheritdoc cref="Of(ModelFile, ModelRunnerOptions, DeviceFootprint)"/>
    public static ModelMemory Of(ModelFile model, ModelRunnerOptions options) => Of(model, options, DeviceFootprint.AsStored());

    /// <summary>Works it out from the file's header; reads no weights.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How it will run.</param>
    /// <param name="device">Where; a new footprint.</param>
    /// <exception cref="ModelFormatException">A weight is missing or has the wrong shape.</exception>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, are out of range, or want a type of keys and values that the model cannot have.</exception>
    public static ModelMemory Of(ModelFile model, ModelRunnerOptions options, DeviceFootprint device)
    {
        using var loader = new WeightLoader(model, device, progress: null);
        if (model.Encoder is { } encoder)
        {
            return OfEncoder(encoder, model.EncoderNames!, options, device, loader);
        }

        _ = new DecoderWeights(model.Config, model.Names, loader);
        KvLayout kv = LayOutKv(model.Config, options);
        long buffers = DecoderBuffers.SizeBytes(model.Config, options.MaxBatchRows, options.ExpectedSequences);
        return new ModelMemory(
            loader.SizeBytes, loader.MappedBytes, kv.Blocks * kv.BlockBytes, buffers + device.ScratchBytes(model.Config.Heads, model.Config.ContextLength, options.MaxBatchRows, kv));
    }

    /// <summary>The most tokens that a model run with these options takes: its own limit, the options', or what the store holds.</summary>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, are out of range, or want a type of keys and values that the model cannot have.</exception>
    public static int ContextLength(ModelConfig config, ModelRunnerOptions options)
    {
        KvLayout layout = LayOutKv(config, options);
        return (int)Math.Min(Math.Min(config.ContextLength, options.ContextLength ?? int.MaxValue), (long)layout.Blocks * layout.BlockSize);
    }

    /// <inheritdoc cref="ContextLength(ModelConfig, ModelRunnerOptions)"/>
    public static int ContextLength(ModelFile model, ModelRunnerOptions options) =>
        model.Encoder is { } encoder ? Math.Min(encoder.ContextLength, options.ContextLength ?? int.MaxValue) : ContextLength(model.Config, options);

    // An encoder keeps no keys and values: those of the layer that runs are counted with its activations.
    private static ModelMemory OfEncoder(EncoderConfig config, EncoderNames names, ModelRunnerOptions options, DeviceFootprint device, WeightLoader loader)
    {
        _ = new EncoderWeights(config, names, loader);
        int rows = EncoderRunner.MaxRows(config, options);
        KvLayout layout = EncoderBuffers.Layout(config, rows, EncoderRunner.MaxSequences);
        long scratch = EncoderBuffers.SizeBytes(config, rows, EncoderRunner.MaxSequences) + device.ScratchBytes(config.Heads, config.ContextLength, rows, layout);
        return new ModelMemory(loader.SizeBytes, loader.MappedBytes, 0, scratch);
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
