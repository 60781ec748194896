namespace HelixFlow.Observability;

/// <summary>Something with metrics that a host shows beside its own. Thread-safe.</summary>
public interface IMetricsSource
{
    /// <summary>Writes its families.</summary>
    Task WriteAsync(PrometheusText text, CancellationToken cancellationToken);
}
