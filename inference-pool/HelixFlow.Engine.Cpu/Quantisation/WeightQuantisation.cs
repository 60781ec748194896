using System.Collections.Immutable;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>A float matrix as stored blocks of a quantised type, made with all of a team; disposed once it has been repacked.</summary>
internal sealed unsafe class WeightQuantisation : ParallelWork, IDisposable
{
    private readonly StoredTensor _source;
    private readonly NativeBuffer _blocks;

    private WeightQuantisation(StoredTensor source, TensorType type)
    {
        _source = source;
        long sizeBytes = source.Rows * type.RowBytes(source.Columns);
        _blocks = new NativeBuffer(sizeBytes);
        ImmutableArray<long> shape = [source.Rows, source.Columns];
        Tensor = new StoredTensor(source.Name, type, shape, _blocks.Bytes, sizeBytes);
    }

    /// <summary>Valid until this is disposed.</summary>
    public StoredTensor Tensor { get; }

    /// <summary>The type that a float matrix is rounded to when <paramref name="wanted"/> is asked for: that one if rows are whole blocks of it, Q8_0 if they
    /// are whole blocks of 32, else null for none; null for a matrix that is quantised already.</summary>
    public static TensorType? TypeFor(StoredTensor tensor, TensorType wanted) =>
        tensor.Type.BlockElements() > 1 ? null
        : tensor.Columns % wanted.BlockElements() == 0 ? wanted
        : tensor.Columns % TensorType.Q8_0.BlockElements() == 0 ? TensorType.Q8_0
        : null;

    public static WeightQuantisation Run(StoredTensor source, TensorType type, WorkerTeam team)
    {
        var work = new WeightQuantisation(source, type);
        team.Run(work, Math.Min(source.Rows, WorkerTeam.MaxChunks));
        return work;
    }

    public override void Run(int chunk, int worker)
    {
        for (int row = chunk; row < _source.Rows; row += WorkerTeam.MaxChunks)
        {
            QuantiseRow(row);
        }
    }

    public void Dispose() => _blocks.Dispose();

    private void QuantiseRow(int row)
    {
        TensorType type = Tensor.Type;
        int elements = type.BlockElements();
        byte* source = _source.Data + (row * _source.Type.RowBytes(_source.Columns));
        byte* block = Tensor.Data + (row * type.RowBytes(_source.Columns));
        float* values = stackalloc float[256];
        for (int column = 0; column < _source.Columns; column += elements, block += type.BlockBytes())
        {
            Widen(source, column, values, elements);
            BlockQuantiser.Quantise(type, values, block);
        }
    }

    private void Widen(byte* row, int column, float* values, int count)
    {
        for (int i = 0; i < count; i += 8)
        {
            switch (_source.Type)
            {
                case TensorType.F16:
                    Dequantiser.Unpack(TensorType.F16, row + (2 * (column + i)), values + i, 8);
                    break;
                case TensorType.BF16:
                    HalfFloat.WidenBrain8((ushort*)row + column + i).Store(values + i);
                    break;
                default:
                    Buffer.MemoryCopy((float*)row + column + i, values + i, 32, 32);
                    break;
            }
        }
    }
}
