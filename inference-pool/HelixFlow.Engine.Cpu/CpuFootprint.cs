using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>What a model takes on a <see cref="CpuBackend"/>: matrices as they are rounded and repacked, float weights in their file.</summary>
public sealed class CpuFootprint(CpuBackendOptions options) : DeviceFootprint
{
    private int _fineColumns;   // of the widest matrix whose inputs share a scale by 32
    private int _coarseColumns; // by 256

    /// <inheritdoc/>
    public override DeviceWeight LoadMatrix(StoredTensor tensor)
    {
        TensorType type = options.TypeOf(tensor);
        if (type.BlockElements() == 1)
        {
            return WeightFootprint.InPlace(tensor);
        }

        InterleavedLayout layout = InterleavedLayout.Of(type);
        ref int widest = ref layout.BlockColumns == QuantisedRows.Block ? ref _fineColumns : ref _coarseColumns;
        widest = Math.Max(widest, tensor.Columns);
        return WeightFootprint.Copied(tensor, InterleavedLayout.Groups(tensor.Rows) * layout.GroupBytes(tensor.Columns));
    }

    /// <inheritdoc/>
    public override DeviceWeight LoadTable(StoredTensor tensor) => WeightFootprint.InPlace(tensor);

    /// <inheritdoc/>
    public override DeviceWeight LoadVector(StoredTensor tensor, float add = 0) => WeightFootprint.Copied(tensor, sizeof(float) * (long)tensor.Columns);

    /// <inheritdoc/>
    public override long ScratchBytes(int heads, long context, int maxRows, KvLayout kv) =>
        QuantisedRows.BytesOf(maxRows, _fineColumns) + QuantisedRows.BytesOf(maxRows, _coarseColumns)
        + PagedAttention.MaxBytes(kv, heads / kv.KvHeads, options.Threads, Math.Min(context, (long)kv.Blocks * kv.BlockSize));
}
