using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>output = input * weight^T (+ bias) or output += …, cut by output columns.</summary>
internal sealed unsafe class LinearWork : ICpuWork, IDisposable
{
    private readonly QuantizedRows _quantized = new();
    private readonly Quantizing _quantizing;
    private CpuMemory _scratch = new(0);
    private CpuTensor _input = null!;
    private CpuTensor _output = null!;
    private DeviceWeight _weight = null!;
    private VectorWeight? _bias;
    private bool _accumulate;

    public LinearWork()
    {
        _quantizing = new Quantizing(this);
    }

    public void Run(WorkerPool pool, CpuTensor input, DeviceWeight weight, VectorWeight? bias, CpuTensor output, bool accumulate)
    {
        (_input, _weight, _bias, _output, _accumulate) = (input, weight, bias, output, accumulate);
        if (weight is QuantizedMatrix matrix)
        {
            _quantized.Reserve(output.Rows, matrix.Columns, matrix.BlockSize);
            if (output.Rows < 2 * pool.Parts)
            {
                _quantizing.Run(0, 1);
            }
            else
            {
                pool.Run(_quantizing);
            }
        }
        else if (_scratch.SizeBytes < (long)pool.Parts * weight.Columns * sizeof(float))
        {
            _scratch.Dispose();
            _scratch = new CpuMemory((long)pool.Parts * weight.Columns * sizeof(float));
        }

        pool.Run(this);
    }

    public void Run(int part, int parts)
    {
        if (_weight is QuantizedMatrix matrix)
        {
            int first = (int)((long)matrix.Groups * part / parts);
            int end = (int)((long)matrix.Groups * (part + 1) / parts);
            for (int group = first; group < end; group++)
            {
                MultiplyGroup(matrix, group);
            }

            return;
        }

        var mapped = (MappedWeight)_weight;
        int firstRow = (int)((long)mapped.Rows * part / parts);
        int endRow = (int)((long)mapped.Rows * (part + 1) / parts);
        float* scratch = (float*)_scratch.Pointer + ((long)part * mapped.Columns);
        for (int row = firstRow; row < endRow; row++)
        {
            MultiplyRow(mapped, row, scratch);
        }
    }

    public void Dispose()
    {
        _quantized.Dispose();
        _scratch.Dispose();
    }

    private void MultiplyGroup(QuantizedMatrix matrix, int group)
    {
        int row = 0;
        for (; row <= _output.Rows - 4; row += 4)
        {
            QuantizedKernel.Multiply4(
                matrix, group, _quantized, row, out Vector256<float> r0, out Vector256<float> r1, out Vector256<float> r2, out Vector256<float> r3);
            Write(row, group, r0);
            Write(row + 1, group, r1);
            Write(row + 2, group, r2);
            Write(row + 3, group, r3);
        }

        for (; row < _output.Rows; row++)
        {
            Write(row, group, QuantizedKernel.Multiply(matrix, group, _quantized, row));
        }
    }

    private void Write(int row, int group, Vector256<float> values)
    {
        int column = group * QuantizedMatrix.GroupRows;
        float* target = _output.Row(row) + column;
        if (column + QuantizedMatrix.GroupRows > _output.Columns)
        {
            for (int i = 0; column + i < _output.Columns; i++)
            {
                WriteOne(target + i, column + i, values[i]);
            }

            return;
        }

        if (_bias is not null)
        {
            values += Vector256.Load(_bias.Data + column);
        }

        if (_accumulate)
        {
            values += Vector256.Load(target);
        }

        values.Store(target);
    }

    private void MultiplyRow(MappedWeight weight, int column, float* scratch)
    {
        float* values = scratch;
        if (weight.Tensor.Type == TensorType.F32)
        {
            values = (float*)weight.Tensor.Data + ((long)column * weight.Columns);
        }
        else
        {
            weight.ReadRow(column, new Span<float>(scratch, weight.Columns));
        }

        int row = 0;
        for (; row <= _output.Rows - 4; row += 4)
        {
            Vector128<float> sums = FloatKernel.Dot4(values, _input.Row(row), _input.Columns, weight.Columns);
            for (int i = 0; i < 4; i++)
            {
                WriteOne(_output.Row(row + i) + column, column, sums[i]);
            }
        }

        for (; row < _output.Rows; row++)
        {
            WriteOne(_output.Row(row) + column, column, FloatKernel.Dot(values, _input.Row(row), weight.Columns));
        }
    }

    private void WriteOne(float* target, int column, float value)
    {
        value += _bias is null ? 0 : _bias.Data[column];
        *target = _accumulate ? *target + value : value;
    }

    private sealed class Quantizing(LinearWork owner) : ICpuWork
    {
        public void Run(int part, int parts)
        {
            int scaleBlock = ((QuantizedMatrix)owner._weight).ActivationBlock;
            for (int row = part; row < owner._output.Rows; row += parts)
            {
                owner._quantized.Quantize(owner._input.Row(row), row, scaleBlock);
            }
        }
    }
}
