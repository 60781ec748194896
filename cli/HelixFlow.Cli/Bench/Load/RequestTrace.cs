namespace HelixFlow.Cli.Bench.Load;

/// <summary>What happened to one request; times count from the start of the run. Written by its own task, read when the run is over.</summary>
internal sealed class RequestTrace(PlannedRequest request)
{
    private readonly List<TimeSpan> _chunks = [];

    public PlannedRequest Request => request;

    /// <summary>When it should have been sent, which is what every latency counts from; in a closed loop, when it was.</summary>
    public TimeSpan Arrival { get; set; }

    public TimeSpan Sent { get; set; }

    public TimeSpan End { get; set; }

    /// <summary>When each piece of the answer's text came.</summary>
    public IReadOnlyList<TimeSpan> Chunks => _chunks;

    /// <summary>As the server counts them; null when it does not say.</summary>
    public int? PromptTokens { get; set; }

    /// <inheritdoc cref="PromptTokens"/>
    public int? UsageOutputTokens { get; set; }

    /// <summary>Tokens of the prompt that the server had in its cache; null when it does not say.</summary>
    public int? CachedTokens { get; set; }

    /// <summary>Why it failed, as a short kind that repeats; null when it was answered in full.</summary>
    public string? Error { get; set; }

    /// <summary>What the server or the connection said about the failure.</summary>
    public string? ErrorMessage { get; set; }

    public bool IsCompleted => Error is null;

    /// <summary>The server's count, else the number of pieces.</summary>
    public int OutputTokens => UsageOutputTokens ?? Chunks.Count;

    /// <summary>How much later than intended it was sent.</summary>
    public TimeSpan Lag => Sent - Arrival;

    /// <summary>Time to first token; of an answer without text, to its end.</summary>
    public TimeSpan Ttft => (Chunks.Count > 0 ? Chunks[0] : End) - Arrival;

    /// <summary>Time per output token after the first; null for answers of one token.</summary>
    public TimeSpan? Tpot => OutputTokens > 1 && Chunks.Count > 0 ? (Chunks[^1] - Chunks[0]) / (OutputTokens - 1) : null;

    public TimeSpan EndToEnd => End - Arrival;

    /// <summary>The gaps between the pieces of the answer.</summary>
    public IEnumerable<TimeSpan> InterTokenLatencies => Chunks.Zip(Chunks.Skip(1), (earlier, later) => later - earlier);

    public void AddChunk(TimeSpan when) => _chunks.Add(when);

    public void Fail(string kind, string message) => (Error, ErrorMessage) = (kind, message);
}
