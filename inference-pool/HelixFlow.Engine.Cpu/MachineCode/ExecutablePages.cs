using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Code in memory that may be run but not written; while it was written, it could not be run.</summary>
internal sealed unsafe partial class ExecutablePages : SafeHandle
{
    private const int ReadWrite = 1 | 2;
    private const int ReadExecute = 1 | 4;
    private const int PrivateMapping = 2;
    private const nint Failed = -1;

    private readonly nuint _sizeBytes;

    private ExecutablePages(nint address, nuint sizeBytes)
        : base(0, ownsHandle: true)
    {
        _sizeBytes = sizeBytes;
        SetHandle(address);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The first byte of the code, at a page's start. Valid as long as the pages are not disposed.</summary>
    public byte* Address => (byte*)handle;

    /// <summary>Puts code where it can be called; null where the system does not allow it.</summary>
    public static ExecutablePages? TryCreate(ReadOnlySpan<byte> code)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            return null;
        }

        int anonymous = OperatingSystem.IsMacOS() ? 0x1000 : 0x20;
        nuint size = ((nuint)code.Length + (nuint)Environment.SystemPageSize - 1) & ~((nuint)Environment.SystemPageSize - 1);
        nint address = Map(0, size, ReadWrite, PrivateMapping | anonymous, -1, 0);
        if (address == Failed)
        {
            return null;
        }

        var pages = new ExecutablePages(address, size);
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        if (Protect(address, size, ReadExecute) != 0)
        {
            pages.Dispose();
            return null;
        }

        return pages;
    }

    protected override bool ReleaseHandle() => Unmap(handle, _sizeBytes) == 0;

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
