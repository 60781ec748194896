namespace HelixFlow.Discovery;

/// <summary>Pauses between attempts that fail: each up to twice as long as the one before, at random, so that many who failed together do not return together.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, Random random)
{
    private TimeSpan? _next;

    /// <summary>The pause before the next attempt: between half and all of a length that doubles.</summary>
    public TimeSpan Next()
    {
        TimeSpan length = _next ?? first;
        _next = length < longest / 2 ? length * 2 : longest;
        return length * (0.5 + (0.5 * random.NextDouble()));
    }

    /// <summary>An attempt succeeded.</summary>
    public void Reset() => _next = null;
}
