namespace HelixFlow.Agents.Searching;

/// <summary>A folder of texts that research jobs may read, and how much of it.</summary>
public sealed class FolderOptions
{
    /// <summary>The folder. Files and folders whose names begin with a dot, and links, are left out.</summary>
    public required string Folder { get; init; }

    /// <summary>Most files; those beyond, in the order of their paths, are left out. Default: 50,000.</summary>
    public int MaxFiles { get; init; } = 50_000;

    /// <summary>Most bytes of a file; larger ones are left out. Default: 4 MiB, as for pages of the web.</summary>
    public int MaxFileBytes { get; init; } = 4 << 20;

    /// <summary>How old the index may be when it is searched. Default: 30 s.</summary>
    public TimeSpan Freshness { get; init; } = TimeSpan.FromSeconds(30);
}
