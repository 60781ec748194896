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
}
