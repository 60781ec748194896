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
    // Half of a usual second-level cache.
    private const int PanelBytes = 512 << 10;

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

    /// <summary>Bytes of the scales, and minima, before a group's codes.</summary>
    internal static int ScaleBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => GroupRows * (TFormat.HalfScales ? 2 : 4) * (TFormat.HasMins ? 2 : 1);
    }

    /// <summary>Bytes of eight rows' codes of one group of columns.</summary>
    internal static int CodeBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => GroupRows * TFormat.GroupColumns / (TFormat.FourBit ? 2 : 1);
    }

    private int Groups => (Rows + GroupRows - 1) / GroupRows;

    private int ColumnGroups => Columns / TFormat.GroupColumns;

    private long GroupBytes => (long)ColumnGroups * (ScaleBytes + CodeBytes);

    public override void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
    {
        // The rows of a panel stay in the second-level cache while all groups of the chunk pass by.
        int panelRows = Math.Max(InterleavedTile<TFormat>.Rows, PanelBytes / Columns / InterleavedTile<TFormat>.Rows * InterleavedTile<TFormat>.Rows);
        for (int row = 0; row < output.Rows; row += panelRows)
        {
            MultiplyPanel(quantised, bias, output, accumulate, firstGroup, endGroup, row, Math.Min(row + panelRows, output.Rows));
        }
    }

    protected override void Dispose(bool disposing) => _buffer.Dispose();

    private void MultiplyPanel(
        QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup, int firstRow, int endRow)
    {
        float* sums = stackalloc float[InterleavedTile<TFormat>.Rows * InterleavedTile<TFormat>.Outputs];
        for (int group = firstGroup; group < endGroup; group += 2)
        {
            byte* weights = _buffer.Bytes + (group * GroupBytes);

            // A last group without a neighbour is its own neighbour, and the second half of the tile is dropped.
            bool pair = group + 1 < endGroup;
            byte* next = pair ? weights + GroupBytes : weights;
            int row = firstRow;
            for (; row + InterleavedTile<TFormat>.Rows <= endRow; row += InterleavedTile<TFormat>.Rows)
            {
                InterleavedTile<TFormat>.Multiply(weights, next, quantised, row, ColumnGroups, sums);
                for (int i = 0; i < InterleavedTile<TFormat>.Rows; i++)
                {
                    float* rowSums = sums + (i * InterleavedTile<TFormat>.Outputs);
                    Store(rowSums, group, bias, output.Row(row + i), accumulate);
                    if (pair)
                    {
                        Store(rowSums + GroupRows, group + 1, bias, output.Row(row + i), accumulate);
                    }
                }
            }

            for (; row < endRow; row++)
            {
                MultiplyOneRow(weights, quantised, row, sums);
                Store(sums, group, bias, output.Row(row), accumulate);
                if (pair)
                {
                    MultiplyOneRow(next, quantised, row, sums);
                    Store(sums, group + 1, bias, output.Row(row), accumulate);
                }
            }
        }
    }

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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CodeSum(int* sums, int group) => TFormat.GroupColumns == 16 ? sums[group] : sums[2 * group] + sums[(2 * group) + 1];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Four(sbyte* codes) => Vector256.Create(Unsafe.ReadUnaligned<int>(codes)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> LoadScales(byte* weights) =>
        TFormat.HalfScales ? HalfFloat.Widen8((ushort*)weights) : Vector256.Load((float*)weights);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> LoadMins(byte* weights) =>
        TFormat.HalfScales ? HalfFloat.Widen8((ushort*)weights + GroupRows) : Vector256.Load((float*)weights + GroupRows);

    /// <summary>Adds a block's product: scales and minima of eight rows times the activation block's scale and sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Accumulate(Vector256<float> sum, Vector256<int> dot, byte* weights, float scale, int codeSum)
    {
        sum = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dot), LoadScales(weights) * Vector256.Create(scale), sum);
        return TFormat.HasMins ? Vector256.FusedMultiplyAdd(LoadMins(weights), Vector256.Create(scale * codeSum), sum) : sum;
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
