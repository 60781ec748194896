using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>
/// A quantised matrix with eight output rows interleaved: one 32-byte load holds four consecutive inputs of each of the eight rows, so that one
/// dot-product instruction advances eight rows and no sum over lanes is needed.
/// </summary>
/// <remarks>
/// Per group of eight rows and per group of columns: eight scales, eight minima when the format has them, then the codes, made unsigned:
/// 8-bit: byte 4r + j of load k is input 4k + j of row r; 4-bit: the same in the low nibbles, and inputs from half of the group on in the high
/// nibbles. Since sum(x * (code + offset)) = sum(x * code) + offset * sum(x), a sum per activation block takes the offset out again, exactly.
/// Rows beyond the last are zeros.
/// </remarks>
internal sealed unsafe class InterleavedMatrix<TFormat> : CpuMatrix
    where TFormat : struct, IBlockFormat
{
    private readonly NativeBuffer _buffer;

    public InterleavedMatrix(StoredTensor tensor, WorkerTeam team)
        : base(tensor.Rows, tensor.Columns)
    {
        SharedColumns = tensor.Type.BlockElements();
        _buffer = new NativeBuffer((long)Groups * GroupBytes);
        team.Run(new Repacking(this, tensor), Math.Min(Groups, WorkerTeam.MaxChunks));
    }

    public override bool TakesQuantisedRows => true;

    public override int SharedColumns { get; }

    public override long SizeBytes => _buffer.SizeBytes;

    private static int ScaleBytes => GroupRows * (TFormat.HalfScales ? 2 : 4) * (TFormat.HasMins ? 2 : 1);

    private static int CodeBytes => GroupRows * TFormat.GroupColumns / (TFormat.FourBit ? 2 : 1);

    private int Groups => (Rows + GroupRows - 1) / GroupRows;

    private int ColumnGroups => Columns / TFormat.GroupColumns;

    private long GroupBytes => (long)ColumnGroups * (ScaleBytes + CodeBytes);

    public override void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
    {
        float* sums = stackalloc float[4 * GroupRows];
        for (int group = firstGroup; group < endGroup; group++)
        {
            byte* weights = _buffer.Bytes + (group * GroupBytes);
            int row = 0;
            for (; row + 4 <= output.Rows; row += 4)
            {
                MultiplyFourRows(weights, quantised, row, sums);
                for (int i = 0; i < 4; i++)
                {
                    Store(sums + (i * GroupRows), group, bias, output.Row(row + i), accumulate);
                }
            }

            for (; row < output.Rows; row++)
            {
                MultiplyOneRow(weights, quantised, row, sums);
                Store(sums, group, bias, output.Row(row), accumulate);
            }
        }
    }

    protected override void Dispose(bool disposing) => _buffer.Dispose();

    // Reads exactly this row group's bytes, and the row's codes, scales and sums.
    private void MultiplyOneRow(byte* weights, QuantisedRows quantised, int row, float* sums)
    {
        sbyte* codes = quantised.Codes(row);
        float* scales = quantised.Scales(row);
        int* codeSums = quantised.Sums(row);
        Vector256<float> sum = Vector256<float>.Zero;
        for (int group = 0; group < ColumnGroups; group++)
        {
            int codeSum = CodeSum(codeSums, group);
            Vector256<int> dot = Vector256.Create(-TFormat.Offset * codeSum);
            byte* packed = weights + ScaleBytes;
            for (int k = 0; k < CodeBytes; k += 32, codes += 4)
            {
                Vector256<byte> codes8 = Vector256.Load(packed + k);
                if (TFormat.FourBit)
                {
                    dot = ByteDot.Add(dot, codes8 & Vector256.Create((byte)15), Four(codes));
                    dot = ByteDot.Add(dot, (codes8.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15), Four(codes + (TFormat.GroupColumns / 2)));
                }
                else
                {
                    dot = ByteDot.Add(dot, codes8, Four(codes));
                }
            }

            codes += TFormat.FourBit ? TFormat.GroupColumns / 2 : 0;
            float scale = scales[group * TFormat.GroupColumns / QuantisedRows.Block];
            sum = Accumulate(sum, dot, weights, scale, codeSum);
            weights += ScaleBytes + CodeBytes;
        }

        sum.Store(sums);
    }

    // As above for four rows at once: every load of weights serves all of them.
    private void MultiplyFourRows(byte* weights, QuantisedRows quantised, int row, float* sums)
    {
        sbyte* a = quantised.Codes(row), b = quantised.Codes(row + 1), c = quantised.Codes(row + 2), d = quantised.Codes(row + 3);
        float* scalesA = quantised.Scales(row), scalesB = quantised.Scales(row + 1), scalesC = quantised.Scales(row + 2), scalesD = quantised.Scales(row + 3);
        int* sumsA = quantised.Sums(row), sumsB = quantised.Sums(row + 1), sumsC = quantised.Sums(row + 2), sumsD = quantised.Sums(row + 3);
        Vector256<float> sumA = default, sumB = default, sumC = default, sumD = default;
        nint at = 0;
        for (int group = 0; group < ColumnGroups; group++)
        {
            int codeSumA = CodeSum(sumsA, group), codeSumB = CodeSum(sumsB, group), codeSumC = CodeSum(sumsC, group), codeSumD = CodeSum(sumsD, group);
            Vector256<int> dotA = Vector256.Create(-TFormat.Offset * codeSumA), dotB = Vector256.Create(-TFormat.Offset * codeSumB);
            Vector256<int> dotC = Vector256.Create(-TFormat.Offset * codeSumC), dotD = Vector256.Create(-TFormat.Offset * codeSumD);
            byte* packed = weights + ScaleBytes;
            for (int k = 0; k < CodeBytes; k += 32, at += 4)
            {
                Vector256<byte> codes8 = Vector256.Load(packed + k);
                if (TFormat.FourBit)
                {
                    Vector256<byte> low = codes8 & Vector256.Create((byte)15);
                    Vector256<byte> high = (codes8.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
                    nint second = at + (TFormat.GroupColumns / 2);
                    dotA = ByteDot.Add(ByteDot.Add(dotA, low, Four(a + at)), high, Four(a + second));
                    dotB = ByteDot.Add(ByteDot.Add(dotB, low, Four(b + at)), high, Four(b + second));
                    dotC = ByteDot.Add(ByteDot.Add(dotC, low, Four(c + at)), high, Four(c + second));
                    dotD = ByteDot.Add(ByteDot.Add(dotD, low, Four(d + at)), high, Four(d + second));
                }
                else
                {
                    dotA = ByteDot.Add(dotA, codes8, Four(a + at));
                    dotB = ByteDot.Add(dotB, codes8, Four(b + at));
                    dotC = ByteDot.Add(dotC, codes8, Four(c + at));
                    dotD = ByteDot.Add(dotD, codes8, Four(d + at));
                }
            }

            at += TFormat.FourBit ? TFormat.GroupColumns / 2 : 0;
            int block = group * TFormat.GroupColumns / QuantisedRows.Block;
            sumA = Accumulate(sumA, dotA, weights, scalesA[block], codeSumA);
            sumB = Accumulate(sumB, dotB, weights, scalesB[block], codeSumB);
            sumC = Accumulate(sumC, dotC, weights, scalesC[block], codeSumC);
            sumD = Accumulate(sumD, dotD, weights, scalesD[block], codeSumD);
            weights += ScaleBytes + CodeBytes;
        }

        sumA.Store(sums);
        sumB.Store(sums + GroupRows);
        sumC.Store(sums + (2 * GroupRows));
        sumD.Store(sums + (3 * GroupRows));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CodeSum(int* sums, int group) => TFormat.GroupColumns == 16 ? sums[group] : sums[2 * group] + sums[(2 * group) + 1];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Four(sbyte* codes) => Vector256.Create(Unsafe.ReadUnaligned<int>(codes)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Accumulate(Vector256<float> sum, Vector256<int> dot, byte* weights, float scale, int codeSum)
    {
        Vector256<float> scales = TFormat.HalfScales ? HalfFloat.Widen8((ushort*)weights) : Vector256.Load((float*)weights);
        sum = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dot), scales * Vector256.Create(scale), sum);
        if (TFormat.HasMins)
        {
            Vector256<float> mins = TFormat.HalfScales ? HalfFloat.Widen8((ushort*)weights + GroupRows) : Vector256.Load((float*)weights + GroupRows);
            sum = Vector256.FusedMultiplyAdd(mins, Vector256.Create(scale * codeSum), sum);
        }

        return sum;
    }

    private sealed class Repacking(InterleavedMatrix<TFormat> matrix, StoredTensor tensor) : ParallelWork
    {
        public override void Run(int chunk, int worker)
        {
            for (int group = chunk; group < matrix.Groups; group += WorkerTeam.MaxChunks)
            {
                byte* target = matrix._buffer.Bytes + (group * matrix.GroupBytes);
                new Span<byte>(target, checked((int)matrix.GroupBytes)).Clear();
                for (int row = 0; row < Math.Min(GroupRows, matrix.Rows - (group * GroupRows)); row++)
                {
                    RepackRow((group * GroupRows) + row, row, target);
                }
            }
        }

        private void RepackRow(int row, int lane, byte* target)
        {
            TensorType type = tensor.Type;
            int blockElements = type.BlockElements();
            byte* source = tensor.Data + (row * type.RowBytes(tensor.Columns));
            sbyte* codes = stackalloc sbyte[256];
            float* scales = stackalloc float[16];
            float* mins = stackalloc float[16];
            for (int column = 0; column < tensor.Columns; column += blockElements, source += type.BlockBytes())
            {
                BlockCodes.Read(type, source, codes, scales, mins);
                for (int group = 0; group < blockElements / TFormat.GroupColumns; group++, target += ScaleBytes + CodeBytes)
                {
                    PackScale(target, lane, scales[group], mins[group]);
                    PackCodes(target + ScaleBytes, lane, codes + (group * TFormat.GroupColumns));
                }
            }
        }

        private static void PackScale(byte* target, int lane, float scale, float min)
        {
            if (TFormat.HalfScales)
            {
                ((ushort*)target)[lane] = HalfFloat.Narrow(scale);
            }
            else
            {
                ((float*)target)[lane] = scale;
            }

            if (TFormat.HasMins && TFormat.HalfScales)
            {
                ((ushort*)target)[GroupRows + lane] = HalfFloat.Narrow(min);
            }
            else if (TFormat.HasMins)
            {
                ((float*)target)[GroupRows + lane] = min;
            }
        }

        private static void PackCodes(byte* target, int lane, sbyte* codes)
        {
            int low = TFormat.FourBit ? TFormat.GroupColumns / 2 : TFormat.GroupColumns;
            for (int i = 0; i < low; i++)
            {
                int code = codes[i] + TFormat.Offset;
                if (TFormat.FourBit)
                {
                    code |= (codes[i + low] + TFormat.Offset) << 4;
                }

                target[(i / 4 * 32) + (lane * 4) + (i % 4)] = (byte)code;
            }
        }
    }
}
