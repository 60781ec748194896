namespace HelixFlow.Simulation.Cluster;

/// <summary>Virtual time: what is scheduled happens in the order of time, and at one time in the order in which it was scheduled.</summary>
internal sealed class EventQueue
{
    private readonly PriorityQueue<Action, (TimeSpan Time, long Order)> _events = new();
    private long _order;

    public TimeSpan Now { get; private set; }

    public void Schedule(TimeSpan after, Action happening) => _events.Enqueue(happening, (Now + after, _order++));

    /// <summary>Lets the next thing happen.</summary>
    /// <returns>False when nothing is left, or the next thing is beyond the limit.</returns>
    public bool Step(TimeSpan limit)
    {
        if (!_events.TryDequeue(out Action? happening, out (TimeSpan Time, long) at) || at.Time > limit)
        {
            return false;
        }

        Now = at.Time;
        happening();
        return true;
    }
}
