using System.Globalization;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>The memory that a model takes on a device, known before it is loaded.</summary>
/// <param name="WeightBytes">Its weights, those included that are used in the mapped file.</param>
/// <param name="KvBytes">The keys and values that it is given room for.</param>
/// <param name="ScratchBytes">Its activations and logits.</param>
/// <param name="KvHeads">Its key/value heads, 1 or more: so finely can keys and values be divided over devices.</param>
public sealed record ModelNeed(long WeightBytes, long KvBytes, long ScratchBytes, int KvHeads = 1)
{
    public long TotalBytes { get; } = checked(WeightBytes + KvBytes + ScratchBytes);

    /// <summary>Works it out from the model's header, the options it will run with and the device's footprint, a new one.</summary>
    /// <exception cref="ModelFormatException">A weight is missing or has the wrong shape.</exception>
    /// <exception cref="ArgumentException">The options leave no room for a key/value block, or are out of range.</exception>
    public static ModelNeed Of(ModelFile file, ModelRunnerOptions options, DeviceFootprint device)
    {
        ModelMemory memory = ModelMemory.Of(file, options, device);
        return new ModelNeed(memory.WeightBytes + memory.MappedBytes, memory.KvBytes, memory.ScratchBytes, file.Encoder?.Heads ?? file.Config.KvHeads);
    }

    /// <summary>The need of this model together with another one that runs beside it; divided as this one is.</summary>
    public ModelNeed With(ModelNeed other) =>
        new(checked(WeightBytes + other.WeightBytes), checked(KvBytes + other.KvBytes), checked(ScratchBytes + other.ScratchBytes), KvHeads);

    /// <summary>What one of several devices takes when the model is divided evenly over them.</summary>
    /// <remarks>With more devices than heads some hold the same head. Activations are as wide on every device as on one.</remarks>
    public long BytesPerRank(int ranks)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ranks);
        int headsPerRank = (KvHeads + ranks - 1) / ranks;
        return ((WeightBytes + ranks - 1) / ranks) + (KvBytes / KvHeads * headsPerRank) + ScratchBytes;
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{ByteText.Of(TotalBytes)} (weights {ByteText.Of(WeightBytes)}, keys and values {ByteText.Of(KvBytes)}, scratch {ByteText.Of(ScratchBytes)})");
}
