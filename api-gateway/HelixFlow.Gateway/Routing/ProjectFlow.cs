namespace HelixFlow.Gateway.Routing;

/// <summary>The requests of one project in one class, first come first.</summary>
internal sealed class ProjectFlow<T>(string project, double weight)
{
    public string Project { get; } = project;

    public double Weight { get; } = weight;

    /// <summary>The finish tag of its last served request.</summary>
    public double Finish { get; set; }

    /// <summary>The start tag of its first request; meaningless when it has none.</summary>
    public double Start { get; private set; }

    public QueueEntry<T>? First { get; private set; }

    public QueueEntry<T>? Last { get; private set; }

    /// <summary>Its place in the heap; -1 when it has no requests.</summary>
    public int HeapIndex { get; set; } = -1;

    public bool IsBefore(ProjectFlow<T> other) => Start < other.Start || (Start == other.Start && First!.Number < other.First!.Number);

    public void Append(QueueEntry<T> entry)
    {
        entry.Flow = this;
        entry.Before = Last;
        if (Last is null)
        {
            First = entry;
        }
        else
        {
            Last.Behind = entry;
        }

        Last = entry;
    }

    public void Unlink(QueueEntry<T> entry)
    {
        if (entry.Before is null)
        {
            First = entry.Behind;
        }
        else
        {
            entry.Before.Behind = entry.Behind;
        }

        if (entry.Behind is null)
        {
            Last = entry.Before;
        }
        else
        {
            entry.Behind.Before = entry.Before;
        }

        entry.Flow = null;
        entry.Before = entry.Behind = null;
    }

    public void TagFirst() => Start = Math.Max(First!.VirtualArrival, Finish);
}
