namespace HelixFlow.Discovery;

/// <summary>Finds the nodes of a pool.</summary>
/// <remarks>Thread-safe; each call of <see cref="WatchAsync"/> watches for itself.</remarks>
public interface INodeDiscovery
{
    /// <summary>
    /// The nodes: the whole set first, then the whole set after every change, in the order of their ids, never the same set twice in a row.
    /// </summary>
    /// <remarks>
    /// The first set comes with the source's first answer; it is empty when that is a failure. Later failures keep the last set: they are logged,
    /// and the source is asked again. So a set may be out of date, and who uses it has to find out whether a node answers.
    /// </remarks>
    /// <exception cref="OperationCanceledException">When cancelled; it ends in no other way, except that a fixed set's watch lasts until then.</exception>
    IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync(CancellationToken cancellationToken);
}
