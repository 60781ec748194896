namespace HelixFlow.Cli.Pull;

/// <summary>How far a pull is. Written by the download, read by the display; thread-safe.</summary>
internal sealed class DownloadMeter
{
    private long _done;
    private long _received;
    private long _total;
    private volatile string _phase = "starting";
    private volatile string? _trouble;

    /// <summary>Bytes of all files; grows when a file's size becomes known.</summary>
    public long TotalBytes => Interlocked.Read(ref _total);

    /// <summary>Bytes that are on disk, those of an earlier run included.</summary>
    public long DoneBytes => Interlocked.Read(ref _done);

    /// <summary>Bytes that came over the network in this run, which the rate is made of.</summary>
    public long ReceivedBytes => Interlocked.Read(ref _received);

    /// <summary>What happens now, such as the file's name.</summary>
    public string Phase
    {
        get => _phase;
        set => _phase = value;
    }

    /// <summary>What went wrong last, until bytes arrive again.</summary>
    public string? Trouble
    {
        get => _trouble;
        set => _trouble = value;
    }

    public void Expect(long bytes) => Interlocked.Add(ref _total, bytes);

    public void Received(long bytes)
    {
        _trouble = null;
        Interlocked.Add(ref _received, bytes);
        Interlocked.Add(ref _done, bytes);
    }

    /// <summary>Counts bytes of an earlier run, or with a negative number takes back those of an abandoned attempt.</summary>
    public void Found(long bytes) => Interlocked.Add(ref _done, bytes);
}
