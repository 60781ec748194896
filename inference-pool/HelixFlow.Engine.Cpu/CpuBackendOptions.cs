namespace HelixFlow.Engine.Cpu;

/// <summary>How a <see cref="CpuBackend"/> uses the machine.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads that compute, the caller's included; default: all of the machine's.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}
