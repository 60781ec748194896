using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace HelixFlow.Gateway.Routing;

/// <summary>What became of a request that wanted to wait.</summary>
internal enum EnqueueOutcome
{
    Queued,

    /// <summary>The queue holds as many requests as it may.</summary>
    QueueFull,

    /// <summary>The project has as many requests in the queue as it may.</summary>
    ProjectFull,
}

/// <summary>Requests that wait for a node: by priority, then a fair share per project, then first come, first served.</summary>
/// <remarks>
/// <para>
/// Priorities are strict: a higher class is served before a lower one, except that a class that waited for longer than
/// <see cref="FairQueueOptions.LongestClassWait"/> since it was last served is served one request, the longest wait first. Priorities beyond
/// <see cref="LowestPriority"/> and <see cref="HighestPriority"/> count as those.
/// </para>
/// <para>
/// Within a class it is start-time fair queueing (Goyal, Vin, Cheng 1996): a request's start tag is the class's virtual time when it came or its
/// project's last finish tag, whichever is later; its finish tag adds cost / weight; the smallest start tag is served next and becomes the virtual
/// time. While two projects both wait, what they are served, by weight, differs by at most one largest request of each. Tags are
/// given when a request becomes its project's first, so that one that leaves before costs its project nothing.
/// </para>
/// <para>
/// Not thread-safe: guarded by its owner's lock. O(log projects) for each operation. Times are since any fixed moment and never go back.
/// </para>
/// </remarks>
/// <typeparam name="T">The request.</typeparam>
internal sealed class FairQueue<T>
{
    public const int LowestPriority = -8;
    public const int HighestPriority = 7;

    private readonly int _maxLength;
    private readonly int _maxPerProject;
    private readonly TimeSpan _longestClassWait;
    private readonly Dictionary<string, double> _weights;
    private readonly Dictionary<string, int> _waiting = new(StringComparer.Ordinal); // requests by project, all classes
    private readonly PriorityClass<T>?[] _classes = new PriorityClass<T>?[HighestPriority - LowestPriority + 1]; // highest first

    public FairQueue(FairQueueOptions options)
    {
        options.Validate();
        _maxLength = options.MaxLength;
        _maxPerProject = options.MaxPerProject;
        _longestClassWait = options.LongestClassWait;
        _weights = new Dictionary<string, double>(options.Weights, StringComparer.Ordinal);
    }

    public int Count { get; private set; }

    /// <summary>Lets a request wait.</summary>
    /// <param name="value">The request.</param>
    /// <param name="project">Who it is accounted to.</param>
    /// <param name="priority">Higher is served first.</param>
    /// <param name="cost">What it will take, in tokens or any other unit that all requests use; above 0.</param>
    /// <param name="now">The time.</param>
    /// <param name="entry">Its place, to leave by; null when it was refused.</param>
    public EnqueueOutcome TryEnqueue(T value, string project, int priority, double cost, TimeSpan now, out QueueEntry<T>? entry)
    {
        if (!(cost > 0 && double.IsFinite(cost)))
        {
            throw new ArgumentOutOfRangeException(nameof(cost), cost, "A cost is a finite number above 0.");
        }

        entry = null;
        if (Count >= _maxLength)
        {
            return EnqueueOutcome.QueueFull;
        }

        int waiting = _waiting.GetValueOrDefault(project);
        if (waiting >= _maxPerProject)
        {
            return EnqueueOutcome.ProjectFull;
        }

        int at = HighestPriority - Math.Clamp(priority, LowestPriority, HighestPriority);
        PriorityClass<T> into = _classes[at] ??= new PriorityClass<T>();
        entry = new QueueEntry<T>(value, project, cost, into) { ArrivedAt = now };
        into.Add(entry, _weights.GetValueOrDefault(project, 1), now);
        _waiting[project] = waiting + 1;
        Count++;
        return EnqueueOutcome.Queued;
    }

    /// <summary>The request that <see cref="TryDequeue"/> would take at this time.</summary>
    public bool TryPeek(TimeSpan now, [NotNullWhen(true)] out QueueEntry<T>? entry)
    {
        entry = Next(now)?.Next;
        return entry is not null;
    }

    /// <summary>Takes the next request.</summary>
    public bool TryDequeue(TimeSpan now, [NotNullWhen(true)] out QueueEntry<T>? entry)
    {
        PriorityClass<T>? from = Next(now);
        entry = from?.Next;
        if (from is null || entry is null)
        {
            return false;
        }

        from.Serve(entry, now);
        Forget(entry);
        return true;
    }

    /// <summary>Lets a request leave before it was served; it costs its project nothing. False when it is not waiting any more.</summary>
    public bool Remove(QueueEntry<T> entry)
    {
        if (!entry.IsWaiting)
        {
            return false;
        }

        Debug.Assert(Array.IndexOf(_classes, entry.Class) >= 0, "it is of another queue");

        entry.Class.Remove(entry);
        Forget(entry);
        return true;
    }

    private void Forget(QueueEntry<T> entry)
    {
        Debug.Assert(!entry.IsWaiting);
        Count--;
        int left = _waiting[entry.Project] - 1;
        if (left == 0)
        {
            _waiting.Remove(entry.Project);
        }
        else
        {
            _waiting[entry.Project] = left;
        }
    }

    private PriorityClass<T>? Next(TimeSpan now)
    {
        PriorityClass<T>? highest = null;
        PriorityClass<T>? longest = null;
        foreach (PriorityClass<T>? each in _classes)
        {
            if (each is null || each.Count == 0)
            {
                continue;
            }

            highest ??= each;
            if (longest is null || each.WaitingSince < longest.WaitingSince)
            {
                longest = each;
            }
        }

        bool aged = longest is not null && _longestClassWait > TimeSpan.Zero && now - longest.WaitingSince >= _longestClassWait;
        return aged ? longest : highest;
    }
}
