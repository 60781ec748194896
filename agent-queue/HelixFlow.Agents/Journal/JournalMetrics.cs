using System.Diagnostics.Metrics;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Schedules;

namespace HelixFlow.Agents.Journal;

/// <summary>What this process has written into a journal, in numbers: counted when it is durable. May be used by any thread.</summary>
public sealed class JournalMetrics
{
    private readonly Histogram<double> _claimed;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _fired;
    private readonly Histogram<double> _late;

    /// <param name="factory">Makes the meter <see cref="WorkerMetrics.MeterName"/>, and disposes it.</param>
    public JournalMetrics(IMeterFactory factory)
    {
        Meter meter = factory.Create(WorkerMetrics.MeterName);
        _claimed = meter.CreateHistogram(
            "helixflow.agents.claim.latency", "s", "From when a run could be claimed, or rose in priority, to its claim.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600] });
        _lost = meter.CreateCounter<long>("helixflow.agents.leases.lost", "{lease}", "Leases that have run out: the worker was silent, or the attempt took too long.");
        _fired = meter.CreateCounter<long>("helixflow.agents.schedule.times", "{time}", "Times of schedules, by what became of them.");
        _late = meter.CreateHistogram(
            "helixflow.agents.schedule.lateness", "s", "From the time of a schedule to its job.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600] });
    }

    internal void Claimed(string type, long waitedMs) => _claimed.Record(Math.Max(0, waitedMs) / 1000.0, Tag("type", type));

    internal void Lost(string type, string reason) => _lost.Add(1, Tag("type", type), Tag("reason", reason));

    internal void Fired(ScheduleFire fire)
    {
        _fired.Add(1, Tag("outcome", fire.Outcome.ToString().ToLowerInvariant()));
        if (fire.Outcome is FireOutcome.Started or FireOutcome.Buffered)
        {
            _late.Record(Math.Max(0, fire.At - fire.FireAt) / 1000.0);
        }
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
