using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.InferenceNode.Tests.Placement;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.InferenceNode.Tests.Hosting;

public sealed class ModelHostTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ScriptedLoader _loader = new();
    private readonly StoppedClock _clock = new();
    private readonly List<ModelHost<FakeModel>> _hosts = [];

    public async ValueTask DisposeAsync()
    {
        foreach (ModelHost<FakeModel> host in _hosts)
        {
            await host.DisposeAsync();
        }

        Assert.Equal(0, _loader.Alive);
    }

    [Fact]
    public async Task Requests_for_a_loading_model_share_one_load()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));

        Task<ModelLease<FakeModel>>[] requests = [.. Enumerable.Range(0, 5).Select(_ => Acquire(host, "a"))];
        ScriptedLoader.Load load = await _loader.NextAsync();
        FakeModel model = load.Finish();

        ModelLease<FakeModel>[] leases = await Task.WhenAll(requests).WaitAsync(Patience);
        Assert.All(leases, lease => Assert.Same(model, lease.Model));
        Assert.Equal(5, Status(host, "a").Active);
        Assert.False(_loader.HasNext);
        leases[0].Dispose();
        leases[0].Dispose();
        Assert.Equal(4, Status(host, "a").Active);
    }

    [Fact]
    public async Task A_resident_model_is_handed_out_at_once()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        await LoadAsync(host, "a");

        ValueTask<ModelLease<FakeModel>> lease = host.AcquireAsync("a", CancellationToken.None);

        Assert.True(lease.IsCompletedSuccessfully);
        (await lease).Dispose();
    }

    [Fact]
    public async Task A_waiter_that_leaves_does_not_end_the_load()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        using var leaving = new CancellationTokenSource();
        Task<ModelLease<FakeModel>> request = host.AcquireAsync("a", leaving.Token).AsTask();
        ScriptedLoader.Load load = await _loader.NextAsync();

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request.WaitAsync(Patience));
        Assert.Equal(0, host.Snapshot().Waiting);
        load.Finish();
        (await Acquire(host, "a").WaitAsync(Patience)).Dispose();
        Assert.False(_loader.HasNext);
    }

    [Fact]
    public async Task A_failed_load_fails_all_who_wait_and_for_a_while_all_who_come()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        Task<ModelLease<FakeModel>>[] requests = [Acquire(host, "a"), Acquire(host, "a")];
        (await _loader.NextAsync()).Fail(new InvalidDataException("the file is cut short"));

        foreach (Task<ModelLease<FakeModel>> request in requests)
        {
            ModelLoadException failure = await Assert.ThrowsAsync<ModelLoadException>(() => request.WaitAsync(Patience));
            Assert.Equal(("a", "the file is cut short"), (failure.Model, failure.Reason));
            Assert.IsType<InvalidDataException>(failure.InnerException);
        }

        Assert.Equal((ModelState.Failed, "the file is cut short"), (Status(host, "a").State, Status(host, "a").Failure));
        Assert.Equal(0, host.Snapshot().Devices[0].UsedBytes);
        _clock.Advance(TimeSpan.FromSeconds(4.9));
        await Assert.ThrowsAsync<ModelLoadException>(() => Acquire(host, "a"));
        Assert.False(_loader.HasNext);
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        await LoadAsync(host, "a");
        Assert.Equal((ModelState.Resident, null), (Status(host, "a").State, Status(host, "a").Failure));
    }

    [Fact]
    public async Task What_makes_way_is_gone_before_the_load_begins()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        FakeModel a = await LoadAsync(host, "a");
        var gate = new TaskCompletionSource();
        a.DisposeGate = gate.Task;

        Task<ModelLease<FakeModel>> request = Acquire(host, "b");
        await UntilAsync(host, snapshot => snapshot.Models[1].Progress?.Phase == "unloading a");
        Assert.False(_loader.HasNext);
        gate.SetResult();
        ScriptedLoader.Load load = await _loader.NextAsync();

        Assert.True(a.IsDisposed);
        Assert.Equal(1, _loader.Alive);
        load.Finish();
        (await request.WaitAsync(Patience)).Dispose();
        Assert.Equal(ModelState.Unloaded, Status(host, "a").State);
    }

    [Fact]
    public async Task A_model_that_fails_to_unload_is_gone_all_the_same()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        (await LoadAsync(host, "a")).DisposeFailure = new InvalidOperationException("stuck");

        await LoadAsync(host, "b");

        Assert.Equal(ModelState.Unloaded, Status(host, "a").State);
    }

    [Fact]
    public async Task A_request_waits_until_busy_models_make_room()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        await LoadAsync(host, "a");
        ModelLease<FakeModel> lease = await Acquire(host, "a");

        Task<ModelLease<FakeModel>> request = Acquire(host, "b");
        Assert.Equal(1, Status(host, "b").Waiting);
        Assert.False(lease.Model.IsDisposed);
        lease.Dispose();
        (await _loader.NextAsync()).Finish();

        using ModelLease<FakeModel> b = await request.WaitAsync(Patience);
        Assert.Equal("b", b.Model.Name);
    }

    [Fact]
    public async Task When_a_waiter_leaves_its_reservation_ends_and_others_go_on()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        await LoadAsync(host, "a");
        using ModelLease<FakeModel> lease = await Acquire(host, "a");
        using var leaving = new CancellationTokenSource();
        Task<ModelLease<FakeModel>> b = host.AcquireAsync("b", leaving.Token).AsTask();
        _clock.Advance(TimeSpan.FromSeconds(3));
        Task<ModelLease<FakeModel>> a = Acquire(host, "a");
        Assert.False(a.IsCompleted);

        await leaving.CancelAsync();

        (await a.WaitAsync(Patience)).Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => b);
    }

    [Fact]
    public async Task A_full_queue_refuses()
    {
        ModelHost<FakeModel> host = Host(new ModelHostOptions { MaxWaiting = 2 }, [10], ("a", 6), ("b", 3));
        Task<ModelLease<FakeModel>>[] waiting = [Acquire(host, "a"), Acquire(host, "a")];

        ModelRefusedException refused = await Assert.ThrowsAsync<ModelRefusedException>(() => Acquire(host, "b"));

        Assert.Equal(ModelRefusal.QueueFull, refused.Refusal);
        (await _loader.NextAsync()).Finish();
        foreach (ModelLease<FakeModel> lease in await Task.WhenAll(waiting).WaitAsync(Patience))
        {
            lease.Dispose();
        }

        await LoadAsync(host, "b");
    }

    [Fact]
    public async Task Refusals_name_their_reason()
    {
        ModelHost<FakeModel> host = Host([10, 10], ("large", 20), ("pinned", 10), ("other", 5));
        Assert.Equal(ModelRefusal.Unknown, await RefusalAsync(host, "nothing"));
        Assert.Equal(ModelRefusal.Unknown, (await Assert.ThrowsAsync<ModelRefusedException>(() => host.UnloadAsync("nothing", true, CancellationToken.None))).Refusal);
        ModelRefusedException large = await Assert.ThrowsAsync<ModelRefusedException>(() => Acquire(host, "large"));
        Assert.Equal(ModelRefusal.DoesNotFit, large.Refusal);
        Assert.Equal(2, large.Split!.Devices.Count);
        Assert.NotNull(Status(host, "large").Refusal);

        await host.DisposeAsync();
        Assert.Equal(ModelRefusal.Closed, await RefusalAsync(host, "other"));
    }

    [Fact]
    public async Task A_pinned_model_is_not_evicted()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        host.Pin("a");
        await LoadAsync(host, "a");

        Assert.Equal(ModelRefusal.DoesNotFit, await RefusalAsync(host, "b"));
        host.Unpin("a");
        await LoadAsync(host, "b");
    }

    [Fact]
    public async Task Pinning_what_others_wait_for_refuses_them()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 6));
        await LoadAsync(host, "a");
        using ModelLease<FakeModel> lease = await Acquire(host, "a");
        Task<ModelLease<FakeModel>> b = Acquire(host, "b");

        host.Pin("a");

        Assert.Equal(ModelRefusal.DoesNotFit, (await Assert.ThrowsAsync<ModelRefusedException>(() => b.WaitAsync(Patience))).Refusal);
    }

    [Fact]
    public async Task Unloading_lets_requests_end_and_completes_when_the_memory_is_free()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        FakeModel model = await LoadAsync(host, "a");
        ModelLease<FakeModel> lease = await Acquire(host, "a");

        Assert.False(await host.UnloadAsync("a", waitForIdle: false, CancellationToken.None));
        Task<bool> unload = host.UnloadAsync("a", waitForIdle: true, CancellationToken.None);
        Assert.False(model.IsDisposed);
        lease.Dispose();

        Assert.True(await unload.WaitAsync(Patience));
        Assert.True(model.IsDisposed);
        Assert.Equal(ModelState.Unloaded, Status(host, "a").State);
        Assert.Equal(0, host.Snapshot().Devices[0].UsedBytes);
        await LoadAsync(host, "a");
        Assert.True(await host.UnloadAsync("a", waitForIdle: false, CancellationToken.None));
    }

    [Fact]
    public async Task Unloading_a_model_that_loads_gives_the_load_up()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        Task<ModelLease<FakeModel>> request = Acquire(host, "a");
        await _loader.NextAsync();

        Assert.True(await host.UnloadAsync("a", waitForIdle: false, CancellationToken.None).WaitAsync(Patience));

        Assert.Equal(ModelRefusal.Unloaded, (await Assert.ThrowsAsync<ModelRefusedException>(() => request)).Refusal);
        Assert.Equal(0, _loader.Alive);
        Assert.Equal(ModelState.Unloaded, Status(host, "a").State);
        await LoadAsync(host, "a");
    }

    [Fact]
    public async Task Replicas_are_loaded_onto_other_devices_and_unloaded_again()
    {
        ModelHost<FakeModel> host = Host([10, 10], ("a", 6));
        await host.SetReplicasAsync("a", 2);
        Task<ModelLease<FakeModel>> request = Acquire(host, "a");
        ScriptedLoader.Load first = await _loader.NextAsync();
        first.Finish();
        using ModelLease<FakeModel> one = await request.WaitAsync(Patience);
        ScriptedLoader.Load second = await _loader.NextAsync();
        second.Finish();
        await UntilAsync(host, snapshot => snapshot.Models[0].Replicas.Count(replica => replica.State == ReplicaState.Resident) == 2);

        using (ModelLease<FakeModel> two = await Acquire(host, "a"))
        {
            Assert.NotEqual(first.Device, second.Device);
            Assert.NotSame(one.Model, two.Model);
        }

        await host.SetReplicasAsync("a", 1);
        await UntilAsync(host, snapshot => snapshot.Models[0].Replicas.Count == 1);
        Assert.False(one.Model.IsDisposed);
    }

    [Fact]
    public async Task An_extra_replica_that_fails_to_load_disturbs_nobody()
    {
        ModelHost<FakeModel> host = Host([10, 10], ("a", 6));
        await host.SetReplicasAsync("a", 2);
        await LoadAsync(host, "a");

        (await _loader.NextAsync()).Fail(new IOException("no"));

        await UntilAsync(host, snapshot => snapshot.Models[0].Replicas.Count == 1);
        Assert.Equal(ModelState.Resident, Status(host, "a").State);
        (await Acquire(host, "a")).Dispose();
        Assert.False(_loader.HasNext);
    }

    [Fact]
    public async Task Progress_is_shown_and_watchers_are_told()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6));
        Assert.Equal(ModelState.Unloaded, Status(host, "a").State);
        Task<ModelLease<FakeModel>> request = Acquire(host, "a");
        ScriptedLoader.Load load = await _loader.NextAsync();
        HostSnapshot before = host.Snapshot();
        Task changed = host.WaitForChangeAsync(before.Version, CancellationToken.None);
        Assert.False(changed.IsCompleted);

        load.Progress.Report(new LoadProgress(0.25, "reading weights"));

        await changed.WaitAsync(Patience);
        Assert.Equal((ModelState.Loading, new LoadProgress(0.25, "reading weights")), (Status(host, "a").State, Status(host, "a").Progress));
        Assert.Equal(6, host.Snapshot().Devices[0].UsedBytes);
        Assert.True(host.WaitForChangeAsync(before.Version, CancellationToken.None).IsCompletedSuccessfully);
        load.Finish();
        (await request.WaitAsync(Patience)).Dispose();
    }

    [Fact]
    public async Task Closing_refuses_those_who_wait_and_disposes_what_is_loaded_and_loading()
    {
        ModelHost<FakeModel> host = Host([10], ("a", 6), ("b", 4), ("c", 6));
        FakeModel a = await LoadAsync(host, "a");
        ModelLease<FakeModel> lease = await Acquire(host, "a");
        Task<ModelLease<FakeModel>> b = Acquire(host, "b");
        await _loader.NextAsync();
        Task<ModelLease<FakeModel>> c = Acquire(host, "c");

        await host.DisposeAsync();

        Assert.True(a.IsDisposed);
        Assert.Equal(0, _loader.Alive);
        Assert.Equal(ModelRefusal.Closed, (await Assert.ThrowsAsync<ModelRefusedException>(() => b)).Refusal);
        Assert.Equal(ModelRefusal.Closed, (await Assert.ThrowsAsync<ModelRefusedException>(() => c)).Refusal);
        lease.Dispose();
    }

    [Fact]
    public async Task Many_requests_at_once_are_all_served_within_the_budget()
    {
        const int Models = 7;
        int inUse = 0;
        int alive = 0;
        var host = new ModelHost<FakeModel>(
            PlacementKit.Cpus(10, 12),
            async (model, _, _, cancellationToken) =>
            {
                await Task.Yield();
                cancellationToken.ThrowIfCancellationRequested();
                Assert.InRange(Interlocked.Increment(ref alive), 1, 4); // Two of five bytes fit each device.
                return new FakeModel(model, () => Interlocked.Decrement(ref alive));
            },
            new PlacementOptions { ReserveAfter = TimeSpan.Zero },
            new ModelHostOptions { MaxWaiting = 1000 },
            TimeProvider.System,
            NullLoggerFactory.Instance);
        _hosts.Add(host);
        for (int i = 0; i < Models; i++)
        {
            host.Add($"m{i}", PlacementKit.Need(5));
        }

        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() => WorkAsync(new Random(worker))))).WaitAsync(2 * Patience);

        Assert.Equal(0, inUse);
        Assert.Equal(0, host.Snapshot().Waiting);
        Assert.All(host.Snapshot().Models, model => Assert.Equal(0, model.Active));

        async Task WorkAsync(Random random)
        {
            for (int i = 0; i < 400; i++)
            {
                string name = $"m{random.Next(Models)}";
                using var leaving = new CancellationTokenSource();
                Task<ModelLease<FakeModel>> request = host.AcquireAsync(name, leaving.Token).AsTask();
                if (random.Next(5) == 0)
                {
                    await leaving.CancelAsync();
                }

                try
                {
                    using ModelLease<FakeModel> lease = await request;
                    Interlocked.Increment(ref inUse);
                    Assert.Equal(name, lease.Model.Name);
                    await Task.Yield();
                    Assert.False(lease.Model.IsDisposed);
                    Interlocked.Decrement(ref inUse);
                }
                catch (OperationCanceledException) when (leaving.IsCancellationRequested)
                {
                }
                catch (ModelRefusedException exception) when (exception.Refusal == ModelRefusal.Unloaded)
                {
                }

                if (random.Next(40) == 0)
                {
                    await host.UnloadAsync(name, waitForIdle: random.Next(2) == 0, CancellationToken.None);
                }
            }
        }
    }

    private static Task<ModelLease<FakeModel>> Acquire(ModelHost<FakeModel> host, string model) => host.AcquireAsync(model, CancellationToken.None).AsTask();

    private static ModelStatus Status(ModelHost<FakeModel> host, string model) => host.Snapshot().Models.Single(status => status.Name == model);

    private static async Task<ModelRefusal> RefusalAsync(ModelHost<FakeModel> host, string model) =>
        (await Assert.ThrowsAsync<ModelRefusedException>(() => Acquire(host, model).WaitAsync(Patience))).Refusal;

    private static async Task UntilAsync(ModelHost<FakeModel> host, Func<HostSnapshot, bool> condition)
    {
        using var guard = new CancellationTokenSource(Patience);
        for (HostSnapshot snapshot = host.Snapshot(); !condition(snapshot); snapshot = host.Snapshot())
        {
            await host.WaitForChangeAsync(snapshot.Version, guard.Token);
        }
    }

    private async Task<FakeModel> LoadAsync(ModelHost<FakeModel> host, string model)
    {
        Task load = host.LoadAsync(model, CancellationToken.None);
        FakeModel loaded = (await _loader.NextAsync()).Finish();
        await load.WaitAsync(Patience);
        return loaded;
    }

    private ModelHost<FakeModel> Host(long[] budgets, params (string Model, long Bytes)[] models) => Host(new ModelHostOptions(), budgets, models);

    private ModelHost<FakeModel> Host(ModelHostOptions options, long[] budgets, params (string Model, long Bytes)[] models)
    {
        var host = new ModelHost<FakeModel>(PlacementKit.Cpus(budgets), _loader.LoadAsync, new PlacementOptions(), options, _clock, NullLoggerFactory.Instance);
        foreach ((string model, long bytes) in models)
        {
            host.Add(model, PlacementKit.Need(bytes));
        }

        _hosts.Add(host);
        return host;
    }
}
