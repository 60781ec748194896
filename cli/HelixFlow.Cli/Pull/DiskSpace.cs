namespace HelixFlow.Cli.Pull;

/// <summary>Refuses downloads that would fill the disk.</summary>
/// <param name="folder">A folder on the disk in question.</param>
/// <param name="freeBytes">Gives the bytes that are free there.</param>
internal sealed class DiskSpace(string folder, Func<string, long> freeBytes)
{
    // What stays free for everything else.
    private const long ReserveBytes = 64 << 20;

    public DiskSpace(string folder)
        : this(folder, static path => new DriveInfo(path).AvailableFreeSpace)
    {
    }

    /// <exception cref="PullException">There is too little.</exception>
    public void Require(string what, long bytes)
    {
        long free = freeBytes(folder);
        if (bytes > free - ReserveBytes)
        {
            throw new PullException(
                $"{what} needs {bytes} bytes on the disk of {folder}, which has {free} free ({ReserveBytes} stay in reserve); "
                    + "make room or choose another --data folder");
        }
    }
}
