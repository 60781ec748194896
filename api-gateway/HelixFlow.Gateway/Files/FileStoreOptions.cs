namespace HelixFlow.Gateway.Files;

/// <summary>Limits of stored files. Read once at start.</summary>
public sealed class FileStoreOptions
{
    /// <summary>Largest file that is sent in one request, in bytes. Default 512 MiB, as OpenAI has it.</summary>
    public long MaxFileBytes { get; set; } = 512L << 20;

    /// <summary>Largest part of an upload, in bytes. Default 64 MiB, as OpenAI has it.</summary>
    public long MaxPartBytes { get; set; } = 64L << 20;

    /// <summary>Largest file that is sent in parts, in bytes. Default 8 GiB, as OpenAI has it.</summary>
    public long MaxUploadBytes { get; set; } = 8L << 30;

    /// <summary>How long an upload may take from its creation to its completion. Default 1 h, as OpenAI has it.</summary>
    public TimeSpan UploadLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>When a file of the purpose "batch" expires that names no time of its own. Default 30 days, as OpenAI has it; other files stay.</summary>
    public TimeSpan BatchFileLifetime { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often what has expired is removed from the disk; it is gone for clients at once. Default 1 min.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromMinutes(1);
}
