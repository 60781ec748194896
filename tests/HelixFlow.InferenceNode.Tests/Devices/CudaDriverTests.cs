using HelixFlow.InferenceNode.Devices;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.InferenceNode.Tests.Devices;

/// <summary>Small libraries with the driver's functions stand in for it.</summary>
public sealed class CudaDriverTests : IDisposable
{
    private const string Driver = """
        #include <stdio.h>
        #include <string.h>
        static int ready;
        int cuInit(unsigned flags) { ready = flags == 0; return ready ? 0 : 1; }
        int cuDeviceGetCount(int *count) { *count = 3; return ready ? 0 : 3; }
        int cuDeviceGet(int *device, int ordinal) { *device = 70 + ordinal; return ordinal == 1 ? 101 : 0; }
        int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Stub GPU %d", device); return 0; }
        int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)device << 30; return 0; }
        int cuDeviceGetPCIBusId(char *id, int length, int device) { snprintf(id, length, "0000:%d:00.0", device); return 0; }
        """;

    private const string Management = """
        #include <string.h>
        typedef struct { unsigned long long total, free, used; } memory;
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetHandleByPciBusId_v2(const char *id, void **device) { *device = (void *)id; return strcmp(id, "0000:72:00.0") ? 6 : 0; }
        int nvmlDeviceGetMemoryInfo(void *device, memory *m) { m->total = 72ull << 30; m->free = 12ull << 30; m->used = 60ull << 30; return 0; }
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Gpus_are_found_with_name_memory_and_what_is_in_use()
    {
        string driver = await StubLibrary.CompileAsync(_folder.FullPath, "driver", Driver);
        string management = await StubLibrary.CompileAsync(_folder.FullPath, "management", Management);

        List<Device> devices = CudaDriver.Find(new DeviceOptions { CudaLibrary = driver, NvmlLibrary = management, BudgetShare = 0.5 });

        Assert.Equal(
            [
                new Device("cuda:0", DeviceKind.Cuda, "Stub GPU 70", 70L << 30, 35L << 30),
                new Device("cuda:2", DeviceKind.Cuda, "Stub GPU 72", 72L << 30, 12L << 30) { UsedBytes = 60L << 30 },
            ],
            devices);
        Assert.All(devices, device => Assert.False(device.CanRun));
    }

    [Fact]
    public async Task The_management_library_may_be_missing()
    {
        string driver = await StubLibrary.CompileAsync(_folder.FullPath, "driver", Driver);

        List<Device> devices = CudaDriver.Find(new DeviceOptions { CudaLibrary = driver, NvmlLibrary = Path.Combine(_folder.FullPath, "missing.so") });

        Assert.Equal(2, devices.Count);
        Assert.All(devices, device => Assert.Null(device.UsedBytes));
    }

    [Fact]
    public async Task A_driver_that_does_not_start_or_lacks_functions_has_no_devices()
    {
        string refusing = await StubLibrary.CompileAsync(_folder.FullPath, "refusing", Driver.Replace("ready = flags == 0", "ready = 0", StringComparison.Ordinal));
        string poor = await StubLibrary.CompileAsync(_folder.FullPath, "poor", "int cuInit(unsigned flags) { return 0; }");
        string text = Path.Combine(_folder.FullPath, "text.so");
        await File.WriteAllTextAsync(text, "no library");

        Assert.All([refusing, poor, text, Path.Combine(_folder.FullPath, "missing.so")], library => Assert.Empty(CudaDriver.Find(new DeviceOptions { CudaLibrary = library })));
    }
}
