using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Memory;

/// <summary>An embedding table that stays in the mapped file; a row is unpacked when it is looked up.</summary>
internal sealed unsafe class CpuTable(StoredTensor tensor) : DeviceWeight(tensor.Rows, tensor.Columns)
{
    public override long SizeBytes => 0;

    public void Read(int row, float* output)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        Dequantiser.Unpack(tensor.Type, tensor.Data + (row * tensor.Type.RowBytes(Columns)), output, Columns);
    }

    protected override void Dispose(bool disposing)
    {
    }
}
