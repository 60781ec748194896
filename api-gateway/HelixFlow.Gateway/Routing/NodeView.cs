namespace HelixFlow.Gateway.Routing;

/// <summary>What a node reports about itself.</summary>
/// <param name="Ready">Whether it takes requests.</param>
/// <param name="Draining">Whether it ends its requests and takes no more.</param>
/// <param name="Load">Its engines together.</param>
/// <param name="FreeBytes">Device memory that a model could be loaded into without unloading another one.</param>
/// <param name="LargestModelBytes">Device memory of the largest model that could ever be loaded; 0 where the node does not say.</param>
internal readonly record struct NodeReport(bool Ready, bool Draining, LoadReport Load, long FreeBytes, long LargestModelBytes = 0);

/// <summary>One node as the router sees it: its last report, what happened since, and whether its requests succeed.</summary>
/// <remarks>Guarded by the router's lock. Times are since any fixed moment and never go back.</remarks>
internal sealed class NodeView
{
    // Also the smallest size that a node that has just become ready counts as.
    private const double SmallestShare = 0.1;

    private bool _draining;

    internal NodeView(string id, RoutingOptions options, TimeSpan now)
    {
        Id = id;
        FirstSeen = now;
        ReadySince = now;
        Circuit = new CircuitBreaker(options.Circuit);
        Prefixes = new PrefixIndex(options.PrefixCapacity);
    }

    public string Id { get; }

    public TimeSpan FirstSeen { get; }

    /// <summary>Since when it is ready without a break; meaningless while it is not.</summary>
    public TimeSpan ReadySince { get; private set; }

    public bool Ready { get; private set; }

    /// <summary>Whether it takes no new requests, because it says so or because it is retired.</summary>
    public bool Draining => IsRetired || _draining;

    /// <summary>Discovery no longer names it: what runs there may end, and nothing new goes there.</summary>
    public bool IsRetired { get; set; }

    /// <summary>Its engines together.</summary>
    public SequenceLoad Load { get; } = new(inFlight: 0);

    public CircuitBreaker Circuit { get; }

    /// <summary>The blocks of prompts, of all its models, that it is believed to hold.</summary>
    public PrefixIndex Prefixes { get; }

    /// <summary>Device memory for further models: the report less what loads under way will take. May be negative.</summary>
    public long FreeBytes => ReportedFreeBytes - PromisedBytes;

    /// <summary>Device memory of the largest model that could ever be loaded; 0 where the node does not say.</summary>
    public long LargestModelBytes { get; private set; }

    /// <summary>By name: what it can do with which model.</summary>
    public IReadOnlyDictionary<string, ModelPlacement> Models => Placements;

    /// <summary>Its models that are resident or loading, in no order.</summary>
    internal List<ModelPlacement> Warm { get; } = [];

    internal Dictionary<string, ModelPlacement> Placements { get; } = new(StringComparer.Ordinal);

    internal long ReportedFreeBytes { get; private set; }

    internal long PromisedBytes { get; set; }

    internal long ModelReports { get; set; }

    /// <summary>The share of its size that it counts as: a node that became ready grows to 1 over the slow start.</summary>
    public double Share(TimeSpan now, TimeSpan slowStart)
    {
        TimeSpan age = now - ReadySince;
        return age >= slowStart ? 1 : Math.Max(SmallestShare, age / slowStart);
    }

    /// <summary>Takes over what the node says about itself.</summary>
    public void Report(in NodeReport report, TimeSpan now)
    {
        if (report.Ready && !Ready)
        {
            ReadySince = now;
        }

        Ready = report.Ready;
        _draining = report.Draining;
        ReportedFreeBytes = report.FreeBytes;
        LargestModelBytes = report.LargestModelBytes;
        Load.Report(report.Load);
    }

    /// <summary>The node does not answer: it takes no request until its next report.</summary>
    public void Lost() => Ready = false;
}
