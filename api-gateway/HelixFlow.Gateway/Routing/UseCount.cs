namespace HelixFlow.Gateway.Routing;

/// <summary>A count of requests in which each counts half as much with every half-life that passes.</summary>
internal struct UseCount
{
    private double _count;
    private TimeSpan _at;

    public void Add(TimeSpan now, TimeSpan halfLife)
    {
        _count = At(now, halfLife) + 1;
        _at = now;
    }

    public readonly double At(TimeSpan now, TimeSpan halfLife) => _count == 0 ? 0 : _count * Math.Pow(2, -((now - _at) / halfLife));
}
