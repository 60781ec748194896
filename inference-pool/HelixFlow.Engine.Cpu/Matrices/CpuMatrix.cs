using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>A weight matrix [outputs, inputs] in the layout that its kernel reads.</summary>
internal abstract unsafe class CpuMatrix(int rows, int columns) : DeviceWeight(rows, columns)
{
    /// <summary>Output rows that are computed together; a chunk of work is a multiple of it.</summary>
    public const int GroupRows = 16;

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

    /// <summary>Reads a stored matrix, repacking it with all of the team when its kernel wants another layout; the kernel may be machine code.</summary>
    public static CpuMatrix Load(StoredTensor tensor, WeightMemory memory, WorkerTeam team, bool machineCode = true) => tensor.Type switch
    {
        TensorType.F32 or TensorType.F16 or TensorType.BF16 => new FloatMatrix(tensor, CpuBackend.Vectors),
        TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q5_0 or TensorType.Q5_1 or TensorType.Q8_0 or TensorType.Q4_K or TensorType.Q5_K or TensorType.Q6_K =>
            new InterleavedMatrix(tensor, memory, team, machineCode),
        _ => throw new ArgumentOutOfRangeException(nameof(tensor), tensor.Type, "not a type that the CPU backend multiplies"),
    };

    /// <summary>Stores the sums of a group's output rows; the last group may have fewer rows.</summary>
    private protected void Store(float* sums, int group, CpuVector? bias, float* outputRow, bool accumulate) =>
        Store(sums, group * GroupRows, GroupRows, bias, outputRow, accumulate);

    /// <summary>Stores the sums of <paramref name="count"/> outputs, whole groups, from <paramref name="first"/> on; the last group may have fewer.</summary>
    private protected void Store(float* sums, int first, int count, CpuVector? bias, float* outputRow, bool accumulate)
    {
        count = Math.Min(count, Rows - first);
        float* output = outputRow + first;
        float* added = bias is null ? null : bias.Data + first;
        int i = 0;
        for (; i + Vector256<float>.Count <= count; i += Vector256<float>.Count)
        {
            Vector256<float> sum = Vector256.Load(sums + i);
            sum = added is null ? sum : sum + Vector256.Load(added + i);
            (accumulate ? Vector256.Load(output + i) + sum : sum).Store(output + i);
        }

        for (; i < count; i++)
        {
            float sum = added is null ? sums[i] : sums[i] + added[i];
            output[i] = accumulate ? output[i] + sum : sum;
        }
    }
}
