using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.MachineCode;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>The backend for this machine's processor: vector kernels over quantised or float weights, on a team of threads.</summary>
/// <remarks>
/// The caller's thread is one of the team. Nothing is allocated per operation. Results do not depend on the timing of threads; a float row's
/// result does not depend on the other rows of the batch either.
/// </remarks>
public sealed unsafe class CpuBackend : IBackend
{
    // Enough chunks that a thread which starts late, or loses its core for a while, leaves its share to the others.
    private const int ChunksPerThread = 8;

    private readonly bool _machineCode;
    private readonly WorkerTeam _team;
    private readonly QuantisedRows _quantised = new();
    private readonly QuantiseWork _quantise = new();
    private readonly LinearWork _linear = new();
    private readonly NormWork _norm = new();
    private readonly GateWork _gate = new();
    private readonly RopeWork _rope = new();
    private readonly PagedAttention _attention;

    /// <exception cref="ArgumentOutOfRangeException">The number of threads is not between 1 and 1024.</exception>
    public CpuBackend(CpuBackendOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Threads, 1024, nameof(options));
        _machineCode = options.MachineCode && MachineKernels.IsSupported;
        _team = new WorkerTeam(options.Threads);
        _attention = new PagedAttention(options.Threads);
        string instructions = _machineCode ? "AVX512-VNNI" : AvxVnni.IsSupported ? "AVX-VNNI" : Avx2.IsSupported ? "AVX2" : Vector128.IsHardwareAccelerated ? "128-bit vectors" : "scalar";
        Description = $"cpu ({instructions}, {options.Threads} threads)";
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public DeviceWeight LoadMatrix(StoredTensor tensor) => CpuMatrix.Load(tensor, _team, _machineCode);

    /// <inheritdoc/>
    public DeviceWeight LoadTable(StoredTensor tensor) => new CpuTable(tensor);

    /// <inheritdoc/>
    public DeviceWeight LoadVector(StoredTensor tensor, float add = 0)
    {
        var vector = new CpuVector(tensor.Columns);
        Dequantiser.Unpack(tensor.Type, tensor.Data, vector.Data, tensor.Columns);
        for (int i = 0; i < tensor.Columns; i++)
        {
            vector.Data[i] += add;
        }

        return vector;
    }

    /// <inheritdoc/>
    public DeviceTensor Allocate(int maxRows, int columns) => new CpuTensor(maxRows, columns);

    /// <inheritdoc/>
    public DeviceKvStore AllocateKv(KvLayout layout) => new CpuKvStore(layout);

    /// <inheritdoc/>
    public void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output)
    {
        var target = (CpuTensor)output;
        target.Rows = tokens.Length;
        for (int row = 0; row < tokens.Length; row++)
        {
            ((CpuTable)table).Read(tokens[row], target.Row(row));
            if (scale != 1)
            {
                RowOperations.ScaleAndCap(target.Row(row), target.Columns, scale, 0);
            }
        }
    }

    /// <inheritdoc/>
    public void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output)
    {
        (_norm.Input, _norm.Weight, _norm.Epsilon, _norm.Output) = ((CpuTensor)input, (CpuVector)weight, epsilon, (CpuTensor)output);
        RunRows(_norm, output.Rows);
    }

    /// <inheritdoc/>
    public void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false)
    {
        var matrix = (CpuMatrix)weight;
        var source = (CpuTensor)input;
        if (matrix.TakesQuantisedRows)
        {
            _quantised.Prepare(output.Rows, source.Columns, matrix.SharedColumns);
            (_quantise.Input, _quantise.Output) = (source, _quantised);
            RunRows(_quantise, output.Rows);
        }

        int groups = (matrix.Rows + CpuMatrix.GroupRows - 1) / CpuMatrix.GroupRows;
        int perChunk = Math.Max(1, groups / (_team.Size * ChunksPerThread));
        (_linear.Matrix, _linear.Input, _linear.Quantised, _linear.Bias) = (matrix, source, _quantised, (CpuVector?)bias);
        (_linear.Output, _linear.Accumulate, _linear.GroupsPerChunk) = ((CpuTensor)output, accumulate, perChunk);
        _team.Run(_linear, (groups + perChunk - 1) / perChunk);
    }

    /// <inheritdoc/>
    public void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch)
    {
        (_rope.Query, _rope.Key, _rope.Value, _rope.Rope) = ((CpuTensor)query, (CpuTensor)key, (CpuTensor)value, rope);
        (_rope.Kv, _rope.Layer, _rope.Batch) = ((CpuKvStore)kv, layer, batch);
        RunRows(_rope, batch.Rows);
    }

    /// <inheritdoc/>
    public void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output)
    {
        int chunks = _attention.Prepare((CpuTensor)query, (CpuKvStore)kv, layer, batch, parameters, (CpuTensor)output);
        _team.Run(_attention, chunks);
    }

    /// <inheritdoc/>
    public void GatedActivation(DeviceTensor gate, DeviceTensor up, Activation activation)
    {
        (_gate.Gate, _gate.Up, _gate.Activation) = ((CpuTensor)gate, (CpuTensor)up, activation);
        RunRows(_gate, gate.Rows);
    }

    /// <inheritdoc/>
    public void Add(DeviceTensor accumulator, DeviceTensor addend)
    {
        for (int row = 0; row < accumulator.Rows; row++)
        {
            RowOperations.Add(((CpuTensor)accumulator).Row(row), ((CpuTensor)addend).Row(row), accumulator.Columns);
        }
    }

    /// <inheritdoc/>
    public void ScaleAndCap(DeviceTensor x, float scale, float cap)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            RowOperations.ScaleAndCap(((CpuTensor)x).Row(row), x.Columns, scale, cap);
        }
    }

    /// <inheritdoc/>
    public void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output)
    {
        var target = (CpuTensor)output;
        target.Rows = rows.Length;
        for (int row = 0; row < rows.Length; row++)
        {
            new ReadOnlySpan<float>(((CpuTensor)input).Row(rows[row]), target.Columns).CopyTo(new Span<float>(target.Row(row), target.Columns));
        }
    }

    /// <inheritdoc/>
    public void CopyBlock(DeviceKvStore kv, int source, int destination) => ((CpuKvStore)kv).CopyBlock(source, destination);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Read(DeviceTensor tensor) => new(((CpuTensor)tensor).Data, checked(tensor.Rows * tensor.Columns));

    public void Dispose()
    {
        _team.Dispose();
        _attention.Dispose();
        _quantised.Dispose();
    }

    // One row is not worth waking anybody for.
    private void RunRows(ParallelWork work, int rows) => _team.Run(work, rows);
}
