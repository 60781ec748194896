using System.Globalization;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>Finds AMD GPUs in the topology that the kernel's compute driver (KFD) writes into sysfs.</summary>
/// <remarks>
/// Read: nodes/N/properties (simd_count is 0 for processors; gfx_target_version is major × 10000 + minor × 100 + stepping), nodes/N/name, and
/// nodes/N/mem_banks/M/properties (heap_type 1 and 2 are the device's own memory) with used_memory beside it in newer kernels.
/// </remarks>
internal static class KfdTopology
{
    private const ulong PublicFrameBuffer = 1;
    private const ulong PrivateFrameBuffer = 2;

    /// <summary>The GPUs in the driver's order, which is also the order of the HIP runtime.</summary>
    public static List<Device> Find(DeviceOptions options)
    {
        var devices = new List<Device>();
        foreach (string node in NumberedFolders(options.KfdFolder))
        {
            Dictionary<string, ulong> properties = Read(Path.Combine(node, "properties"));
            if (properties.GetValueOrDefault("simd_count") == 0)
            {
                continue;
            }

            (long total, long? used) = Memory(Path.Combine(node, "mem_banks"));
            if (total > 0)
            {
                devices.Add(new Device(
                    string.Create(CultureInfo.InvariantCulture, $"hip:{devices.Count}"), DeviceKind.Hip, NameOf(node, properties), total,
                    DeviceDiscovery.BudgetOf(total, used, options)) { UsedBytes = used });
            }
        }

        return devices;
    }

    private static (long Total, long? Used) Memory(string folder)
    {
        ulong total = 0;
        ulong used = 0;
        bool told = false;
        foreach (string bank in NumberedFolders(folder))
        {
            Dictionary<string, ulong> properties = Read(Path.Combine(bank, "properties"));
            if (properties.GetValueOrDefault("heap_type") is PublicFrameBuffer or PrivateFrameBuffer)
            {
                total = Sum(total, properties.GetValueOrDefault("size_in_bytes"));
                string text = ReadText(Path.Combine(bank, "used_memory")).Trim();
                if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong bytes))
                {
                    told = true;
                    used = Sum(used, bytes);
                }
            }
        }

        return ((long)total, told ? (long)used : null);
    }

    private static ulong Sum(ulong a, ulong b) => b > long.MaxValue - a ? long.MaxValue : a + b;

    private static string NameOf(string node, Dictionary<string, ulong> properties)
    {
        string name = ReadText(Path.Combine(node, "name")).Trim();
        ulong version = properties.GetValueOrDefault("gfx_target_version");
        string target = version == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"gfx{version / 10000}{version / 100 % 100:x}{version % 100:x}");
        return (name.Length, target.Length) switch
        {
            (0, 0) => "AMD GPU",
            (0, _) => $"AMD GPU ({target})",
            (_, 0) => $"AMD {name}",
            _ => $"AMD {name} ({target})",
        };
    }

    /// <summary>The folders named by a number, in the numbers' order.</summary>
    private static IEnumerable<string> NumberedFolders(string folder)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(folder)
                .Select(path => (Path: path, Number: NumberOf(path)))
                .Where(entry => entry.Number is not null)
                .OrderBy(entry => entry.Number)
                .Select(entry => entry.Path)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static int? NumberOf(string folder) =>
        int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    private static Dictionary<string, ulong> Read(string path) => KfdProperties.Parse(ReadText(path));

    /// <summary>Empty where the file is missing or, as in some containers, may not be read.</summary>
    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
