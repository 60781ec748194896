using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>A quantised matrix with sixteen output rows interleaved, as <see cref="InterleavedLayout"/> says, and the kernels that suit this processor.</summary>
internal sealed unsafe class InterleavedMatrix : CpuMatrix
{
    // Activation codes of a panel: half of a usual second-level cache.
    private const int PanelBytes = 256 << 10;

    // Weights that all row tiles of a panel pass over together: with the panel, they stay in the second-level cache.
    private const int SweepBytes = 128 << 10;

    private const int MaxGroupsPerCall = 16;
    private const int MaxKernelRows = 16;

    private readonly WeightSlice _weights;
    private readonly InterleavedLayout _layout;
    private readonly InterleavedKernels _kernels;
    private readonly long _groupBytes;

    public InterleavedMatrix(StoredTensor tensor, WeightMemory memory, WorkerTeam team, bool machineCode = true)
        : this(tensor, memory, team, InterleavedKernels.For(tensor.Type, machineCode))
    {
    }

    /// <summary>With chosen kernels, none of more than 16 rows.</summary>
    internal InterleavedMatrix(StoredTensor tensor, WeightMemory memory, WorkerTeam team, InterleavedKernels kernels)
        : base(tensor.Rows, tensor.Columns)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(kernels.MaxRows, MaxKernelRows, nameof(kernels));
        _layout = InterleavedLayout.Of(tensor.Type);
        _kernels = kernels;
        _groupBytes = _layout.GroupBytes(Columns);
        _weights = memory.Take(InterleavedLayout.Groups(Rows) * _groupBytes);
        new InterleavedPacking(tensor, _weights.Bytes).Run(team);
    }

    public override bool TakesQuantisedRows => true;

    public override int SharedColumns => _layout.BlockColumns;

    public override long SizeBytes => _weights.SizeBytes;

    public override void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup)
    {
        int panelRows = Math.Max(1, PanelBytes / Columns / _kernels.MaxRows) * _kernels.MaxRows;
        int sweep = (int)Math.Clamp(SweepBytes / _groupBytes, 1, MaxGroupsPerCall);
        float* sums = stackalloc float[_kernels.MaxRows * MaxGroupsPerCall * GroupRows]; // [row, output of the call]
        for (int row = 0; row < output.Rows; row += panelRows)
        {
            int endRow = Math.Min(row + panelRows, output.Rows);

            // A single tile reads every weight once, so that there is nothing to keep in the cache.
            int step = _kernels.Of(endRow - row).Rows == endRow - row ? MaxGroupsPerCall : sweep;
            for (int group = firstGroup; group < endGroup; group += step)
            {
                MultiplyPanel(quantised, bias, output, accumulate, group, Math.Min(step, endGroup - group), row, endRow, sums);
            }
        }
    }

    protected override void Dispose(bool disposing) => _weights.Dispose();

    private void MultiplyPanel(
        QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int group, int groups, int row, int endRow, float* sums)
    {
        int outputs = groups * GroupRows;
        var call = new TileCall
        {
            Weights = _weights.Bytes + (group * _groupBytes),
            GroupStride = (nint)_groupBytes,
            Groups = groups,
            Blocks = Columns / _layout.BlockColumns,
            CodesStride = (nint)(quantised.Codes(1) - quantised.Codes(0)),
            ScalesStride = (nint)((byte*)quantised.Scales(1) - (byte*)quantised.Scales(0)),
            CodeSumsStride = (nint)((byte*)quantised.Sums(1) - (byte*)quantised.Sums(0)),
            Sums = sums,
            SumsStride = outputs * sizeof(float),
        };
        while (row < endRow)
        {
            TileKernel kernel = _kernels.Of(endRow - row);
            call.Codes = quantised.Codes(row);
            call.Scales = quantised.Scales(row);
            call.CodeSums = quantised.Sums(row);
            kernel.Run(&call);
            for (int i = 0; i < kernel.Rows; i++)
            {
                Store(sums + (i * outputs), group * GroupRows, outputs, bias, output.Row(row + i), accumulate);
            }

            row += kernel.Rows;
        }
    }
}
