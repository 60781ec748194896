using System.Runtime.InteropServices;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>Finds the devices of this machine: the processor always, GPUs where their drivers show them.</summary>
public static class DeviceDiscovery
{
    private const string CpuNames = "/proc/cpuinfo";

    /// <summary>The devices, the processor first. A driver that is missing or broken is no error: its devices are not in the list.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static IReadOnlyList<Device> Discover(DeviceOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.CpuBudgetBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.BudgetShare);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.BudgetShare, 1);
        return [Processor(options), .. CudaDriver.Find(options), .. KfdTopology.Find(options)];
    }

    /// <summary>What models may take of a GPU: its share, but no more than other programs have left free.</summary>
    internal static long BudgetOf(long totalBytes, long? usedBytes, DeviceOptions options) =>
        Math.Min((long)(totalBytes * options.BudgetShare), totalBytes - Math.Clamp(usedBytes ?? 0, 0, totalBytes));

    private static Device Processor(DeviceOptions options)
    {
        // Respects the limits of a container, which the machine's own numbers do not.
        long total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        long budget = options.CpuBudgetBytes > 0 ? options.CpuBudgetBytes : (long)(total * options.BudgetShare);
        return new Device("cpu:0", DeviceKind.Cpu, ProcessorName(), total, budget);
    }

    private static string ProcessorName()
    {
        try
        {
            foreach (string line in File.ReadLines(CpuNames))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                if (colon > 0 && line.StartsWith("model name", StringComparison.Ordinal) && line[(colon + 1)..].Trim() is { Length: > 0 } name)
                {
                    return name;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Only Linux has this file, and only some processors a name in it.
        }

        return $"{RuntimeInformation.ProcessArchitecture} processor";
    }
}
