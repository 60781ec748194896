using System.Diagnostics;
using System.Diagnostics.Metrics;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Dispatch;

/// <summary>What the workers of this process do, in numbers. May be used by any thread.</summary>
public sealed class WorkerMetrics
{
    /// <summary>The name under which a meter listener finds the numbers.</summary>
    public const string MeterName = "HelixFlow.Agents";

    private readonly Counter<long> _claimed;
    private readonly Counter<long> _ended;
    private readonly Counter<long> _steps;
    private readonly UpDownCounter<long> _running;
    private readonly Counter<long> _tokens;
    private readonly Histogram<double> _seconds;

    /// <param name="factory">Makes the meter, and disposes it.</param>
    public WorkerMetrics(IMeterFactory factory)
    {
        Meter meter = factory.Create(MeterName);
        _claimed = meter.CreateCounter<long>("helixflow.agents.attempts.started", "{attempt}", "Runs that workers of this process have claimed.");
        _ended = meter.CreateCounter<long>("helixflow.agents.attempts.ended", "{attempt}", "Attempts that ended here, by what became of them.");
        _steps = meter.CreateCounter<long>("helixflow.agents.steps.executed", "{step}", "Steps that were executed, not taken from a record.");
        _tokens = meter.CreateCounter<long>(
            "helixflow.agents.model.tokens", "{token}", "Tokens of the questions that jobs have asked models and of the answers, by project, type of job and model.");
        _running = meter.CreateUpDownCounter<long>("helixflow.agents.attempts.running", "{attempt}", "Attempts that are under way here.");
        _seconds = meter.CreateHistogram(
            "helixflow.agents.attempt.duration", "s", "From the claim to the end of an attempt.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200] });
    }

    internal void Started(string type)
    {
        var tag = new KeyValuePair<string, object?>("type", type);
        _claimed.Add(1, tag);
        _running.Add(1, tag);
    }

    internal void Used(string type, string project, IReadOnlyCollection<StepUsage> used)
    {
        foreach (StepUsage usage in used)
        {
            var tags = new TagList { { "project", project }, { "type", type }, { "model", usage.Model } };
            _tokens.Add(usage.PromptTokens, [.. tags, new("direction", "prompt")]);
            _tokens.Add(usage.CompletionTokens, [.. tags, new("direction", "completion")]);
        }
    }

    internal void Ended(string type, string outcome, int steps, double seconds)
    {
        var tag = new KeyValuePair<string, object?>("type", type);
        var end = new KeyValuePair<string, object?>("outcome", outcome);
        _running.Add(-1, tag);
        _ended.Add(1, tag, end);
        _seconds.Record(seconds, tag, end);
        if (steps > 0)
        {
            _steps.Add(steps, tag);
        }
    }
}
