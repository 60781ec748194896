using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Tests.Placement;

/// <summary>
/// A node in virtual time: requests arrive, run and end; loads and unloads take time; those who wait stand in one queue and ask again, the first
/// first, whenever the placement says that something changed.
/// </summary>
internal sealed class PlacementSimulation(ModelPlacement placement, Func<string, double> loadSeconds, Func<double> unloadSeconds, Func<bool>? loadFails = null)
{
    private readonly PriorityQueue<Action, (double Time, long Order)> _events = new();
    private readonly LinkedList<Request> _waiting = [];
    private long _order;
    private long _asked = -1;
    private bool _newcomer;

    public double Now { get; private set; }

    public int Waiting => _waiting.Count;

    public int Loads { get; private set; }

    public void Schedule(double after, Action happening) => _events.Enqueue(happening, (Now + after, _order++));

    /// <summary>Lets a request arrive now; with patience given, it leaves when it is not served within that time.</summary>
    public Request Arrive(string model, double runsFor, double? patience = null)
    {
        var request = new Request(model, Now, runsFor);
        _waiting.AddLast(request);
        _newcomer = true;
        if (patience is { } seconds)
        {
            Schedule(seconds, () => Leave(request));
        }

        return request;
    }

    /// <summary>Runs until the condition holds.</summary>
    /// <returns>False when the time is up, or nothing is left to happen.</returns>
    public bool RunUntil(Func<bool> condition, double before)
    {
        while (!condition())
        {
            if (!_events.TryDequeue(out Action? happening, out (double Time, long) at) || at.Time > before)
            {
                return false;
            }

            Now = at.Time;
            happening();
            AskAgain();
        }

        return true;
    }

    private void AskAgain()
    {
        while (_asked != placement.Changes || _newcomer)
        {
            _asked = placement.Changes;
            _newcomer = false;
            for (LinkedListNode<Request>? node = _waiting.First; node is not null;)
            {
                LinkedListNode<Request>? next = node.Next;
                AcquireOutcome outcome = placement.Acquire(node.Value.Model, TimeSpan.FromSeconds(Now));
                switch (outcome.Status)
                {
                    case AcquireStatus.Resident:
                        _waiting.Remove(node);
                        Serve(node.Value, outcome.Replica!);
                        break;
                    case AcquireStatus.StartLoad:
                        Loads++;
                        Carry(outcome.Plan!);
                        break;
                    case AcquireStatus.Impossible:
                        throw new InvalidOperationException(outcome.Refusal!.Reason);
                }

                node = next;
            }
        }

        placement.CheckInvariants();
    }

    private void Leave(Request request)
    {
        if (_waiting.Remove(request) && !_waiting.Any(other => other.Model == request.Model))
        {
            placement.StopWaiting(request.Model);
        }
    }

    private void Serve(Request request, Replica replica)
    {
        request.WaitedSeconds = Now - request.Arrived;
        Schedule(request.RunsFor, () => placement.Release(replica));
    }

    private void Carry(LoadPlan plan)
    {
        int missing = plan.Evict.Count;
        foreach (Replica evicted in plan.Evict)
        {
            Schedule(unloadSeconds(), () =>
            {
                placement.Unloaded(evicted);
                if (--missing == 0)
                {
                    Load();
                }
            });
        }

        if (missing == 0)
        {
            Load();
        }

        void Load() => Schedule(loadSeconds(plan.Replica.Model), () =>
        {
            if (loadFails?.Invoke() == true)
            {
                placement.LoadFailed(plan.Replica, TimeSpan.FromSeconds(Now));
            }
            else
            {
                placement.LoadSucceeded(plan.Replica, TimeSpan.FromSeconds(Now));
            }
        });
    }

    internal sealed class Request(string model, double arrived, double runsFor)
    {
        public string Model => model;

        public double Arrived => arrived;

        public double RunsFor => runsFor;

        /// <summary>Null until it is served.</summary>
        public double? WaitedSeconds { get; set; }
    }
}
