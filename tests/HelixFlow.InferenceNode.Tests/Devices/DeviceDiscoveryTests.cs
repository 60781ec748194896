using HelixFlow.InferenceNode.Devices;

namespace HelixFlow.InferenceNode.Tests.Devices;

public sealed class DeviceDiscoveryTests
{
    private static readonly DeviceOptions NoGpus = new() { CudaLibrary = "no-such-library.so", KfdFolder = "/no/such/folder" };

    [Fact]
    public void The_processor_is_always_there_and_gets_its_share_of_memory()
    {
        Device device = Assert.Single(DeviceDiscovery.Discover(NoGpus));

        Assert.Equal(("cpu:0", DeviceKind.Cpu, true), (device.Id, device.Kind, device.CanRun));
        Assert.Equal(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, device.TotalBytes);
        Assert.Equal((long)(device.TotalBytes * 0.8), device.BudgetBytes);
        Assert.NotEmpty(device.Name);
    }

    [Fact]
    public void A_budget_in_bytes_goes_before_the_share()
    {
        Assert.Equal(12345, DeviceDiscovery.Discover(NoGpus with { CpuBudgetBytes = 12345 })[0].BudgetBytes);
    }

    [Fact]
    public void Whatever_this_machine_has_is_listed_under_its_own_id()
    {
        IReadOnlyList<Device> devices = DeviceDiscovery.Discover(new DeviceOptions());

        Assert.Equal("cpu:0", devices[0].Id);
        Assert.Equal(devices.Count, devices.Select(device => device.Id).Distinct().Count());
        Assert.All(devices, device => Assert.InRange(device.BudgetBytes, 0, device.TotalBytes));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1.1, 0)]
    [InlineData(double.NaN, 0)]
    [InlineData(0.5, -1)]
    public void Options_out_of_range_are_refused(double share, long bytes)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => DeviceDiscovery.Discover(NoGpus with { BudgetShare = share, CpuBudgetBytes = bytes }));
    }
}
