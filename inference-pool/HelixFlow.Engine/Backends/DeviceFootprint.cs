using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Backends;

/// <summary>Counts what a model takes on a device: it is given the weights as a backend would be, reads none of them and keeps nothing.</summary>
/// <remarks>For one model; not thread-safe.</remarks>
public abstract class DeviceFootprint : IWeightTarget
{
    /// <summary>A device that stores weights as they are in the file, and needs nothing beside a model's buffers.</summary>
    public static DeviceFootprint AsStored() => new StoredFootprint();

    /// <inheritdoc/>
    public abstract DeviceWeight LoadMatrix(StoredTensor tensor);

    /// <inheritdoc/>
    public abstract DeviceWeight LoadTable(StoredTensor tensor);

    /// <inheritdoc/>
    public abstract DeviceWeight LoadVector(StoredTensor tensor, float add = 0);

    /// <summary>Bytes that operations take at most beside the model's buffers, once all weights have been counted.</summary>
    /// <param name="heads">Its query heads.</param>
    /// <param name="context">Positions of its longest text.</param>
    /// <param name="maxRows">The most rows of a batch.</param>
    /// <param name="kv">Its keys and values.</param>
    public abstract long ScratchBytes(int heads, long context, int maxRows, KvLayout kv);

    private sealed class StoredFootprint : DeviceFootprint
    {
        public override DeviceWeight LoadMatrix(StoredTensor tensor) => WeightFootprint.Copied(tensor, tensor.SizeBytes);

        public override DeviceWeight LoadTable(StoredTensor tensor) => WeightFootprint.Copied(tensor, tensor.SizeBytes);

        public override DeviceWeight LoadVector(StoredTensor tensor, float add = 0) => WeightFootprint.Copied(tensor, sizeof(float) * (long)tensor.Columns);

        public override long ScratchBytes(int heads, long context, int maxRows, KvLayout kv) => 0;
    }
}

/// <summary>The size of a weight that has not been loaded.</summary>
public sealed class WeightFootprint : DeviceWeight
{
    private WeightFootprint(StoredTensor tensor, long sizeBytes, bool isMapped)
        : base(tensor.Rows, tensor.Columns)
    {
        SizeBytes = sizeBytes;
        Mapped = isMapped ? tensor : null;
    }

    /// <inheritdoc/>
    public override long SizeBytes { get; }

    /// <summary>The tensor whose bytes in the mapped file are used as long as the model is loaded; null for none.</summary>
    public StoredTensor? Mapped { get; }

    /// <summary>A weight that has so many bytes of the device for itself.</summary>
    public static WeightFootprint Copied(StoredTensor tensor, long sizeBytes) => new(tensor, sizeBytes, isMapped: false);

    /// <summary>A weight that is read where it lies in the file.</summary>
    public static WeightFootprint InPlace(StoredTensor tensor) => new(tensor, 0, isMapped: true);

    protected override void Dispose(bool disposing)
    {
    }
}
