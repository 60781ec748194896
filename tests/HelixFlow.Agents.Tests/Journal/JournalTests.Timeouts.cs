using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    [Fact]
    public async Task Silence_a_long_attempt_and_a_late_start_are_three_things()
    {
        await using var host = new Host(Open());
        var options = new RunOptions { LeaseMs = 10_000, AttemptTimeoutMs = 60_000, StartTimeoutMs = 30_000, MaxAttempts = 3, BackoffMs = 100_000, MaxBackoffMs = 100_000 };
        string id = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("1"), Options = options })).Run!.Id;

        // Signs of life keep it, until it has taken too long.
        Lease first = Assert.Single(await host.ClaimAsync("t")).Lease;
        for (int beat = 0; beat < 8; beat++)
        {
            await host.PassAsync(7_000);
            Assert.Equal(LeaseState.Held, await host.Journal.ExtendAsync(first, Token));
        }

        await host.PassAsync(7_000);
        Assert.Equal(LeaseState.Lost, await host.Journal.ExtendAsync(first, Token));
        Assert.Equal("timeout", (await host.GetAsync(id)).Error!.Code);

        // It has been started in time once: that it waits for its next attempt for longer is no late start.
        await host.PassAsync(110_000);
        Lease second = Assert.Single(await host.ClaimAsync("t")).Lease;
        await host.PassAsync(12_000);
        Assert.Equal(LeaseState.Lost, await host.Journal.ExtendAsync(second, Token));
        RunRecord silent = await host.GetAsync(id);
        Assert.Equal(("worker_lost", RunState.Waiting, 2), (silent.Error!.Code, silent.State, silent.Attempt));

        string late = (await host.RequestAsync(new() { Project = "p", Type = "late", Input = Json("1"), Options = options })).Run!.Id;
        await host.PassAsync(32_000);
        Assert.Equal(("not_started_in_time", RunState.Dead), ((await host.GetAsync(late)).Error!.Code, (await host.GetAsync(late)).State));
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
    }

    [Fact]
    public async Task A_run_that_takes_too_long_altogether_ends_wherever_it_is_and_its_children_with_it()
    {
        await using var host = new Host(Open());
        var options = new RunOptions { TotalTimeoutMs = 60_000, MaxAttempts = 9, BackoffMs = 10_000, MaxBackoffMs = 10_000 };
        var request = new RunRequest { Project = "p", Type = "t", Input = Json("1"), Options = options };
        string id = (await host.RequestAsync(request)).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.FailAsync(claim.Lease, new RunError("broken", "broken"), false, Token));
        await host.PassAsync(30_000);
        claim = Assert.Single(await host.ClaimAsync("t"));
        string child = (await host.RequestAsync(request with { Type = "child", Parent = id, ParentAddress = "a", Options = new RunOptions() })).Run!.Id;
        await host.PassAsync(20_000);
        Assert.Equal(LeaseState.Held, await host.Journal.ExtendAsync(claim.Lease, Token));
        await host.PassAsync(12_000);
        Assert.Equal(LeaseState.Lost, await host.Journal.ExtendAsync(claim.Lease, Token));
        Assert.Equal((RunState.Dead, "total_timeout"), ((await host.GetAsync(id)).State, (await host.GetAsync(id)).Error!.Code));
        Assert.Equal(RunState.Cancelled, (await host.GetAsync(child)).State);

        // Tried anew its time begins again; one that has not come to its turn is ended too, and what waits for a later time is not late.
        Assert.Equal(RunState.Ready, (await host.Journal.RequeueAsync("p", id, null, "someone", Token))!.State);
        long now = await host.Journal.NowAsync(Token);
        string later = (await host.RequestAsync(request with { NotBefore = now + 1_000_000 })).Run!.Id, after = (await host.RequestAsync(request with { DependsOn = [id] })).Run!.Id;
        await host.PassAsync(40_000);
        Assert.Equal(RunState.Ready, (await host.GetAsync(id)).State);
        await host.PassAsync(30_000);
        Assert.Equal((RunState.Dead, RunState.Dead, RunState.Waiting), ((await host.GetAsync(id)).State, (await host.GetAsync(after)).State, (await host.GetAsync(later)).State));

        string unsafeRun = (await host.RequestAsync(request)).Run!.Id;
        claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.BeginStepAsync(claim.Lease, "send", new string('d', 64), EffectClass.Unsafe, Token));
        await host.PassAsync(62_000);
        Assert.Equal(RunState.Parked, (await host.GetAsync(unsafeRun)).State);
    }
}
