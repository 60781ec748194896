namespace HelixFlow.Discovery.Tests;

/// <summary>Reads the sets of a discovery, one after the other, and ends its watch.</summary>
internal sealed class Watch : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly IAsyncEnumerator<IReadOnlyList<NodeAddress>> _sets;
    private Task<bool>? _next;

    public Watch(INodeDiscovery discovery) => _sets = discovery.WatchAsync(_stop.Token).GetAsyncEnumerator();

    /// <summary>The next set, as "id address" of each node.</summary>
    public async Task<string> NextAsync()
    {
        IReadOnlyList<NodeAddress> set = await NextNodesAsync();
        return string.Join(", ", set.Select(node => $"{node.Id} {node.Address.GetLeftPart(UriPartial.Authority)}"));
    }

    public async Task<IReadOnlyList<NodeAddress>> NextNodesAsync()
    {
        _next ??= _sets.MoveNextAsync().AsTask();
        Assert.True(await _next.WaitAsync(TimeSpan.FromMinutes(5)));
        _next = null;
        return _sets.Current;
    }

    /// <summary>Lets the watch go on, and says that no further set has come yet.</summary>
    public void GoOn()
    {
        _next ??= _sets.MoveNextAsync().AsTask();
        Assert.False(_next.IsCompleted);
    }

    public async ValueTask DisposeAsync()
    {
        _next ??= _sets.MoveNextAsync().AsTask();
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _next.WaitAsync(TimeSpan.FromMinutes(5)));
        await _sets.DisposeAsync();
        _stop.Dispose();
    }
}
