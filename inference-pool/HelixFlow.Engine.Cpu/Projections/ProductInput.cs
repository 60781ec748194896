using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu.Projections;

/// <summary>
/// The rows that matrices multiply, normalised or as they are, in every form that one of these matrices takes: float32, or 8-bit integers with
/// a scale for 32 or for 256 columns. Making them is one piece of work; a chunk is a row.
/// </summary>
/// <remarks>Reused from operation to operation; used by the engine thread and its team.</remarks>
internal sealed unsafe class ProductInput : ParallelWork, IDisposable
{
    private readonly QuantisedRows _fine = new();   // a scale for 32 columns
    private readonly QuantisedRows _coarse = new(); // a scale for 256
    private CpuTensor _source = null!;
    private CpuVector? _norm;
    private CpuTensor? _scratch;
    private float _epsilon;
    private int _rows;
    private bool _takesFloats;
    private bool _takesFine;
    private bool _takesCoarse;
    private bool _rowForEachWorker;

    /// <summary>Bytes of the forms that have been made.</summary>
    public long SizeBytes => _fine.SizeBytes + _coarse.SizeBytes;

    /// <summary>The rows as float32; undefined when no matrix takes them so.</summary>
    public CpuTensor Floats => _scratch ?? _source;

    /// <summary>The rows as this matrix takes them; undefined when it takes float32.</summary>
    public QuantisedRows Quantised(CpuMatrix matrix) => matrix.SharedColumns == QuantisedRows.Block ? _fine : _coarse;

    /// <summary>Sets the rows that matrices will read as they are.</summary>
    public void Set(CpuTensor source, int rows)
    {
        (_source, _rows, _norm, _scratch) = (source, rows, null, null);
        _takesFloats = _takesFine = _takesCoarse = false;
    }

    /// <summary>Sets the rows that matrices will read normalised.</summary>
    public void Set(CpuTensor source, int rows, CpuVector norm, float epsilon, CpuTensor scratch)
    {
        Set(source, rows);
        (_norm, _epsilon, _scratch) = (norm, epsilon, scratch);
    }

    /// <summary>Says that a matrix will read the rows.</summary>
    public void AddReader(CpuMatrix matrix)
    {
        if (!matrix.TakesQuantisedRows)
        {
            _takesFloats = true;
            return;
        }

        ref bool known = ref matrix.SharedColumns == QuantisedRows.Block ? ref _takesFine : ref _takesCoarse;
        if (!known)
        {
            known = true;
            Quantised(matrix).Prepare(_rows, _source.Columns, matrix.SharedColumns);
        }
    }

    /// <summary>Makes the forms that the readers take.</summary>
    public void Make(WorkerTeam team)
    {
        if (_norm is not null || _takesFine || _takesCoarse)
        {
            // A norm that is only quantised need not leave the worker's nearest cache.
            _rowForEachWorker = !_takesFloats && _rows >= team.Size;
            team.Run(this, _rows);
        }
    }

    public override void Run(int chunk, int worker)
    {
        float* row = _source.Row(chunk);
        if (_norm is not null)
        {
            float* normed = _scratch!.Row(_rowForEachWorker ? worker : chunk);
            RowOperations.RmsNorm(row, _norm.Data, _norm.Columns, _epsilon, normed);
            row = normed;
        }

        if (_takesFine)
        {
            _fine.Quantise(chunk, row);
        }

        if (_takesCoarse)
        {
            _coarse.Quantise(chunk, row);
        }
    }

    public void Dispose()
    {
        _fine.Dispose();
        _coarse.Dispose();
    }
}
