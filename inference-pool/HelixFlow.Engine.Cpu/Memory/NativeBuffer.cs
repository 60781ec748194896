using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu.Memory;

/// <summary>Memory outside the managed heap, aligned to a cache line or, when large, to a huge page that the system is asked for.</summary>
/// <remarks>Freed by <see cref="SafeHandle"/>, at the latest when it is collected. Contents are undefined at first.</remarks>
internal sealed unsafe partial class NativeBuffer : SafeHandle
{
    private const nuint HugePage = 2 << 20;
    private const nuint Page = 4096;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE of Linux
    private const int PopulateForReading = 22; // MADV_POPULATE_READ of Linux 5.14

    public NativeBuffer(long sizeBytes)
        : base(0, ownsHandle: true)
    {
        SizeBytes = sizeBytes;
        nuint size = (nuint)Math.Max(sizeBytes, 1);
        bool huge = size >= 2 * HugePage;
        size = huge ? (size + HugePage - 1) & ~(HugePage - 1) : size; // the end lies in a huge page too
        SetHandle((nint)NativeMemory.AlignedAlloc(size, huge ? HugePage : 64));
        if (huge && OperatingSystem.IsLinux())
        {
            // Advice only: when the system has no huge pages, ordinary ones serve as well.
            _ = Advise((void*)handle, size, AdviseHugePages);
        }
    }

    public long SizeBytes { get; }

    public byte* Bytes => (byte*)handle;

    public override bool IsInvalid => handle == 0;

    /// <summary>Asks the system to map these bytes of a file together, not page by page as they are touched. Only advice: errors show when they are read.</summary>
    public static void MapForReading(byte* address, long sizeBytes)
    {
        if (OperatingSystem.IsLinux())
        {
            nuint first = (nuint)address & ~(Page - 1);
            _ = Advise((void*)first, (nuint)address + (nuint)sizeBytes - first, PopulateForReading);
        }
    }

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
