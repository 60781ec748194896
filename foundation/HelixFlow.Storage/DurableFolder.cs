using System.Runtime.InteropServices;

namespace HelixFlow.Storage;

/// <summary>What .NET does not offer of POSIX: a new name in a folder is durable only when the folder itself has been synchronised.</summary>
internal static partial class DurableFolder
{
    private const int DiskFullOnUnix = 28; // ENOSPC
    private const int QuotaExceededOnLinux = 122; // EDQUOT
    private const int DiskFullOnWindows = unchecked((int)0x80070070);

    /// <summary>Makes the names in a folder durable. Windows does so by itself.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = Open(folder, 0);
        if (descriptor < 0)
        {
            throw new IOException($"{folder} cannot be opened (error {Marshal.GetLastPInvokeError()}).");
        }

        int result = Synchronise(descriptor);
        int error = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (result != 0)
        {
            throw new IOException($"{folder} cannot be synchronised with the disk (error {error}).");
        }
    }

    /// <summary>Whether an exception says that the disk, or the user's share of it, is full.</summary>
    public static bool IsFull(IOException exception) => exception.HResult is DiskFullOnWindows or DiskFullOnUnix or QuotaExceededOnLinux;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronise(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
