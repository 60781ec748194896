namespace HelixFlow.Gateway.Routing;

/// <summary>How requests wait that no node can take now.</summary>
public sealed class FairQueueOptions
{
    /// <summary>Most requests that wait; at least 1. Default 4096.</summary>
    public int MaxLength { get; set; } = 4096;

    /// <summary>Most requests of one project that wait, so that one cannot fill the queue; at least 1. Default 1024.</summary>
    public int MaxPerProject { get; set; } = 1024;

    /// <summary>
    /// A priority class that has waited this long since it was last served is served one request before all others, so that it is never starved.
    /// Zero turns it off. Default 5 s.
    /// </summary>
    public TimeSpan LongestClassWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>By project: its share against the others of the same priority; above 0. A project that is not named has 1.</summary>
    public IDictionary<string, double> Weights { get; } = new Dictionary<string, double>(StringComparer.Ordinal);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPerProject, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestClassWait, TimeSpan.Zero);
        foreach ((string project, double weight) in Weights)
        {
            if (!(weight > 0 && double.IsFinite(weight)))
            {
                throw new ArgumentOutOfRangeException($"{nameof(Weights)}:{project}", weight, "A weight is a finite number above 0.");
            }
        }
    }
}
