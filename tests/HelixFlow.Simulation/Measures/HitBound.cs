namespace HelixFlow.Simulation.Measures;

/// <summary>The most requests that could find their model in memory, whoever decides and whatever they know of the future.</summary>
/// <remarks>
/// <para>
/// For a request to be a hit, its model has to stay in memory since the one before it, which costs the model's bytes times that time. All hits
/// together cannot cost more than the memory's bytes times the length of the trace. Filling that area with the cheapest intervals first bounds the
/// number of hits from above: the relaxation PFOO-L of Berger, Beckmann and Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object
/// Sizes" (2018). A request before which there was none is no hit.
/// </para>
/// <para>
/// It leaves out that memory is divided into devices, that replicas take room too, that what loads holds memory while it serves nobody, and that
/// models in use cannot be evicted: each of these only makes real hits fewer. It takes for granted that a load that several requests
/// wait for begins when the first of them comes; where it begins later, for want of room, a hit soon after can be cheaper than reckoned here.
/// </para>
/// </remarks>
public static class HitBound
{
    /// <summary>Bounds the hits among requests that arrive within a window.</summary>
    /// <param name="requests">When which model was asked for, in the order of time, from before the window on.</param>
    /// <param name="sizes">Bytes by model.</param>
    /// <param name="capacityBytes">The memory.</param>
    /// <param name="from">The window's beginning: hits before it do not count, and memory before it costs nothing.</param>
    /// <param name="to">The window's end.</param>
    public static int Compute(
        IEnumerable<(TimeSpan At, string Model)> requests, IReadOnlyDictionary<string, long> sizes, long capacityBytes, TimeSpan from, TimeSpan to)
    {
        var last = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);
        var costs = new List<double>();
        foreach ((TimeSpan at, string model) in requests)
        {
            if (last.TryGetValue(model, out TimeSpan before) && at >= from && at <= to && sizes[model] <= capacityBytes)
            {
                costs.Add(sizes[model] * (at - (before > from ? before : from)).TotalSeconds);
            }

            last[model] = at;
        }

        costs.Sort();
        double left = capacityBytes * (to - from).TotalSeconds;
        int hits = 0;
        foreach (double cost in costs)
        {
            if (cost > left)
            {
                return left > 0 ? hits + 1 : hits; // the last one in part
            }

            left -= cost;
            hits++;
        }

        return hits;
    }
}
