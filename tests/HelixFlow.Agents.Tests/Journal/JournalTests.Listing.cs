using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    [Fact]
    public async Task Pages_go_on_where_they_ended_whatever_comes_and_goes()
    {
        await using var host = new Host(Open());
        var expected = new List<string>();
        for (int i = 0; i < 7; i++)
        {
            expected.Insert(0, (await host.RequestAsync(i % 2 == 0 ? "even" : "odd")).Run!.Id);
            await host.RequestAsync("even", "other");
        }

        RunPage first = await host.Journal.PageAsync("p", new RunPageFilter([], null, null, 3), Token);
        await host.RequestAsync("even");
        await host.Journal.CancelAsync("p", first.Runs[^1].Id, "test", Token);
        Assert.Equal(RunDeletion.Deleted, await host.Journal.DeleteAsync("p", first.Runs[^1].Id, Token));
        RunPage second = await host.Journal.PageAsync("p", new RunPageFilter([RunState.Ready, RunState.Running], null, first.Next, 4), Token);

        Assert.Equal(expected, [.. first.Runs.Select(static run => run.Id), .. second.Runs.Select(static run => run.Id)]);
        Assert.Null(second.Next);
        Assert.All((await host.Journal.PageAsync("p", new RunPageFilter([RunState.Ready], "odd", null, 10), Token)).Runs, static run => Assert.Equal("odd", run.Type));
        Assert.Empty((await host.Journal.PageAsync("p", new RunPageFilter([RunState.Dead], null, null, 10), Token)).Runs);
    }

    [Fact]
    public async Task Runs_are_found_by_their_labels_their_parents_and_their_errors()
    {
        await using var host = new Host(Open());
        RunRequest request = new() { Project = "p", Type = "t", Input = Json("1") };
        string plain = (await host.RequestAsync(request)).Run!.Id;
        string red = (await host.RequestAsync(request with { Labels = new Dictionary<string, string> { ["co\"lour"] = "r'ed", ["size"] = "1" } })).Run!.Id;
        string child = (await host.RequestAsync(request with { Parent = red, ParentAddress = "a", DependsOn = [plain] })).Run!.Id;
        foreach (Claim claim in await host.Journal.ClaimAsync("w", ["t"], 2, Token))
        {
            Assert.True(await host.Journal.FailAsync(claim.Lease, new RunError(claim.Run.Id == red ? "br'oken" : "other", "It broke."), claim.Run.Id == red, Token));
        }

        RunPageFilter all = new([], null, null, 10);
        Assert.Equal([red], await IdsAsync(all with { Labels = new Dictionary<string, string> { ["co\"lour"] = "r'ed" } }));
        Assert.Equal([red], await IdsAsync(all with { Labels = new Dictionary<string, string> { ["co\"lour"] = "r'ed", ["size"] = "1" }, ErrorCode = "br'oken" }));
        Assert.Empty(await IdsAsync(all with { Labels = new Dictionary<string, string> { ["co\"lour"] = "r'ed", ["size"] = "2" } }));
        Assert.Equal([child], await IdsAsync(all with { Parent = red, Labels = new Dictionary<string, string>() }));
        Assert.Equal([plain], await IdsAsync(all with { ErrorCode = "other" }));
        Assert.Empty(await IdsAsync(all with { ErrorCode = "other", States = [RunState.Dead] }));

        RunRelations relations = (await host.Journal.RelationsAsync("p", child, Token))!;
        Assert.Equal((red, null, 0), (relations.Parent, relations.ForkedFrom, relations.Children));
        Assert.Equal([plain], relations.WaitsFor);
        Assert.Equal(1, (await host.Journal.RelationsAsync("p", red, Token))!.Children);
        Assert.Null(await host.Journal.RelationsAsync("q", red, Token));
        string fork = (await host.RequestAsync(request with { ForkOf = red })).Run!.Id;
        Assert.Equal(red, (await host.Journal.RelationsAsync("p", fork, Token))!.ForkedFrom);

        async Task<IEnumerable<string>> IdsAsync(RunPageFilter filter) => (await host.Journal.PageAsync("p", filter, Token)).Runs.Select(static run => run.Id);
    }

    [Fact]
    public async Task Runs_of_a_type_that_is_paused_wait_and_those_that_are_claimed_go_on()
    {
        await using var host = new Host(Open());
        await host.RequestAsync("t");
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        await host.Journal.PauseTypeAsync("t", "someone", Token);
        await host.Journal.PauseTypeAsync("t", "another", Token);
        string held = (await host.RequestAsync("t")).Run!.Id, free = (await host.RequestAsync("u")).Run!.Id;

        Assert.Equal([("t", "someone")], (await host.Journal.PausedTypesAsync(Token)).Select(static type => (type.Type, type.PausedBy)));
        Assert.Equal(free, Assert.Single(await host.Journal.ClaimAsync("w", ["t", "u"], 10, Token)).Run.Id);
        Assert.True(await host.Journal.SucceedAsync(claim.Lease, Json("1"), Token));
        var told = new List<string>();
        host.Journal.Ready += told.Add;
        await host.Journal.ResumeTypeAsync("t", Token);
        Assert.Contains("t", told);
        Assert.Equal(held, Assert.Single(await host.Journal.ClaimAsync("w", ["t", "u"], 10, Token)).Run.Id);
        Assert.Empty(await host.Journal.PausedTypesAsync(Token));
    }

    [Fact]
    public async Task A_run_is_deleted_with_its_rows_when_nobody_needs_it()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal(id, Assert.Single(await host.Journal.HeldAsync("p", 10, Token)).Run.Id);
        Assert.Empty(await host.Journal.HeldAsync("q", 10, Token));
        Assert.Equal(RunDeletion.NotEnded, await host.Journal.DeleteAsync("p", id, Token));
        Assert.True(await host.Journal.RecordStepAsync(claim.Lease, Step("a"), Json("1"), null, Token));
        host.Journal.ClockSkewMs += 500;
        Assert.True(await host.Journal.SucceedAsync(claim.Lease, Json("1"), Token));
        Assert.True(await host.Journal.UsualDurationAsync("p", "t", Token) >= 500);
        Assert.Null(await host.Journal.UsualDurationAsync("q", "t", Token));
        RunRecord fork = (await host.RequestAsync(new RunRequest { Project = "p", Type = "t", Input = Json("1"), ForkOf = id })).Run!;

        Assert.Equal(RunDeletion.Unknown, await host.Journal.DeleteAsync("q", id, Token));
        Assert.Equal(RunDeletion.InUse, await host.Journal.DeleteAsync("p", id, Token));
        await host.Journal.CancelAsync("p", fork.Id, "test", Token);
        Assert.Equal(RunDeletion.Deleted, await host.Journal.DeleteAsync("p", id, Token));
        Assert.Equal(RunDeletion.Unknown, await host.Journal.DeleteAsync("p", id, Token));
        Assert.Empty(await host.Journal.EventsAsync("p", id, 0, 10, Token));
        Assert.Empty(await host.Journal.StepsAsync("p", id, Token));
        Assert.Equal(fork.Id, (await host.GetAsync(fork.Id)).Id);
    }

    [Fact]
    public async Task The_lease_of_a_deleted_run_holds_no_other()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.SucceedAsync(claim.Lease, Json("1"), Token));
        Assert.Equal(RunDeletion.Deleted, await host.Journal.DeleteAsync("p", id, Token));
        await host.RequestAsync("t");
        Claim next = Assert.Single(await host.ClaimAsync("t"));

        Assert.NotEqual(claim.Lease.Run, next.Lease.Run);
        Assert.Equal(LeaseState.Lost, await host.Journal.ExtendAsync(claim.Lease, Token));
        Assert.False(await host.Journal.SucceedAsync(claim.Lease, Json("2"), Token));
    }
}
