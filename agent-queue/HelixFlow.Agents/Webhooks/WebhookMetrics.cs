using System.Diagnostics.Metrics;
using HelixFlow.Agents.Dispatch;

namespace HelixFlow.Agents.Webhooks;

/// <summary>What this process has sent to webhooks, in numbers. May be used by any thread.</summary>
public sealed class WebhookMetrics
{
    private readonly Counter<long> _attempts;

    /// <param name="factory">Makes the meter <see cref="WorkerMetrics.MeterName"/>, and disposes it.</param>
    public WebhookMetrics(IMeterFactory factory) => _attempts = factory.Create(WorkerMetrics.MeterName).CreateCounter<long>(
        "helixflow.agents.webhook.attempts", "{attempt}", "Messages that were sent to webhooks, by whether they were delivered, have failed and are sent again, or were given up (dead).");

    internal void Tried(string outcome) => _attempts.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
