namespace HelixFlow.Gateway.Limits;

/// <summary>An allowance per minute that refills all the time and never holds more than one minute's worth.</summary>
/// <remarks>
/// Not thread-safe: its owner has a lock. The level may go below zero, when something cost more than was reserved for it; then nothing is given
/// until that is paid back.
/// </remarks>
/// <param name="perMinute">The allowance; above 0. Full at first.</param>
/// <param name="now">The clock's timestamp.</param>
/// <param name="time">The clock.</param>
internal sealed class TokenBucket(long perMinute, long now, TimeProvider time)
{
    private double _level = perMinute;
    private long _since = now;

    /// <summary>The allowance per minute, which is the most that the bucket holds.</summary>
    public long PerMinute => perMinute;

    /// <summary>What could be taken now; at least 0.</summary>
    public long Remaining(long now)
    {
        Refill(now);
        return (long)Math.Max(0, Math.Floor(_level + 1e-9));
    }

    /// <summary>How long until the bucket is full, if nothing is taken.</summary>
    public TimeSpan UntilFull(long now)
    {
        Refill(now);
        return TimeSpan.FromMinutes((perMinute - _level) / perMinute);
    }

    /// <summary>How long until <paramref name="amount"/> can be taken; zero when it can be now.</summary>
    public TimeSpan UntilThere(double amount, long now)
    {
        Refill(now);
        return amount <= _level + 1e-9 ? TimeSpan.Zero : TimeSpan.FromMinutes((amount - _level) / perMinute);
    }

    /// <summary>Takes an amount, whether or not it is there; a negative one is given back.</summary>
    public void Take(double amount, long now)
    {
        Refill(now);
        _level = Math.Min(perMinute, _level - amount);
    }

    private void Refill(long now)
    {
        _level = Math.Min(perMinute, _level + (perMinute * time.GetElapsedTime(_since, now).TotalMinutes));
        _since = now;
    }
}
