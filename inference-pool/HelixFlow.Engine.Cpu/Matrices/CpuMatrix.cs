using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>A weight matrix [outputs, inputs] in the layout that its kernel reads.</summary>
internal abstract unsafe class CpuMatrix(int rows, int columns) : DeviceWeight(rows, columns)
{
    /// <summary>Output rows that are computed together; a chunk of work is a multiple of it.</summary>
    public const int GroupRows = 8;

    /// <summary>Whether the kernel takes activations as 8-bit integers.</summary>
    public abstract bool TakesQuantisedRows { get; }

    /// <summary>Activations that share a scale when they are taken as 8-bit integers: as many as weights are in a stored block, 32 or 256.</summary>
    public virtual int SharedColumns => QuantisedRows.Block;

    /// <summary>
    /// Products of all input rows with the output rows of some groups, to <paramref name="output"/>, added to what is there when
    /// <paramref name="accumulate"/>. Different groups may be done by different threads.
    /// </summary>
    public abstract void Multiply(
        CpuTensor input, QuantisedRows quantised, CpuVector? bias, CpuTensor output, bool accumulate, int firstGroup, int endGroup);

    /// <summary>Reads a stored matrix, repacking it with all of the team when its kernel wants another layout.</summary>
    public static CpuMatrix Load(StoredTensor tensor, WorkerTeam team) => tensor.Type switch
    {
        TensorType.F32 or TensorType.F16 or TensorType.BF16 => new FloatMatrix(tensor, CpuBackend.Vectors),
        TensorType.Q4_0 => new InterleavedMatrix<Q4Format>(tensor, team),
        TensorType.Q4_1 => new InterleavedMatrix<Q4MinFormat>(tensor, team),
        TensorType.Q5_0 => new InterleavedMatrix<Q5Format>(tensor, team),
        TensorType.Q5_1 => new InterleavedMatrix<Q5MinFormat>(tensor, team),
        TensorType.Q8_0 => new InterleavedMatrix<Q8Format>(tensor, team),
        TensorType.Q4_K => new InterleavedMatrix<Q4KFormat>(tensor, team),
        TensorType.Q5_K => new InterleavedMatrix<Q5KFormat>(tensor, team),
        TensorType.Q6_K => new InterleavedMatrix<Q6KFormat>(tensor, team),
        _ => throw new ArgumentOutOfRangeException(nameof(tensor), tensor.Type, "not a type that the CPU backend multiplies"),
    };

    /// <summary>Stores the eight sums of a group's output rows; the last group may have fewer rows.</summary>
    private protected void Store(float* sums, int group, CpuVector? bias, float* outputRow, bool accumulate)
    {
        int first = group * GroupRows;
        int count = Math.Min(GroupRows, Rows - first);
        if (count == GroupRows)
        {
            Vector256<float> eight = Vector256.Load(sums) + (bias is null ? default : Vector256.Load(bias.Data + first));
            (accumulate ? Vector256.Load(outputRow + first) + eight : eight).Store(outputRow + first);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            float sum = sums[i] + (bias is null ? 0 : bias.Data[first + i]);
            outputRow[first + i] = accumulate ? outputRow[first + i] + sum : sum;
        }
    }
}
