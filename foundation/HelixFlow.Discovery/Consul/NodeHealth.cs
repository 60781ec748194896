namespace HelixFlow.Discovery.Consul;

/// <summary>What a node says of itself.</summary>
public enum NodeHealth
{
    /// <summary>It takes requests.</summary>
    Passing,

    /// <summary>It answers but takes no new requests, because it starts or drains: not in the set of <see cref="ConsulDiscovery"/>.</summary>
    Warning,

    /// <summary>It does not work; Consul forgets it after a while.</summary>
    Critical,
}
