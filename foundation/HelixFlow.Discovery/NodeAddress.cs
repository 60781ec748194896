namespace HelixFlow.Discovery;

public sealed record NodeAddress(string Id, Uri Address, IReadOnlyDictionary<string, string> Tags);

public interface INodeDiscovery
{
    IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync(CancellationToken cancellationToken);
}
