using HelixFlow.InferenceNode.Placement;
using HelixFlow.Simulation.Cluster;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Policies;

/// <summary>What an order of eviction may look at.</summary>
internal sealed class EvictionContext(IReadOnlyList<TraceRequest> trace, Random random)
{
    private readonly Lazy<Dictionary<string, TimeSpan[]>> _arrivals = new(() =>
        trace.GroupBy(static request => request.Model, StringComparer.Ordinal)
            .ToDictionary(static model => model.Key, static model => model.Select(static request => request.At).ToArray(), StringComparer.Ordinal));

    public Random Random => random;

    /// <summary>When the model's next request after this time arrives; null when none does.</summary>
    public TimeSpan? NextUse(string model, TimeSpan now)
    {
        TimeSpan[] arrivals = _arrivals.Value[model];
        int low = 0;
        int high = arrivals.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = arrivals[middle] <= now ? (middle + 1, high) : (low, middle);
        }

        return low < arrivals.Length ? arrivals[low] : null;
    }
}

/// <summary>A way of routing with a way of choosing what is evicted.</summary>
/// <param name="Name">As it is called on the command line and in tables.</param>
/// <param name="Summary">What it does.</param>
/// <param name="Routing">How nodes are found.</param>
public sealed record SimulationPolicy(string Name, string Summary, RoutingMode Routing)
{
    // Of events at the same time, and of what is used or was used just now, none counts more than that.
    private const double Soon = 1e-3;

    /// <summary>Null for the product's order.</summary>
    internal Func<EvictionContext, Func<Replica, TimeSpan, double>>? EvictionCost { get; init; }

    /// <summary>What the product does.</summary>
    public static SimulationPolicy Production { get; } = new("production", "the product's router and eviction: least aged uses", RoutingMode.Picker);

    public static SimulationPolicy LeastRecentlyUsed { get; } = new("lru", "the product's router; evicts what was used longest ago", RoutingMode.Picker)
    {
        EvictionCost = static _ => static (replica, now) => 1 / ((now - replica.Entry.LastUse).TotalSeconds + Soon),
    };

    public static SimulationPolicy RandomEviction { get; } = new("random-eviction", "the product's router; evicts any idle model", RoutingMode.Picker)
    {
        EvictionCost = static context => (_, _) => context.Random.NextDouble(),
    };

    public static SimulationPolicy RandomRouting { get; } = new("random-routing", "any ready node, whatever it has loaded; the product's eviction", RoutingMode.AnyNode);

    /// <summary>Not a bound: it knows the future but not where requests will go, and it takes sizes as they come.</summary>
    public static SimulationPolicy Clairvoyant { get; } = new("clairvoyant", "the product's router; evicts what is used again last, as the trace tells", RoutingMode.Picker)
    {
        EvictionCost = static context => (replica, now) => context.NextUse(replica.Model, now) is { } next ? 1 / ((next - now).TotalSeconds + Soon) : 0,
    };

    /// <summary>All of them, in the order of tables.</summary>
    public static IReadOnlyList<SimulationPolicy> All { get; } = [Production, LeastRecentlyUsed, RandomEviction, RandomRouting, Clairvoyant];
}
