using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>A matrix of float32, half or bfloat16 that is read in place from the mapped file and widened in registers.</summary>
/// <remarks>All sums are float32; the order of a row's sum does not depend on how many rows are multiplied together.</remarks>
internal sealed unsafe class FloatMatrix(StoredTensor tensor) : CpuMatrix(tensor.Rows, tensor.Columns)
{
    private const int Lanes = 8;

    // Half of a usual second-level cache.
    private const int PanelBytes = 512 << 10;

    public override bool TakesQuantisedRows => false;

    public override long SizeBytes => 0;

    public override void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
    {
        switch (tensor.Type)
        {
            case TensorType.F32:
                Multiply<Single32>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            case TensorType.F16:
                Multiply<Half16>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
            default:
                Multiply<Brain16>(input, bias, output, accumulate, firstGroup, endGroup);
                break;
        }
    }

    protected override void Dispose(bool disposing)
    {
    }

    private void Multiply<TElement>(CpuTensor input, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
        where TElement : struct, IFloatElement
    {
        // The rows of a panel stay in the second-level cache while all groups of the chunk pass by.
        int panelRows = Math.Max(4, PanelBytes / sizeof(float) / Columns / 4 * 4);
        for (int row = 0; row < output.Rows; row += panelRows)
        {
            int endRow = Math.Min(row + panelRows, output.Rows);
            for (int group = firstGroup; group < endGroup; group++)
            {
                MultiplyPanel<TElement>(group, input, bias, output, accumulate, row, endRow);
            }
        }
    }

    private void MultiplyPanel<TElement>(int group, CpuTensor input, CpuVector? bias, CpuTensor output, bool accumulate, int row, int endRow)
        where TElement : struct, IFloatElement
    {
        float* sums = stackalloc float[4 * GroupRows]; // [row, output]
        for (; row + 4 <= endRow; row += 4)
        {
            MultiplyGroup<TElement>(group, input, row, fourRows: true, sums);
            for (int i = 0; i < 4; i++)
            {
                Store(sums + (i * GroupRows), group, bias, output.Row(row + i), accumulate);
            }
        }

        for (; row < endRow; row++)
        {
            MultiplyGroup<TElement>(group, input, row, fourRows: false, sums);
            Store(sums, group, bias, output.Row(row), accumulate);
        }
    }

    // Sums [input row, output] of one or four input rows with the group's weight rows.
    private void MultiplyGroup<TElement>(int group, CpuTensor input, int row, bool fourRows, float* sums)
        where TElement : struct, IFloatElement
    {
        int first = group * GroupRows;
        int count = Math.Min(GroupRows, Rows - first);
        int step;
        for (int i = 0; i < count; i += step)
        {
            byte* weights = WeightRow(first + i);
            step = Vector512.IsHardwareAccelerated && i + 4 <= count ? 4 : 1;
            long stride = step == 4 ? tensor.Type.RowBytes(Columns) : 0;
            switch (Vector512.IsHardwareAccelerated, fourRows)
            {
                case (true, true):
                    FloatTile<TElement>.FourByFour(weights, stride, input.Row(row), input.Columns, Columns, sums + i, GroupRows);
                    break;
                case (true, false):
                    FloatTile<TElement>.FourByOne(weights, stride, input.Row(row), Columns, sums + i);
                    break;
                case (false, true):
                    FourRows<TElement>(weights, input, row, sums + i);
                    break;
                case (false, false):
                    sums[i] = OneRow<TElement>(weights, input.Row(row));
                    break;
            }
        }
    }

    private byte* WeightRow(int row) => tensor.Data + (row * tensor.Type.RowBytes(Columns));

    // Four accumulators, because a fused multiply-add takes four cycles and two can begin in each.
    private float OneRow<TElement>(byte* weights, float* input)
        where TElement : struct, IFloatElement
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        int column = 0;
        for (; column + (4 * Lanes) <= Columns; column += 4 * Lanes)
        {
            a = Vector256.FusedMultiplyAdd(TElement.Load8(weights, column), Vector256.Load(input + column), a);
            b = Vector256.FusedMultiplyAdd(TElement.Load8(weights, column + 8), Vector256.Load(input + column + 8), b);
            c = Vector256.FusedMultiplyAdd(TElement.Load8(weights, column + 16), Vector256.Load(input + column + 16), c);
            d = Vector256.FusedMultiplyAdd(TElement.Load8(weights, column + 24), Vector256.Load(input + column + 24), d);
        }

        return Vector256.Sum(a + b + (c + d)) + Tail<TElement>(weights, input, column);
    }

    // The same sums as OneRow, in the same order, with every widened weight used four times.
    private void FourRows<TElement>(byte* weights, CpuTensor input, int row, float* sums)
        where TElement : struct, IFloatElement
    {
        float* p = input.Row(row), q = input.Row(row + 1), r = input.Row(row + 2), s = input.Row(row + 3);
        Vector256<float> p0 = default, p1 = default, p2 = default, p3 = default, q0 = default, q1 = default, q2 = default, q3 = default;
        Vector256<float> r0 = default, r1 = default, r2 = default, r3 = default, s0 = default, s1 = default, s2 = default, s3 = default;
        int column = 0;
        for (; column + (4 * Lanes) <= Columns; column += 4 * Lanes)
        {
            Step<TElement>(weights, column, p, q, r, s, ref p0, ref q0, ref r0, ref s0);
            Step<TElement>(weights, column + 8, p, q, r, s, ref p1, ref q1, ref r1, ref s1);
            Step<TElement>(weights, column + 16, p, q, r, s, ref p2, ref q2, ref r2, ref s2);
            Step<TElement>(weights, column + 24, p, q, r, s, ref p3, ref q3, ref r3, ref s3);
        }

        sums[0] = Vector256.Sum(p0 + p1 + (p2 + p3)) + Tail<TElement>(weights, p, column);
        sums[GroupRows] = Vector256.Sum(q0 + q1 + (q2 + q3)) + Tail<TElement>(weights, q, column);
        sums[2 * GroupRows] = Vector256.Sum(r0 + r1 + (r2 + r3)) + Tail<TElement>(weights, r, column);
        sums[3 * GroupRows] = Vector256.Sum(s0 + s1 + (s2 + s3)) + Tail<TElement>(weights, s, column);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TElement>(
        byte* weights, int column, float* p, float* q, float* r, float* s,
        ref Vector256<float> sumP, ref Vector256<float> sumQ, ref Vector256<float> sumR, ref Vector256<float> sumS)
        where TElement : struct, IFloatElement
    {
        Vector256<float> weight = TElement.Load8(weights, column);
        sumP = Vector256.FusedMultiplyAdd(weight, Vector256.Load(p + column), sumP);
        sumQ = Vector256.FusedMultiplyAdd(weight, Vector256.Load(q + column), sumQ);
        sumR = Vector256.FusedMultiplyAdd(weight, Vector256.Load(r + column), sumR);
        sumS = Vector256.FusedMultiplyAdd(weight, Vector256.Load(s + column), sumS);
    }

    private float Tail<TElement>(byte* weights, float* input, int column)
        where TElement : struct, IFloatElement
    {
        float sum = 0;
        for (; column < Columns; column++)
        {
            sum += TElement.Load1(weights, column) * input[column];
        }

        return sum;
    }
}
