using System.Globalization;
using System.Runtime.InteropServices;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Says what a table was measured on.</summary>
internal static class Machine
{
    /// <summary>One line: processor, cores, how many others want them, runtime.</summary>
    public static string Describe()
    {
        string processor = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown processor"
            : RuntimeInformation.ProcessArchitecture.ToString();
        string load = File.Exists("/proc/loadavg") ? $", load average {File.ReadAllText("/proc/loadavg").Split(' ')[0]}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{processor}, {Environment.ProcessorCount} cores{load}, {RuntimeInformation.FrameworkDescription}");
    }
}
