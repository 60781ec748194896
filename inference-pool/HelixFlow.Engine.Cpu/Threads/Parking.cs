namespace HelixFlow.Engine.Cpu.Threads;

/// <summary>Where threads sleep until something happens that they have looked for in vain. Waking nobody costs one read.</summary>
/// <remarks>
/// A thread announces itself, looks again, and then sleeps or withdraws. Whoever makes the thing happen does so with a full fence and then wakes
/// all: either it sees the announcement, or the thread's second look sees what happened.
/// </remarks>
internal sealed class Parking
{
    private readonly object _gate = new();
    private int _announced;
    private int _wakings;

    /// <summary>Announces that the calling thread is about to sleep; <see cref="Sleep"/> or <see cref="Withdraw"/> must follow.</summary>
    /// <returns>What <see cref="Sleep"/> needs.</returns>
    public int Announce()
    {
        Interlocked.Increment(ref _announced);
        return Volatile.Read(ref _wakings);
    }

    /// <summary>Takes an announcement back.</summary>
    public void Withdraw() => Interlocked.Decrement(ref _announced);

    /// <summary>Sleeps until <see cref="WakeAll"/> is called; returns at once if it was called after the announcement.</summary>
    public void Sleep(int announcement)
    {
        lock (_gate)
        {
            while (_wakings == announcement)
            {
                Monitor.Wait(_gate);
            }
        }

        Withdraw();
    }

    /// <summary>Wakes all that have announced themselves. What they wait for must be visible: written with a full fence.</summary>
    public void WakeAll()
    {
        if (Volatile.Read(ref _announced) == 0)
        {
            return;
        }

        lock (_gate)
        {
            _wakings++;
            Monitor.PulseAll(_gate);
        }
    }
}
