namespace HelixFlow.Engine.Cpu;

/// <summary>What a <see cref="CpuBackend"/> may use. Read once.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads that work on one operation, the engine's own included; 1 to 1024. Default: one per processor.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Whether kernels may be machine code written at run time, where the processor has instructions that .NET does not offer. Default: true.</summary>
    public bool MachineCode { get; init; } = true;
}
