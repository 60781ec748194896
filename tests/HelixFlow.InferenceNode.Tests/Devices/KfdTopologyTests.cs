using HelixFlow.InferenceNode.Devices;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.InferenceNode.Tests.Devices;

/// <summary>A written tree in the form that the kernel gives it.</summary>
public sealed class KfdTopologyTests : IDisposable
{
    private const string Processor = "cpu_cores_count 64\nsimd_count 0\nmem_banks_count 1\ngfx_target_version 0\nvendor_id 0\n";
    private const string Gpu = "cpu_cores_count 0\nsimd_count 1216\nmem_banks_count 1\nmax_waves_per_simd 8\ngfx_target_version 90402\nvendor_id 4098\nunique_id 17446744073709551615\n";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Gpus_are_found_with_name_memory_and_what_is_in_use()
    {
        Write(0, Processor, "", (0, 1 << 30, null));
        Write(1, Gpu, "aqua_vanjaram\n", (1, 200_000, 150_000));
        Write(2, Gpu.Replace("90402", "110001", StringComparison.Ordinal), "", (2, 5000, null), (5, 1_000_000, 3));
        Write(10, Gpu, "late\n", (1, 70, 0));

        List<Device> devices = KfdTopology.Find(Options);

        Assert.Equal(
            [
                new Device("hip:0", DeviceKind.Hip, "AMD aqua_vanjaram (gfx942)", 200_000, 50_000) { UsedBytes = 150_000 },
                new Device("hip:1", DeviceKind.Hip, "AMD GPU (gfx1101)", 5000, 4000),
                new Device("hip:2", DeviceKind.Hip, "AMD late (gfx942)", 70, 56) { UsedBytes = 0 },
            ],
            devices);
        Assert.All(devices, device => Assert.False(device.CanRun));
    }

    [Fact]
    public void A_missing_or_odd_tree_holds_no_devices()
    {
        Assert.Empty(KfdTopology.Find(new DeviceOptions { KfdFolder = Path.Combine(_folder.FullPath, "missing") }));
        Write(0, Gpu, "no memory");
        Write(1, "", "no properties", (1, 100, null));
        Directory.CreateDirectory(Path.Combine(_folder.FullPath, "2"));
        Directory.CreateDirectory(Path.Combine(_folder.FullPath, "three"));
        File.WriteAllText(Path.Combine(_folder.FullPath, "4"), "a file");

        Assert.Empty(KfdTopology.Find(Options));
    }

    [Fact]
    public void Sizes_beyond_all_reason_do_not_overflow()
    {
        Write(0, Gpu, "", (1, ulong.MaxValue, ulong.MaxValue), (2, ulong.MaxValue, null));

        Device device = Assert.Single(KfdTopology.Find(Options));

        Assert.Equal((long.MaxValue, 0), (device.TotalBytes, device.BudgetBytes));
    }

    [Fact]
    public void Properties_are_read_back_as_written()
    {
        var random = new Random(3);
        for (int round = 0; round < 500; round++)
        {
            var written = new Dictionary<string, ulong>();
            for (int i = random.Next(20); i > 0; i--)
            {
                written[$"key_{random.Next(1000)}"] = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            }

            string text = string.Concat(written.Select(property => $"{property.Key} {property.Value}{(random.Next(2) == 0 ? "\n" : "\r\n")}"));

            Assert.Equal(written, KfdProperties.Parse(text));
        }
    }

    [Fact]
    public void Any_text_is_read_without_error_and_yields_only_lines_of_the_right_form()
    {
        const string Alphabet = "simd_count 0123456789-+.,\n\r\t\0é€\u2028";
        var random = new Random(4);
        for (int round = 0; round < 20_000; round++)
        {
            char[] characters = random.GetItems<char>(Alphabet, random.Next(60));
            string text = new(characters);

            Dictionary<string, ulong> properties = KfdProperties.Parse(text);

            Assert.All(properties, property =>
            {
                Assert.DoesNotContain(' ', property.Key);
                Assert.NotEmpty(property.Key);
                Assert.Contains(property.Key + " ", text, StringComparison.Ordinal);
                Assert.Contains(property.Value.ToString(System.Globalization.CultureInfo.InvariantCulture), text, StringComparison.Ordinal);
            });
        }
    }

    private DeviceOptions Options => new() { KfdFolder = _folder.FullPath };

    private void Write(int node, string properties, string name, params (int Heap, ulong Bytes, ulong? Used)[] banks)
    {
        string folder = Path.Combine(_folder.FullPath, $"{node}");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "properties"), properties);
        File.WriteAllText(Path.Combine(folder, "name"), name);
        for (int i = 0; i < banks.Length; i++)
        {
            string bank = Path.Combine(folder, "mem_banks", $"{i}");
            Directory.CreateDirectory(bank);
            File.WriteAllText(Path.Combine(bank, "properties"), $"heap_type {banks[i].Heap}\nsize_in_bytes {banks[i].Bytes}\nflags 0\nwidth 8192\nmem_clk_max 1300\n");
            if (banks[i].Used is { } used)
            {
                File.WriteAllText(Path.Combine(bank, "used_memory"), $"{used}\n");
            }
        }
    }
}
