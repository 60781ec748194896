using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Handlers;

/// <summary>The handlers of a worker. Immutable.</summary>
public sealed class HandlerSet(IReadOnlyList<HandlerManifest> manifests, TimeProvider time, ILoggerFactory loggers, HandlerMetrics? metrics = null)
{
    /// <summary>The job types that they do, in the order of the manifests.</summary>
    public IReadOnlyList<HandlerJob> Jobs { get; } = [.. manifests.Select(manifest => new HandlerJob(manifest, time, loggers.CreateLogger<HandlerJob>(), metrics))];

    /// <summary>Most jobs of a type at the same time at this moment; null for a type that no handler does.</summary>
    public int? LimitOf(string type) => Jobs.FirstOrDefault(job => job.Name == type)?.Limit;
}
