using HelixFlow.Agents.Journal;
using HelixFlow.Observability;
using HelixFlow.Storage;

namespace HelixFlow.Cli.Hosting;

/// <summary>How much is in the agent queue, to whoever reads a gateway's metrics. Gateways on one database tell the same.</summary>
internal sealed class QueueMetrics(Journal journal) : IMetricsSource
{
    public async Task WriteAsync(PrometheusText text, CancellationToken cancellationToken)
    {
        JournalCounts counts;
        try
        {
            counts = await journal.CountsAsync(cancellationToken);
        }
        catch (StorageException)
        {
            return; // the other metrics are shown all the same
        }

        text.Family("helixflow_agents_jobs", "gauge", "Jobs that have not ended, and dead letters, by type and state.");
        foreach (RunCount runs in counts.Runs)
        {
            text.Sample("helixflow_agents_jobs", runs.Count, ("type", runs.Type), ("state", runs.State.ToString().ToLowerInvariant()));
        }

        text.Family("helixflow_agents_oldest_ready_seconds", "gauge", "For how long the first job of a type could have been claimed, or since it rose in priority.");
        foreach (RunCount ready in counts.Runs.Where(static runs => runs.State == RunState.Ready))
        {
            text.Sample("helixflow_agents_oldest_ready_seconds", ready.OldestMs / 1000.0, ("type", ready.Type));
        }

        text.Family("helixflow_agents_workers", "gauge", "Workers that have been heard of lately.");
        text.Sample("helixflow_agents_workers", counts.Workers);
        text.Family("helixflow_agents_webhook_backlog", "gauge", "Messages to webhooks that wait to be sent, or to be sent again.");
        text.Sample("helixflow_agents_webhook_backlog", counts.Deliveries);
        text.Family("helixflow_agents_webhook_backlog_oldest_seconds", "gauge", "For how long the first of them has waited.");
        text.Sample("helixflow_agents_webhook_backlog_oldest_seconds", counts.OldestDeliveryMs / 1000.0);
    }
}
