using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu;

/// <summary>The operations that treat each row, or each element, on its own; cut by rows.</summary>
internal sealed unsafe class RowWork : ICpuWork
{
    // Below this many elements one thread is faster than a dispatch.
    private const int SmallElements = 1 << 14;

    private Operation _operation;
    private CpuTensor _input = null!;
    private CpuTensor _output = null!;
    private VectorWeight? _weight;
    private Activation _activation;
    private float _scalar;
    private float _cap;

    private enum Operation
    {
        Norm,
        Gate,
        Add,
        Cap,
    }

    public void RmsNorm(WorkerPool pool, CpuTensor input, VectorWeight weight, float epsilon, CpuTensor output)
    {
        (_operation, _input, _weight, _scalar, _output) = (Operation.Norm, input, weight, epsilon, output);
        Dispatch(pool);
    }

    public void GatedActivation(WorkerPool pool, CpuTensor gate, CpuTensor up, Activation activation)
    {
        (_operation, _output, _input, _activation) = (Operation.Gate, gate, up, activation);
        Dispatch(pool);
    }

    public void Add(WorkerPool pool, CpuTensor accumulator, CpuTensor addend)
    {
        (_operation, _output, _input) = (Operation.Add, accumulator, addend);
        Dispatch(pool);
    }

    public void ScaleAndCap(WorkerPool pool, CpuTensor x, float scale, float cap)
    {
        (_operation, _output, _input, _scalar, _cap) = (Operation.Cap, x, x, scale, cap);
        Dispatch(pool);
    }

    public void Run(int part, int parts)
    {
        for (int row = part; row < _output.Rows; row += parts)
        {
            float* input = _input.Row(row);
            float* output = _output.Row(row);
            switch (_operation)
            {
                case Operation.Norm:
                    NormRow(input, output);
                    break;
                case Operation.Gate:
                    GateRow(output, input);
                    break;
                case Operation.Add:
                    FloatKernel.AddScaled(output, input, 1, _output.Columns);
                    break;
                default:
                    CapRow(output);
                    break;
            }
        }
    }

    private void Dispatch(WorkerPool pool)
    {
        if ((long)_output.Rows * _output.Columns < SmallElements)
        {
            Run(0, 1);
        }
        else
        {
            pool.Run(this);
        }
    }

    private void NormRow(float* input, float* output)
    {
        int length = _weight!.Columns;
        float* weight = _weight.Data;
        for (int start = 0; start < _output.Columns; start += length)
        {
            float mean = FloatKernel.Dot(input + start, input + start, length) / length;
            float factor = 1 / MathF.Sqrt(mean + _scalar);
            for (int i = 0; i < length; i++)
            {
                output[start + i] = input[start + i] * factor * weight[i];
            }
        }
    }

    private void GateRow(float* gate, float* up)
    {
        int i = 0;
        for (; i <= _output.Columns - 8; i += 8)
        {
            (Activate(Vector256.Load(gate + i)) * Vector256.Load(up + i)).Store(gate + i);
        }

        for (; i < _output.Columns; i++)
        {
            gate[i] = Activate(Vector256.Create(gate[i]))[0] * up[i];
        }
    }

    private Vector256<float> Activate(Vector256<float> x)
    {
        // Both are x * sigmoid(…): GELU's 0.5 * (1 + tanh(y)) is sigmoid(2 * y).
        Vector256<float> y = _activation == Activation.Silu ? x : x * 1.5957691216057308f * (Vector256<float>.One + (x * x * 0.044715f));
        return x / (Vector256<float>.One + Vector256.Exp(-y));
    }

    private void CapRow(float* values)
    {
        for (int i = 0; i < _output.Columns; i++)
        {
            float scaled = values[i] * _scalar;
            values[i] = _cap > 0 ? _cap * MathF.Tanh(scaled / _cap) : scaled;
        }
    }
}
