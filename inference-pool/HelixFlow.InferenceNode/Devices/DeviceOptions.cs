namespace HelixFlow.InferenceNode.Devices;

/// <summary>How much of the devices models may take, and where the devices are looked for.</summary>
public sealed record DeviceOptions
{
    /// <summary>The share of a device's memory that models may take, above 0 and at most 1. Default 0.8: the rest is for the process and the system.</summary>
    public double BudgetShare { get; init; } = 0.8;

    /// <summary>Bytes of main memory that models may take. 0 (the default) leaves it to <see cref="BudgetShare"/>.</summary>
    public long CpuBudgetBytes { get; init; }

    /// <summary>The CUDA driver library, a path or a name that the loader knows. Default "libcuda.so.1"; may be missing.</summary>
    public string CudaLibrary { get; init; } = "libcuda.so.1";

    /// <summary>NVIDIA's management library, which tells how much memory is in use. Default "libnvidia-ml.so.1"; may be missing.</summary>
    public string NvmlLibrary { get; init; } = "libnvidia-ml.so.1";

    /// <summary>The folder in which the AMD driver describes its devices. Default "/sys/class/kfd/kfd/topology/nodes"; may be missing.</summary>
    public string KfdFolder { get; init; } = "/sys/class/kfd/kfd/topology/nodes";
}
