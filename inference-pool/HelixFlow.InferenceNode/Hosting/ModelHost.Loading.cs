using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>Carrying out what the placement decides.</summary>
internal sealed partial class ModelHost<TModel>
{
    /// <summary>Needs the lock.</summary>
    private void BeginLoad(LoadPlan plan)
    {
        var replica = new HostedReplica<TModel>(plan.Replica) { Progress = new LoadProgress(0, "waiting") };
        _replicas.Add(plan.Replica, replica);
        HostedReplica<TModel>[] evicted = [.. plan.Evict.Select(victim => _replicas[victim])];
        replica.Work = Task.Run(() => LoadReplicaAsync(replica, evicted));
        SignalChange();
    }

    /// <summary>Needs the lock.</summary>
    private void BeginUnloads(IReadOnlyList<Replica> replicas)
    {
        foreach (Replica replica in replicas)
        {
            HostedReplica<TModel> hosted = _replicas[replica];
            hosted.Work = Task.Run(() => UnloadReplicaAsync(hosted));
        }

        SignalChange();
    }

    private async Task LoadReplicaAsync(HostedReplica<TModel> replica, HostedReplica<TModel>[] evicted)
    {
        string model = replica.Replica.Model;
        string device = replica.Replica.Device.Id;
        foreach (HostedReplica<TModel> victim in evicted)
        {
            SetProgress(replica, new LoadProgress(0, $"unloading {victim.Replica.Model}"));
            ModelHostLog.Evicting(_logger, victim.Replica.Model, device, model);
            await UnloadReplicaAsync(victim).ConfigureAwait(false);
        }

        long start = _time.GetTimestamp();
        try
        {
            replica.Stopping.Token.ThrowIfCancellationRequested();
            ModelHostLog.Loading(_logger, model, device);
            replica.Model = await _load(model, replica.Replica.Device, new ProgressOf(this, replica), replica.Stopping.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            EndFailedLoad(replica, exception);
            return;
        }

        ModelHostLog.Loaded(_logger, model, device, _time.GetElapsedTime(start).TotalMilliseconds);
        bool unload;
        lock (_lock)
        {
            unload = _placement.LoadSucceeded(replica.Replica, Now);
            replica.Progress = new LoadProgress(1, "ready");
            HostedModel<TModel> hosted = _models[model];
            hosted.Failure = null;
            if (!_closed)
            {
                Serve(hosted); // First those who waited for this load, lest it make way for others before it has answered any.
                ServeWaiters();
            }

            SignalChange();
        }

        if (unload)
        {
            await UnloadReplicaAsync(replica).ConfigureAwait(false);
        }
    }

    private void EndFailedLoad(HostedReplica<TModel> replica, Exception exception)
    {
        HostedModel<TModel> model;
        bool asked = replica.Stopping.IsCancellationRequested;
        lock (_lock)
        {
            model = _models[replica.Replica.Model];
            TimeSpan retry = Now + _options.RetryLoadAfter;
            _placement.LoadFailed(replica.Replica, retry);
            _replicas.Remove(replica.Replica);
            replica.SetGone();
            bool another = _placement.ReplicasOf(model.Name).Any(other => other is { State: not ReplicaState.Unloading, Leaving: false });
            if (!asked && !another)
            {
                model.Failure = exception;
                model.FailureEnds = retry;
                FailWaiters(model, name => new ModelLoadException(name, exception));
            }

            ServeWaiters();
            SignalChange();
        }

        if (asked)
        {
            ModelHostLog.LoadStopped(_logger, model.Name, replica.Replica.Device.Id);
        }
        else
        {
            ModelHostLog.LoadFailed(_logger, model.Name, replica.Replica.Device.Id, exception);
        }
    }

    private async Task UnloadReplicaAsync(HostedReplica<TModel> replica)
    {
        await DisposeModelAsync(replica).ConfigureAwait(false);
        ModelHostLog.Unloaded(_logger, replica.Replica.Model, replica.Replica.Device.Id);
        lock (_lock)
        {
            _placement.Unloaded(replica.Replica);
            _replicas.Remove(replica.Replica);
            replica.SetGone();
            ServeWaiters();
            SignalChange();
        }
    }

    private async Task DisposeModelAsync(HostedReplica<TModel> replica)
    {
        TModel? model = replica.Model;
        replica.Model = null;
        if (model is null)
        {
            return;
        }

        try
        {
            await model.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ModelHostLog.UnloadFailed(_logger, replica.Replica.Model, replica.Replica.Device.Id, exception);
        }
    }

    private static async Task StopLoadsAsync(IEnumerable<HostedReplica<TModel>> replicas)
    {
        foreach (HostedReplica<TModel> replica in replicas)
        {
            await replica.Stopping.CancelAsync().ConfigureAwait(false);
        }
    }

    private void SetProgress(HostedReplica<TModel> replica, LoadProgress progress)
    {
        lock (_lock)
        {
            replica.Progress = progress;
            SignalChange();
        }
    }

    private sealed class ProgressOf(ModelHost<TModel> host, HostedReplica<TModel> replica) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => host.SetProgress(replica, value with { Fraction = Math.Clamp(value.Fraction, 0, 1) });
    }
}
