namespace HelixFlow.Cli.Bench.Load;

/// <summary>What a run was asked to do, for its reports.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Rate">Requests per second of an open loop; null for a closed one.</param>
/// <param name="Users">Users of a closed loop; null for an open one.</param>
/// <param name="Limits">What counts as good.</param>
internal sealed record LoadRun(string Model, double? Rate, int? Users, LatencyLimits Limits)
{
    public string Name => Rate is { } rate
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{(double.IsPositiveInfinity(rate) ? "all requests at once" : $"{rate:0.###} requests/s")}")
        : Users == 1 ? "1 user" : $"{Users} users";
}

/// <summary>The figures of a run. Latencies are in milliseconds, of completed requests only.</summary>
/// <remarks>The names and definitions are those of <c>vllm bench serve</c>, but latencies count from the intended arrival.</remarks>
internal sealed class LoadSummary
{
    // A generator that is late by less than this has not disturbed what it measures.
    private const double TolerableLagMs = 20;

    public LoadSummary(LoadRun run, List<RequestTrace> traces)
    {
        Run = run;
        Traces = traces;
        List<RequestTrace> completed = traces.FindAll(trace => trace.IsCompleted);
        Completed = completed.Count;
        Good = completed.Count(run.Limits.AreKeptBy);
        Seconds = traces.Count == 0 ? 0 : traces.Max(trace => trace.End).TotalSeconds;
        InputTokens = completed.Sum(trace => (long)(trace.PromptTokens ?? trace.Request.PromptTokens));
        OutputTokens = completed.Sum(trace => (long)trace.OutputTokens);
        CachedTokens = completed.Exists(trace => trace.CachedTokens is not null) ? completed.Sum(trace => (long)(trace.CachedTokens ?? 0)) : null;
        WithoutUsage = completed.Count(trace => trace.UsageOutputTokens is null);
        Ttft = InMilliseconds(completed.Select(trace => trace.Ttft));
        Tpot = InMilliseconds(completed.Select(trace => trace.Tpot).OfType<TimeSpan>());
        Itl = InMilliseconds(completed.SelectMany(trace => trace.InterTokenLatencies));
        EndToEnd = InMilliseconds(completed.Select(trace => trace.EndToEnd));
        Lag = InMilliseconds(traces.Select(trace => trace.Lag));
        Errors = [.. traces.Where(trace => !trace.IsCompleted)
            .GroupBy(trace => trace.Error!)
            .Select(group => new LoadError(group.Key, group.Count(), group.First().ErrorMessage ?? ""))
            .OrderByDescending(error => error.Count)];
        MostConcurrent = PeakConcurrency(traces);
    }

    public LoadRun Run { get; }

    public List<RequestTrace> Traces { get; }

    public int Completed { get; }

    public int Failed => Traces.Count - Completed;

    /// <summary>Completed requests that kept all limits.</summary>
    public int Good { get; }

    /// <summary>From the start to the end of the last request.</summary>
    public double Seconds { get; }

    /// <summary>As the servers counted them, else as planned.</summary>
    public long InputTokens { get; }

    public long OutputTokens { get; }

    /// <summary>Prompt tokens that the server found in its cache; null when it never says.</summary>
    public long? CachedTokens { get; }

    /// <summary>Completed requests whose output tokens are a count of pieces, because the server sent no usage.</summary>
    public int WithoutUsage { get; }

    public double RequestsPerSecond => PerSecond(Completed);

    public double GoodRequestsPerSecond => PerSecond(Good);

    public double OutputTokensPerSecond => PerSecond(OutputTokens);

    public double InputTokensPerSecond => PerSecond(InputTokens);

    public Distribution Ttft { get; }

    public Distribution Tpot { get; }

    public Distribution Itl { get; }

    public Distribution EndToEnd { get; }

    /// <summary>How late requests were sent.</summary>
    public Distribution Lag { get; }

    /// <summary>Whether the load was not the one that was asked for, because this machine could not send in time or too few connections were allowed.</summary>
    public bool FellBehind => Lag.Count > 0 && Lag.Percentile(99) > TolerableLagMs;

    public IReadOnlyList<LoadError> Errors { get; }

    public int MostConcurrent { get; }

    private static Distribution InMilliseconds(IEnumerable<TimeSpan> times) => new(times.Select(time => time.TotalMilliseconds));

    private static int PeakConcurrency(List<RequestTrace> traces)
    {
        // At the same moment, an end comes before a start.
        IEnumerable<(TimeSpan When, int Change)> changes = traces.SelectMany(trace => ((TimeSpan, int)[])[(trace.Sent, 1), (trace.End, -1)]).OrderBy(change => change);
        int now = 0;
        int most = 0;
        foreach ((_, int change) in changes)
        {
            now += change;
            most = Math.Max(most, now);
        }

        return most;
    }

    private double PerSecond(long amount) => Seconds > 0 ? amount / Seconds : 0;
}

/// <summary>How often a kind of failure occurred, with what was said of the first.</summary>
internal sealed record LoadError(string Kind, int Count, string Message);
