using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu.Memory;

/// <summary>Memory outside the managed heap, aligned to a cache line or, when large, to a huge page that the system is asked for.</summary>
/// <remarks>Freed by <see cref="SafeHandle"/>, at the latest when it is collected. Contents are undefined at first.</remarks>
internal sealed unsafe partial class NativeBuffer : SafeHandle
{
    private const nuint HugePage = 2 << 20;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE of Linux

    public NativeBuffer(long sizeBytes)
        : base(0, ownsHandle: true)
    {
        SizeBytes = sizeBytes;
        nuint size = (nuint)Math.Max(sizeBytes, 1);
        bool huge = size >= 2 * HugePage;
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

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
