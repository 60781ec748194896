using System.Collections.Concurrent;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>What one set-up showed in one round, in microseconds.</summary>
/// <param name="FirstP50">From sending the request to its first token.</param>
/// <param name="FirstP99">The same.</param>
/// <param name="DelayP50">From a token's emission to its arrival; NaN when the pool does not tell.</param>
/// <param name="DelayP99">The same.</param>
/// <param name="PerTokenP50">Mean time between a request's tokens, the median over requests.</param>
/// <param name="WallPerToken">The round's time by all streams' tokens.</param>
/// <param name="ProcessorPerToken">Processor time of all processes on the way by tokens.</param>
/// <param name="AllocatedPerToken">Bytes that the set-up's allocating process allocated by tokens.</param>
internal sealed record OverheadRound(
    double FirstP50, double FirstP99, double DelayP50, double DelayP99, double PerTokenP50, double WallPerToken, double ProcessorPerToken, double AllocatedPerToken)
{
    // About 1,000 bytes of messages: the length of a short conversation.
    private static readonly (string Role, string Content)[] Messages =
    [
        ("system", string.Concat(Enumerable.Repeat("You answer questions about a serving platform in one sentence. ", 12))),
        ("user", "What is the platform made of, and how do its parts talk to each other?"),
    ];

    /// <summary>Runs requests back to back on every stream for a while.</summary>
    public static async Task<OverheadRound> RunAsync(OverheadSetup setup, string model, int streams, int tokens, TimeSpan limit, CancellationToken cancellationToken)
    {
        var traces = new ConcurrentBag<StreamTrace>();
        TimeSpan processorBefore = setup.ProcessorTime;
        double allocatedBefore = await setup.AllocatedAsync(cancellationToken);
        long start = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(stream => Task.Run(
            async () =>
            {
                // Answers of different lengths, so that the streams' starts do not stay together.
                var random = new Random(stream);
                do
                {
                    var trace = new StreamTrace();
                    var turn = new Turn(model, Messages, random.Next(tokens / 2, tokens * 3 / 2));
                    await setup.Target.RunAsync(turn, trace, stamped: model is PacedPool.Paced or PacedPool.Instant, cancellationToken);
                    traces.Add(trace);
                }
                while (TimeProvider.System.GetElapsedTime(start) < limit);
            },
            cancellationToken)));
        TimeSpan wall = TimeProvider.System.GetElapsedTime(start);
        double total = traces.Sum(static trace => trace.Tokens);
        double[] first = [.. traces.Select(static trace => trace.FirstToken.TotalMicroseconds)];
        double[] delays = model == PacedPool.Paced ? [.. traces.SelectMany(static trace => trace.DelaysMicroseconds)] : [];
        return new OverheadRound(
            Quantiles.Of(first, 0.5),
            Quantiles.Of(first, 0.99),
            Quantiles.Of(delays, 0.5),
            Quantiles.Of(delays, 0.99),
            Quantiles.Median(traces.Select(static trace => trace.MicrosecondsPerToken)),
            wall.TotalMicroseconds / total,
            (setup.ProcessorTime - processorBefore).TotalMicroseconds / total,
            ((await setup.AllocatedAsync(cancellationToken)) - allocatedBefore) / total);
    }
}
