namespace HelixFlow.Gateway.VectorStores;

/// <summary>Limits and manners of vector stores. Read once at start.</summary>
public sealed class VectorStoreOptions
{
    /// <summary>
    /// The model that makes the vectors of new stores. Null, the default, takes the only served model that was made for embeddings, or else the first
    /// one that writes text, by the mean of its states.
    /// </summary>
    public string? EmbeddingModel { get; set; }

    /// <summary>Largest file that is read into a store, in bytes. Default 32 MiB of text.</summary>
    public long MaxFileBytes { get; set; } = 32 << 20;

    /// <summary>What vectors may take of the memory between searches, in bytes; then those that were not used for longest go. Default 1 GiB.</summary>
    public long CacheBytes { get; set; } = 1L << 30;

    /// <summary>Files that are read at the same time. Default 2.</summary>
    public int MaxRunning { get; set; } = 2;

    /// <summary>How long to wait before a file whose model does not answer is tried again. Default 5 s.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a file is tried again while its model does not answer; then it has failed. Default 100.</summary>
    public int MaxRetries { get; set; } = 100;

    /// <summary>How often stores that have expired are looked for. Default 10 min.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromMinutes(10);
}
