namespace HelixFlow.Gateway.Routing;

/// <summary>A request's place in a <see cref="FairQueue{T}"/>.</summary>
/// <remarks>Guarded by the lock of the queue's owner.</remarks>
internal sealed class QueueEntry<T>
{
    internal QueueEntry(T value, string project, double cost, PriorityClass<T> into)
    {
        Value = value;
        Project = project;
        Cost = cost;
        Class = into;
    }

    public T Value { get; }

    public string Project { get; }

    public double Cost { get; }

    public TimeSpan ArrivedAt { get; internal init; }

    public bool IsWaiting => Flow is not null;

    internal PriorityClass<T> Class { get; }

    internal ProjectFlow<T>? Flow { get; set; }

    internal QueueEntry<T>? Before { get; set; }

    internal QueueEntry<T>? Behind { get; set; }

    internal double VirtualArrival { get; set; }

    internal long Number { get; set; }
}
