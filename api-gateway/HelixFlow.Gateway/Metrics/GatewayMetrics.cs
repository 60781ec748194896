using System.Collections.Concurrent;
using System.Globalization;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Metrics;

/// <summary>Counts what the gateway serves and shows it, with the pool's state, as Prometheus text at <c>GET /metrics</c>. Thread-safe.</summary>
internal sealed class GatewayMetrics(RequestMetrics requests)
{
    private readonly ConcurrentDictionary<(string Path, int Status), long> _responses = new();

    /// <summary>Counts a response.</summary>
    public void Count(string path, int status) => _responses.AddOrUpdate((path, status), 1, static (_, count) => count + 1);

    public async Task WriteAsync(HttpContext context, IInferencePool pool, Routing.Router? router, Batches.BatchMetrics batches, IEnumerable<IMetricsSource> others)
    {
        var text = new PrometheusText();
        StateMetrics.Write(text, await pool.GetStateAsync(new GetStateRequest(), context.RequestAborted));
        requests.Write(text);
        text.Family("helixflow_http_requests_total", "counter", "Responses by route and status.");
        foreach (((string path, int status), long count) in _responses)
        {
            text.Sample("helixflow_http_requests_total", count, ("path", path), ("status", status.ToString(CultureInfo.InvariantCulture)));
        }

        if (router is not null)
        {
            text.Family("helixflow_router_retries_total", "counter", "Requests tried on a further node before their first token.");
            text.Sample("helixflow_router_retries_total", router.Counters.Retries);
            text.Family("helixflow_router_migrations_total", "counter", "Streams that went on on another node after their first token.");
            text.Sample("helixflow_router_migrations_total", router.Counters.Migrations);
            text.Family("helixflow_node_ready", "gauge", "1 while the node takes requests.");
            foreach (NodeState node in router.NodeStates)
            {
                text.Sample("helixflow_node_ready", node.Phase == NodePhase.Ready ? 1 : 0, ("node", node.NodeId));
            }
        }

        await batches.WriteAsync(text, context.RequestAborted);
        foreach (IMetricsSource source in others)
        {
            await source.WriteAsync(text, context.RequestAborted);
        }

        context.Response.ContentType = PrometheusText.ContentType;
        await context.Response.WriteAsync(text.ToString(), context.RequestAborted);
    }
}
