namespace HelixFlow.Gateway.Routing;

/// <summary>How the router chooses among the nodes that have a model loaded.</summary>
public enum RoutingPolicy
{
    /// <summary>By the share of the prompt that the node has seen, its queue and its free KV blocks, weighted. The default.</summary>
    Prefix,

    /// <summary>The node with the smallest share of its sequences taken.</summary>
    LeastLoaded,

    /// <summary>Each in turn, per model.</summary>
    RoundRobin,

    /// <summary>Any, equally likely.</summary>
    Random,
}
