using System.Runtime.CompilerServices;

namespace HelixFlow.Discovery;

/// <summary>A fixed list of nodes.</summary>
public sealed class StaticDiscovery : INodeDiscovery
{
    private readonly NodeAddress[] _nodes;

    /// <param name="addresses">Their addresses; each once. A node's id is its host and port.</param>
    public StaticDiscovery(IEnumerable<Uri> addresses)
    {
        _nodes = [.. addresses.Select(address => new NodeAddress(address.Authority, address)).OrderBy(node => node.Id, StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return _nodes;
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken).ConfigureAwait(false);
    }
}
