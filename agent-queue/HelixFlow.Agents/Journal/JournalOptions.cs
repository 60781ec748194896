namespace HelixFlow.Agents.Journal;

/// <summary>How the queue is shared.</summary>
public sealed class JournalOptions
{
    /// <summary>Shares of projects relative to each other; 1 for those that are not named.</summary>
    public Dictionary<string, double> Weights { get; } = new(StringComparer.Ordinal);

    /// <summary>Most runs of a type at the same time, over all workers; no limit for those that are not named.</summary>
    public Dictionary<string, int> MostOfType { get; } = new(StringComparer.Ordinal);

    /// <summary>Most runs of a project at the same time; no limit for those that are not named.</summary>
    public Dictionary<string, int> MostOfProject { get; } = new(StringComparer.Ordinal);

    /// <summary>A run that has waited so long in its priority class rises into the next one. Milliseconds; default 5 minutes.</summary>
    public long AgeingMs { get; set; } = 300_000;

    /// <summary>Values up to this size are kept in the database, larger ones as files. Bytes; default 32 KiB.</summary>
    public int InlineBytes { get; set; } = 32 * 1024;

    /// <summary>JSON values up to this size are their own references (<see cref="Values.ValueReference"/>). Bytes; tests set less, to have others without large values.</summary>
    internal int InReferenceBytes { get; set; } = Values.ValueReference.MostBytes;

    /// <summary>
    /// A value that nothing refers to is kept for so long after it was stored: whoever stores it refers to it within this time, or stores it again.
    /// Milliseconds; default 1 hour.
    /// </summary>
    public long BlobGraceMs { get; set; } = 3_600_000;

    /// <summary>Where what happens is counted; null for nowhere.</summary>
    public JournalMetrics? Metrics { get; set; }

    /// <summary>How long runs that have ended are kept; the first rule that matches counts. Default: none, and all are kept for ever.</summary>
    public List<RetentionRule> Retention { get; } = [];

    /// <summary>For how long a pure step's output may be used by other runs of the project. Milliseconds, 0 for ever; default 30 days.</summary>
    public long CacheMs { get; set; } = 30L * 86_400_000;

    /// <summary>For how long a file that was brought is kept although no run names it. Milliseconds; default 7 days.</summary>
    public long UploadMs { get; set; } = 7L * 86_400_000;
}
