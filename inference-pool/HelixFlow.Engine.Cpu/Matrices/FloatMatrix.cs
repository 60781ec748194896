using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Vectors;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>A matrix of float32, half or bfloat16 that is read in place from the mapped file and widened in registers.</summary>
/// <remarks>All sums are float32; the order of a row's sum does not depend on how many rows are multiplied together.</remarks>
internal sealed unsafe class FloatMatrix(StoredTensor tensor, VectorWidth width) : CpuMatrix(tensor.Rows, tensor.Columns)
{
    // Half of a usual second-level cache.
    private const int PanelBytes = 512 << 10;

    public override bool TakesQuantisedRows => false;

    public override long SizeBytes => 0;

    public override void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Multiply<Width512, Vector512<float>>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            case VectorWidth.Bits256:
                Multiply<Width256, Vector256<float>>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            default:
                Multiply<Width128, Vector128<float>>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
        }
    }

    protected override void Dispose(bool disposing)
    {
    }

    private void Multiply<TWidth, TVector>(CpuTensor input, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        switch (tensor.Type)
        {
            case TensorType.F32:
                Multiply<TWidth, TVector, StoredSingle>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            case TensorType.F16:
                Multiply<TWidth, TVector, StoredHalf>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            default:
                Multiply<TWidth, TVector, StoredBrain>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
        }
    }

    private void Multiply<TWidth, TVector, TElement>(CpuTensor input, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
        where TElement : struct, IStoredElement
    {
        float* sums = stackalloc float[6 * GroupRows]; // [row, output]

        // The rows of a panel stay in the second-level cache while all groups of the chunk pass by.
        int panelRows = Math.Max(6, PanelBytes / sizeof(float) / Columns / 6 * 6);
        for (int firstRow = 0; firstRow < output.Rows; firstRow += panelRows)
        {
            int endRow = Math.Min(firstRow + panelRows, output.Rows);
            for (int group = firstGroup; group < endGroup; group++)
            {
                int rows;
                for (int row = firstRow; row < endRow; row += rows)
                {
                    rows = FloatTile<TWidth, TVector, TElement>.RowsOf(endRow - row);
                    MultiplyGroup<TWidth, TVector, TElement>(group, input, row, rows, sums);
                    for (int i = 0; i < rows; i++)
                    {
                        Store(sums + (i * GroupRows), group, bias, output.Row(row + i), accumulate);
                    }
                }
            }
        }
    }

    // Sums [input row, output] of some input rows with the group's weight rows; the last rows of a matrix may be too few for a tile.
    private void MultiplyGroup<TWidth, TVector, TElement>(int group, CpuTensor input, int row, int rows, float* sums)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
        where TElement : struct, IStoredElement
    {
        int first = group * GroupRows;
        int count = Math.Min(GroupRows, Rows - first);
        long rowBytes = tensor.Type.RowBytes(Columns);
        int step;
        for (int i = 0; i < count; i += step)
        {
            step = i + 4 <= count ? 4 : 1;
            FloatTile<TWidth, TVector, TElement>.Multiply(
                tensor.Data + ((first + i) * rowBytes), step == 4 ? rowBytes : 0, input.Row(row), input.Columns, rows, Columns, sums + i, GroupRows);
        }
    }
}
