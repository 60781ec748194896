using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>The requests that wait. All but <see cref="WaitForAsync"/> need the lock.</summary>
internal sealed partial class ModelHost<TModel>
{
    private long _served = -1; // The placement's changes up to which those who wait have been asked for.

    private async Task<ModelLease<TModel>> WaitForAsync(string model, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Waiter<TModel> waiter;
        lock (_lock)
        {
            waiter = Enqueue(model);
            Serve(waiter.Model);
            ServeWaiters();
        }

        await using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (waiter, token) => ((Waiter<TModel>)waiter!).Cancel(token), waiter);
        return await waiter.Lease.ConfigureAwait(false);
    }

    private Waiter<TModel> Enqueue(string name)
    {
        HostedModel<TModel> model = FindOpen(name);
        if (model.Failure is { } failure && Now < model.FailureEnds)
        {
            throw new ModelLoadException(name, failure);
        }

        if (_waiting >= _options.MaxWaiting)
        {
            throw new ModelRefusedException(
                name, ModelRefusal.QueueFull, $"{_waiting} requests wait for models to be loaded, which is the limit. Please try again later.");
        }

        var waiter = new Waiter<TModel>(this, model, ++_lastNumber);
        if (model.Waiters.Count == 0)
        {
            _wanted.Add(model);
        }

        model.Waiters.AddLast(waiter);
        _waiting++;
        return waiter;
    }

    /// <summary>Lets those who wait go on, the longest waiting first, if anything has changed for them; then loads extra replicas into what is free.</summary>
    private void ServeWaiters()
    {
        while (_served != _placement.Changes && !_closed)
        {
            _served = _placement.Changes;
            _wanted.Sort(static (a, b) => a.Waiters.First!.Value.Number.CompareTo(b.Waiters.First!.Value.Number));
            foreach (HostedModel<TModel> model in _wanted.ToArray())
            {
                Serve(model);
            }

            while (_placement.PlanExtraReplica(Now) is { } plan)
            {
                BeginLoad(plan);
            }
        }
    }

    /// <summary>Lets as many of a model's requests go on as can.</summary>
    private void Serve(HostedModel<TModel> model)
    {
        while (model.Waiters.First is { } first)
        {
            AcquireOutcome outcome = _placement.Acquire(model.Name, Now);
            switch (outcome.Status)
            {
                case AcquireStatus.Resident:
                    model.Waiters.RemoveFirst();
                    Left(model);
                    first.Value.Grant(LeaseOf(outcome.Replica!));
                    break;
                case AcquireStatus.StartLoad:
                    BeginLoad(outcome.Plan!);
                    return;
                case AcquireStatus.Impossible:
                    FailWaiters(model, name => new ModelRefusedException(name, ModelRefusal.DoesNotFit, outcome.Refusal!.Reason, outcome.Refusal.Split));
                    return;
                default:
                    return;
            }
        }
    }

    private void FailWaiters(HostedModel<TModel> model, Func<string, Exception> reason)
    {
        while (model.Waiters.First is { } first)
        {
            model.Waiters.RemoveFirst();
            Left(model);
            first.Value.Fail(reason(model.Name));
        }
    }

    /// <summary>Notes that one of a model's requests has left the queue.</summary>
    private void Left(HostedModel<TModel> model)
    {
        _waiting--;
        if (model.Waiters.Count == 0)
        {
            _wanted.Remove(model);
            _placement.StopWaiting(model.Name);
        }
    }
}
