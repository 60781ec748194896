using System.Diagnostics;

namespace HelixFlow.Gateway.Routing;

/// <summary>One priority: a heap of the projects that wait, by the start tag of their first request.</summary>
internal sealed class PriorityClass<T>
{
    private const int FewFlows = 64;

    private readonly Dictionary<string, ProjectFlow<T>> _flows = new(StringComparer.Ordinal);
    private readonly List<ProjectFlow<T>> _heap = [];
    private double _virtualTime;
    private long _arrivals;
    private int _sweepAbove = FewFlows;

    public int Count { get; private set; }

    /// <summary>When it was last served, or when its first request came if that was later.</summary>
    public TimeSpan WaitingSince { get; private set; }

    public QueueEntry<T>? Next => _heap.Count == 0 ? null : _heap[0].First;

    public void Add(QueueEntry<T> entry, double weight, TimeSpan now)
    {
        if (Count++ == 0)
        {
            WaitingSince = now;
        }

        if (!_flows.TryGetValue(entry.Project, out ProjectFlow<T>? flow))
        {
            flow = new ProjectFlow<T>(entry.Project, weight);
            _flows.Add(entry.Project, flow);
        }

        entry.VirtualArrival = _virtualTime;
        entry.Number = _arrivals++;
        flow.Append(entry);
        if (flow.HeapIndex < 0)
        {
            flow.TagFirst();
            flow.HeapIndex = _heap.Count;
            _heap.Add(flow);
            MoveUp(flow.HeapIndex);
        }
    }

    /// <summary>Takes the first request of the first project and charges the project for it.</summary>
    public void Serve(QueueEntry<T> entry, TimeSpan now)
    {
        Debug.Assert(ReferenceEquals(entry, Next));
        ProjectFlow<T> flow = entry.Flow!;
        _virtualTime = flow.Start;
        flow.Finish = flow.Start + (entry.Cost / flow.Weight);
        WaitingSince = now;
        Remove(entry);
    }

    public void Remove(QueueEntry<T> entry)
    {
        ProjectFlow<T> flow = entry.Flow!;
        bool wasFirst = ReferenceEquals(flow.First, entry);
        flow.Unlink(entry);
        Count--;
        if (flow.First is null)
        {
            RemoveFromHeap(flow);
            ForgetServed();
        }
        else if (wasFirst)
        {
            // The tag can only grow, or stay as it is with a later number.
            flow.TagFirst();
            MoveDown(flow.HeapIndex);
        }
    }

    /// <summary>Drops projects that do not wait and owe nothing, when many have come; all when nobody waits.</summary>
    private void ForgetServed()
    {
        if (Count == 0)
        {
            _flows.Clear();
            _sweepAbove = FewFlows;
            _virtualTime = 0;
        }
        else if (_flows.Count > _sweepAbove)
        {
            foreach (ProjectFlow<T> flow in _flows.Values)
            {
                if (flow.HeapIndex < 0 && flow.Finish <= _virtualTime)
                {
                    _flows.Remove(flow.Project); // allowed while enumerating
                }
            }

            _sweepAbove = FewFlows + (2 * _flows.Count); // twice as many come before the next sweep: its cost per request is constant
        }
    }

    private void RemoveFromHeap(ProjectFlow<T> flow)
    {
        int at = flow.HeapIndex;
        ProjectFlow<T> last = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        flow.HeapIndex = -1;
        if (!ReferenceEquals(last, flow))
        {
            _heap[at] = last;
            last.HeapIndex = at;
            MoveUp(at);
            MoveDown(last.HeapIndex);
        }
    }

    private void MoveUp(int at)
    {
        ProjectFlow<T> flow = _heap[at];
        while (at > 0)
        {
            int parent = (at - 1) / 2;
            if (!flow.IsBefore(_heap[parent]))
            {
                break;
            }

            Place(_heap[parent], at);
            at = parent;
        }

        Place(flow, at);
    }

    private void MoveDown(int at)
    {
        ProjectFlow<T> flow = _heap[at];
        while (true)
        {
            int child = (2 * at) + 1;
            if (child >= _heap.Count)
            {
                break;
            }

            if (child + 1 < _heap.Count && _heap[child + 1].IsBefore(_heap[child]))
            {
                child++;
            }

            if (!_heap[child].IsBefore(flow))
            {
                break;
            }

            Place(_heap[child], at);
            at = child;
        }

        Place(flow, at);
    }

    private void Place(ProjectFlow<T> flow, int at)
    {
        _heap[at] = flow;
        flow.HeapIndex = at;
    }
}
