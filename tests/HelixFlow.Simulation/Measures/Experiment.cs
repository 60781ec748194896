using HelixFlow.Simulation.Cluster;
using HelixFlow.Simulation.Policies;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Measures;

/// <summary>One trace on one cluster with several policies, and what no policy could exceed.</summary>
/// <param name="Results">One for each policy, in their order.</param>
/// <param name="PooledBound">The most hits with all memory as one, whatever the routing: see <see cref="HitBound"/>.</param>
/// <param name="RoutedBound">
/// The most hits of any eviction if every request goes to the node to which the first policy sent it; each node's devices as one.
/// </param>
public sealed record Experiment(IReadOnlyList<SimulationResult> Results, int PooledBound, int RoutedBound)
{
    /// <exception cref="ArgumentException">An option is out of range, or there is no policy or no request.</exception>
    public static Experiment Run(
        IReadOnlyList<TraceRequest> trace, IReadOnlyDictionary<string, long> sizes, ClusterOptions options, IReadOnlyList<SimulationPolicy> policies, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfZero(policies.Count);
        ArgumentOutOfRangeException.ThrowIfZero(trace.Count);
        options.Validate();
        TimeSpan from = trace[(int)(trace.Count * options.WarmUp)].At;
        TimeSpan to = trace[^1].At;
        var results = new List<SimulationResult>();
        int routed = 0;
        foreach (SimulationPolicy policy in policies)
        {
            results.Add(ClusterSimulation.Run(trace, sizes, options, policy, seed, out IReadOnlyList<Dispatch> dispatches));
            if (results.Count == 1)
            {
                routed = dispatches.GroupBy(static dispatch => dispatch.Node, StringComparer.Ordinal)
                    .Sum(node => HitBound.Compute(
                        node.Select(static dispatch => (dispatch.At, dispatch.Model)), sizes, options.BudgetOf(ClusterSimulation.NumberOf(node.Key)), from, to));
            }
        }

        long capacity = Enumerable.Range(0, options.Nodes).Sum(options.BudgetOf);
        int pooled = HitBound.Compute(trace.Select(static request => (request.At, request.Model)), sizes, capacity, from, to);
        return new Experiment(results, pooled, routed);
    }
}
