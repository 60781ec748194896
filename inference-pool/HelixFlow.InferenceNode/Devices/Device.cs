namespace HelixFlow.InferenceNode.Devices;

/// <summary>The kinds of devices that models can live on.</summary>
public enum DeviceKind
{
    /// <summary>The processor and the main memory.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,

    /// <summary>An AMD GPU.</summary>
    Hip,
}

/// <summary>Something with memory that models can live in.</summary>
/// <param name="Id">The kind and a number, such as "cpu:0" or "cuda:1"; unique on a node.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Name">What its maker calls it.</param>
/// <param name="TotalBytes">Its memory; for the processor what this process may use of it.</param>
/// <param name="BudgetBytes">How much of it models may take together.</param>
public sealed record Device(string Id, DeviceKind Kind, string Name, long TotalBytes, long BudgetBytes)
{
    /// <summary>Whether this build has a backend for it. Other devices are shown, but no model is placed on them.</summary>
    public bool CanRun { get; init; } = Kind == DeviceKind.Cpu;

    /// <summary>What all programs together had taken of it when it was found; null where the driver does not say.</summary>
    public long? UsedBytes { get; init; }
}
