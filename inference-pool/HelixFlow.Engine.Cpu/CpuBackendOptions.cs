using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>What a <see cref="CpuBackend"/> may use. Read once.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads that work on one operation, the engine's own included; 1 to 1024. Default: one per processor.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// The type that float matrices (F32, F16, BF16) are rounded to when they are loaded: Q8_0, Q4_0 or Q4_K; default null for none. Rows that are not
    /// whole blocks of it get Q8_0, or stay as they are. Norms, biases and the embedding table are not rounded.
    /// </summary>
    public TensorType? Quantize { get; init; }

    /// <summary>Whether kernels may be machine code written at run time, where the processor has instructions that .NET does not offer. Default: true.</summary>
    public bool MachineCode { get; init; } = true;

    /// <summary>The type in which a tensor of a model's file is multiplied: its own, or what <see cref="Quantize"/> makes of a matrix.</summary>
    public TensorType TypeOf(StoredTensor matrix) =>
        Quantize is { } wanted && matrix.Shape.Length == 2 ? WeightQuantisation.TypeFor(matrix, wanted) ?? matrix.Type : matrix.Type;
}
