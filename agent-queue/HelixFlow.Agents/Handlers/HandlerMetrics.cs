using System.Diagnostics.Metrics;
using HelixFlow.Agents.Dispatch;

namespace HelixFlow.Agents.Handlers;

/// <summary>What has become of handlers' programs in this process, in numbers. May be used by any thread.</summary>
public sealed class HandlerMetrics
{
    private readonly Counter<long> _failures;

    /// <param name="factory">Makes the meter <see cref="WorkerMetrics.MeterName"/>, and disposes it.</param>
    public HandlerMetrics(IMeterFactory factory) => _failures = factory.Create(WorkerMetrics.MeterName).CreateCounter<long>(
        "helixflow.agents.handler.failures", "{attempt}", "Attempts whose program has crashed, was ended at a limit of memory or time, or has said what cannot be understood, by reason.");

    internal void Failed(string handler, string reason) =>
        _failures.Add(1, new KeyValuePair<string, object?>("type", handler), new KeyValuePair<string, object?>("reason", reason));
}
