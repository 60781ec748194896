using System.Globalization;
using HelixFlow.Engine.Cpu.MachineCode;

namespace HelixFlow.Engine.Cpu.Tests.MachineCode;

public sealed unsafe class ExecutablePagesTests
{
    // mov eax, 42; ret
    private static readonly byte[] FortyTwo = [0xB8, 42, 0, 0, 0, 0xC3];

    [Fact]
    public void Code_can_be_called()
    {
        Assert.SkipUnless(MachineKernels.IsSupported, "needs x86-64 and Linux or macOS");
        using ExecutablePages pages = ExecutablePages.TryCreate(FortyTwo)!;

        Assert.Equal(42, ((delegate* unmanaged<int>)pages.Address)());
    }

    [Fact]
    public void Pages_can_be_run_but_not_written_and_go_when_disposed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc/self/maps");
        ExecutablePages pages = ExecutablePages.TryCreate(FortyTwo)!;
        nint address = (nint)pages.Address;

        Assert.Equal("r-xp", Protection(address));
        pages.Dispose();

        Assert.NotEqual("r-xp", Protection(address));
    }

    private static string? Protection(nint address)
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] parts = line.Split(' ', '-');
            if (nint.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= address
                && address < nint.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture))
            {
                return line.Split(' ')[1];
            }
        }

        return null;
    }
}
