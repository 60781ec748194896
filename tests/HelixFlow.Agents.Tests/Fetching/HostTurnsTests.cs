using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class HostTurnsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_is_asked_by_one_at_a_time_and_rests_between()
    {
        var time = new ManualTime();
        var turns = new HostTurns(time);
        HostTurns.Turn first = await turns.EnterAsync("a", Token);
        await first.RestAsync(TimeSpan.FromSeconds(1), Token); // it was not asked yet
        Task<HostTurns.Turn> second = turns.EnterAsync("A", Token);
        using HostTurns.Turn other = await turns.EnterAsync("b", Token);

        Assert.False(second.IsCompleted);
        first.Asked(TimeSpan.Zero);
        first.Dispose();
        using HostTurns.Turn turn = await second;
        Task rest = turn.RestAsync(TimeSpan.FromSeconds(1), Token);
        Assert.False(rest.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(rest.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await rest;
    }

    [Fact]
    public async Task A_host_rests_as_long_as_it_wants_once()
    {
        var time = new ManualTime();
        var turns = new HostTurns(time);
        using HostTurns.Turn turn = await turns.EnterAsync("a", Token);
        turn.Asked(TimeSpan.FromSeconds(7));
        Task rest = turn.RestAsync(TimeSpan.FromSeconds(1), Token);
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.False(rest.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        await rest;
        turn.Asked(TimeSpan.Zero);
        Task next = turn.RestAsync(TimeSpan.FromSeconds(1), Token);
        time.Advance(TimeSpan.FromSeconds(1));
        await next;
    }

    [Fact]
    public async Task Hosts_that_nobody_asks_are_forgotten_and_those_in_use_are_not()
    {
        var turns = new HostTurns(new ManualTime());
        HostTurns.Turn held = await turns.EnterAsync("held", Token);
        for (int i = 0; i < 5000; i++)
        {
            (await turns.EnterAsync($"host{i}", Token)).Dispose();
        }

        Assert.InRange(turns.Remembered, 1, 1100);
        Task<HostTurns.Turn> waits = turns.EnterAsync("held", Token);
        Assert.False(waits.IsCompleted);
        held.Dispose();
        (await waits).Dispose();
    }

    [Fact]
    public async Task Who_gives_up_waiting_takes_no_turn()
    {
        var turns = new HostTurns(new ManualTime());
        HostTurns.Turn held = await turns.EnterAsync("a", Token);
        using var gone = new CancellationTokenSource();
        Task<HostTurns.Turn> waits = turns.EnterAsync("a", gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
        held.Dispose();
        (await turns.EnterAsync("a", Token)).Dispose();
    }
}
