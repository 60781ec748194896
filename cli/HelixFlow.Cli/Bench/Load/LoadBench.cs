namespace HelixFlow.Cli.Bench.Load;

/// <summary>What <c>bench serve</c> runs.</summary>
internal sealed record LoadBenchSettings
{
    /// <summary>Requests per second of each open-loop run.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [1];

    /// <summary>Users of each closed-loop run; null runs open loops.</summary>
    public IReadOnlyList<int>? Users { get; init; }

    /// <summary>The most requests of a run.</summary>
    public int Requests { get; init; } = 100;

    /// <summary>How long a run sends requests; null for no limit.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Requests before each run that are not counted.</summary>
    public int WarmUp { get; init; } = 2;

    public LatencyLimits Limits { get; init; } = new();

    public LoadOptions Load { get; init; } = new();

    public WorkloadOptions Workload { get; init; } = new();
}

/// <summary>Runs each load after the one before has ended, on a calibrated and warm server.</summary>
internal sealed class LoadBench(OpenAiTarget target, LoadBenchSettings settings, TimeProvider time, BenchDisplay display)
{
    private const int ProbeWords = 256;
    private const int ConversationsPerRun = 10_000_000;

    private static readonly TimeSpan DisplayInterval = TimeSpan.FromMilliseconds(250);

    private int _finished;
    private long _displayed;

    /// <exception cref="BenchException">The server does not answer as an OpenAI server does.</exception>
    public async Task<List<LoadSummary>> RunAsync(CancellationToken cancellationToken)
    {
        display.Report("asking the server how it counts tokens", 0);
        await target.CalibrateAsync(Math.Clamp(settings.Workload.MaxTokens / 4, 4, ProbeWords), time, cancellationToken);
        var summaries = new List<LoadSummary>();
        IEnumerable<LoadRun> runs = settings.Users is { } users
            ? users.Select(count => new LoadRun(target.Model, null, count, settings.Limits))
            : settings.Rates.Select(rate => new LoadRun(target.Model, rate, null, settings.Limits));
        foreach (LoadRun run in runs)
        {
            await WarmUpAsync(cancellationToken);
            summaries.Add(new LoadSummary(run, await RunAsync(run, summaries.Count, cancellationToken)));
        }

        return summaries;
    }

    private Task<List<RequestTrace>> RunAsync(LoadRun run, int number, CancellationToken cancellationToken)
    {
        _finished = 0;
        var generator = new LoadGenerator(target, settings.Load, time);
        if (run.Users is { } users)
        {
            return generator.RunClosedAsync(Plan(Enumerable.Repeat(TimeSpan.Zero, settings.Requests), number), users, settings.Duration, _ => Show(run), cancellationToken);
        }

        // Lengths and arrivals have generators of their own: at every rate of a sweep the same lengths come, only faster.
        IEnumerable<TimeSpan> arrivals = ArrivalSchedule.Poisson(run.Rate ?? 1, new Random(settings.Workload.Seed ^ 0x5EED))
            .Take(settings.Requests)
            .TakeWhile(arrival => arrival < (settings.Duration ?? TimeSpan.MaxValue));
        return generator.RunOpenAsync(Plan(arrivals, number), _ => Show(run), cancellationToken);
    }

    // Each run has texts of its own, or it would find its prompts in the server's cache.
    private IEnumerable<PlannedRequest> Plan(IEnumerable<TimeSpan> arrivals, int run) =>
        new Workload(settings.Workload).Plan(arrivals).Select(request => request with { Conversation = request.Conversation + (run * ConversationsPerRun) });

    // Other requests than the run's own, which would otherwise find their prompts in the server's cache.
    private async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        display.Report("warming up", 0);
        var workload = new Workload(settings.Workload with { Seed = unchecked(settings.Workload.Seed + 1_000_003), PrefixTokens = 0 });
        IEnumerable<PlannedRequest> requests = workload.Plan(Enumerable.Repeat(TimeSpan.Zero, settings.WarmUp)).Select(request => request with { Conversation = -2 - request.Index });
        await new LoadGenerator(target, settings.Load, time).RunClosedAsync(requests, 1, null, null, cancellationToken);
    }

    private void Show(LoadRun run)
    {
        int finished = Interlocked.Increment(ref _finished);
        long now = time.GetTimestamp();
        long before = Interlocked.Read(ref _displayed);
        if (time.GetElapsedTime(before, now) >= DisplayInterval && Interlocked.CompareExchange(ref _displayed, now, before) == before)
        {
            display.Report($"{run.Name}: {finished} answered", settings.Requests == int.MaxValue ? 0 : (double)finished / settings.Requests);
        }
    }
}
