namespace HelixFlow.InferenceNode.Placement;

/// <summary>How models compete for devices.</summary>
public sealed record PlacementOptions
{
    /// <summary>The time after which a use counts half as much when the model to evict is chosen; above zero. Default 10 minutes.</summary>
    public TimeSpan HalfLife { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How long a model waits for others to fall idle before a device is reserved for it, which turns new requests away from those others.
    /// Zero or more; default 2 s: longer than most answers, so that turning away is rarely needed.
    /// </summary>
    public TimeSpan ReserveAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a model may serve once it is loaded before a reservation turns its requests away, as a multiple of the time its loading took.
    /// Zero or more; default 1: when models take turns on a device, it spends at least about half of its time on answers.
    /// </summary>
    public double ServePerLoad { get; init; } = 1;

    /// <summary>
    /// What is lost by evicting a replica now, zero or more: the replicas with the least cost give way, and costs are added up where several have to.
    /// Null, the default, is the model's aged uses shared among its replicas; another order exists only to be measured against that one.
    /// </summary>
    internal Func<Replica, TimeSpan, double>? EvictionCost { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HalfLife, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(ReserveAfter, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegative(ServePerLoad);
    }
}
