using HelixFlow.Observability;

namespace HelixFlow.Gateway.Batches;

/// <summary>Counts what batches do. Thread-safe.</summary>
internal sealed class BatchMetrics(BatchStore store, ModelSlots slots)
{
    private long _completed;
    private long _failed;
    private long _retries;

    public void CountDone(bool completed) => Interlocked.Increment(ref completed ? ref _completed : ref _failed);

    public void CountRetry() => Interlocked.Increment(ref _retries);

    public async Task WriteAsync(PrometheusText text, CancellationToken cancellationToken)
    {
        text.Family("helixflow_batches", "gauge", "Batches by status, those that have ended included.");
        foreach ((string status, long count) in await store.CountAsync(cancellationToken))
        {
            text.Sample("helixflow_batches", count, ("status", status));
        }

        text.Family("helixflow_batch_requests_total", "counter", "Requests of batches that were done since the start, by outcome.");
        text.Sample("helixflow_batch_requests_total", Volatile.Read(ref _completed), ("outcome", "completed"));
        text.Sample("helixflow_batch_requests_total", Volatile.Read(ref _failed), ("outcome", "failed"));
        text.Family("helixflow_batch_retries_total", "counter", "Requests of batches that were tried again because no node could take them.");
        text.Sample("helixflow_batch_retries_total", Volatile.Read(ref _retries));
        text.Family("helixflow_batch_requests_running", "gauge", "Requests of batches that are under way.");
        text.Sample("helixflow_batch_requests_running", slots.InFlight);
    }
}
