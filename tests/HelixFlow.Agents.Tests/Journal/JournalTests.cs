using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>What the journal promises on every database; the classes that derive from it say which one.</summary>
public abstract partial class JournalTests
{
    private const string Output = "{\"answer\":42}";

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Opens the test's own database; again and again the same.</summary>
    protected abstract (IDatabase Database, BlobFolder Blobs) Open();

    [Fact]
    public async Task A_run_is_requested_claimed_and_ends_with_its_output()
    {
        await using var host = new Host(Open());
        RunRecord run = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = "{\"b\":1, \"a\":[1.0]}"u8.ToArray() })).Run!;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));

        Assert.Equal(run.Id, claim.Run.Id);
        Assert.Equal("{\"a\":[1],\"b\":1}", Encoding.UTF8.GetString(claim.Input!));
        Assert.True(await host.Journal.ProgressAsync(claim.Lease, 40, "half way", null, Token));
        Assert.True(await host.Journal.SucceedAsync(claim.Lease, Json(Output), Token));
        RunRecord ended = await host.GetAsync(run.Id);
        Assert.Equal((RunState.Succeeded, 100, 1), (ended.State, ended.Progress, ended.Attempt));
        Assert.Equal(Output, Encoding.UTF8.GetString(await host.Journal.ReadAsync(ended.Output!, Token)));
        Assert.Equal(["Requested", "AttemptStarted", "Progressed", "Succeeded"], await host.KindsAsync(run.Id));
        Assert.Empty(await host.ClaimAsync("t"));
    }

    [Fact]
    public async Task What_was_acknowledged_is_there_after_reopening()
    {
        string id;
        await using (var host = new Host(Open()))
        {
            id = (await host.RequestAsync("t")).Run!.Id;
        }

        await using var again = new Host(Open());
        Assert.Equal(id, Assert.Single(await again.ClaimAsync("t")).Run.Id);
    }

    [Fact]
    public async Task The_same_key_gives_the_same_run_and_another_content_is_a_conflict()
    {
        await using var host = new Host(Open());
        var request = new RunRequest { Project = "p", Type = "t", Input = Json("{\"x\":1}"), Key = "k" };
        RunStart[] starts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => host.RequestAsync(request)));

        Assert.Single(starts, static start => start.Kind == RunStartKind.Created);
        Assert.Equal(7, starts.Count(static start => start.Kind == RunStartKind.Existing));
        Assert.Single(starts.Select(static start => start.Run!.Id).Distinct());
        Assert.Equal(RunStartKind.Existing, (await host.RequestAsync(request with { Input = Json("{ \"x\" : 1.0 }") })).Kind);
        Assert.Equal(RunStartKind.Conflict, (await host.RequestAsync(request with { Input = Json("{\"x\":2}") })).Kind);
        Assert.Equal(RunStartKind.Created, (await host.RequestAsync(request with { Project = "q" })).Kind);
    }

    [Fact]
    public async Task A_worker_that_lost_its_lease_writes_nothing_more()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim zombie = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal(LeaseState.Held, await host.Journal.ExtendAsync(zombie.Lease, Token));
        await host.PassAsync(31_000);
        await host.PassAsync(2_000);
        Claim second = Assert.Single(await host.ClaimAsync("t"));

        Assert.Equal(id, second.Run.Id);
        Assert.True(second.Lease.Fence > zombie.Lease.Fence);
        Assert.Equal(LeaseState.Lost, await host.Journal.ExtendAsync(zombie.Lease, Token));
        Assert.False(await host.Journal.RecordStepAsync(zombie.Lease, Step("a"), Json("1"), null, Token));
        Assert.False(await host.Journal.ProgressAsync(zombie.Lease, 99, null, null, Token));
        Assert.False(await host.Journal.FailAsync(zombie.Lease, new("late", "late"), true, Token));
        Assert.False(await host.Journal.SucceedAsync(zombie.Lease, Json("\"zombie\""), Token));
        Assert.True(await host.Journal.SucceedAsync(second.Lease, Json(Output), Token));
        Assert.Equal(Output, Encoding.UTF8.GetString(await host.Journal.ReadAsync((await host.GetAsync(id)).Output!, Token)));
        Assert.Empty(await host.Journal.StepsAsync("p", id, Token));
    }

    [Fact]
    public async Task A_run_that_keeps_failing_is_tried_ever_later_then_dead_and_can_be_requeued_with_another_input()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("1"), Options = new() { MaxAttempts = 3, BackoffMs = 100_000 } })).Run!.Id;
        long waited = 0;
        for (int attempt = 1; attempt <= 3; attempt++)
        {
            Claim claim = Assert.Single(await host.ClaimAsync("t"));
            Assert.Equal(attempt, claim.Run.Attempt);
            Assert.True(await host.Journal.FailAsync(claim.Lease, new("broken", $"attempt {attempt}"), false, Token));
            RunRecord run = await host.GetAsync(id);
            if (attempt < 3)
            {
                Assert.Equal(RunState.Waiting, run.State);
                Assert.Empty(await host.ClaimAsync("t"));
                long wait = 100_000L << (attempt - 1); // so long that the time of a real server does not matter
                Assert.True(wait > waited);
                await host.PassAsync(wait / 3);
                Assert.Empty(await host.ClaimAsync("t"));
                await host.PassAsync(waited = wait);
            }
        }

        RunRecord dead = await host.GetAsync(id);
        Assert.Equal((RunState.Dead, "attempt 3"), (dead.State, dead.Error!.Message));
        RunRecord requeued = (await host.Journal.RequeueAsync("p", id, Json("2"), "someone", Token))!;
        Assert.Equal((RunState.Ready, 2), (requeued.State, requeued.Epoch));
        Claim again = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal("2", Encoding.UTF8.GetString(again.Input!));
        Assert.Equal(1, again.Run.Attempt);
    }

    [Fact]
    public async Task Priorities_come_first_then_fair_shares_then_the_order_of_arrival()
    {
        await using var host = new Host(Open());
        host.Options.Weights["heavy"] = 3;
        for (int i = 0; i < 40; i++)
        {
            await host.RequestAsync("t", "light", $"light {i}");
        }

        for (int i = 0; i < 40; i++)
        {
            await host.RequestAsync("t", "heavy", $"heavy {i}");
        }

        await host.RequestAsync("t", "light", "urgent", RunPriority.High);
        IReadOnlyList<Claim> claims = await host.Journal.ClaimAsync("w", ["t"], 25, Token);

        Assert.Equal("urgent", InputOf(claims[0]));
        string[] rest = [.. claims.Skip(1).Select(InputOf)];
        Assert.Equal(18, rest.Count(static input => input.StartsWith("heavy", StringComparison.Ordinal)));
        foreach (string project in (string[])["heavy", "light"])
        {
            string[] own = [.. rest.Where(input => input.StartsWith(project, StringComparison.Ordinal))];
            Assert.Equal(Enumerable.Range(0, own.Length).Select(i => $"{project} {i}"), own);
        }
    }

    [Fact]
    public async Task Who_waits_for_long_rises_above_those_who_came_later_with_more_priority()
    {
        await using var host = new Host(Open());
        host.Options.AgeingMs = 60_000;
        await host.RequestAsync("t", "p", "old", RunPriority.Low);
        for (int i = 0; i < 2; i++)
        {
            await host.PassAsync(61_000);
        }

        await host.RequestAsync("t", "p", "new", RunPriority.Normal);
        Assert.Equal("old", InputOf(Assert.Single(await host.Journal.ClaimAsync("w", ["t"], 1, Token))));
    }

    [Fact]
    public async Task A_run_waits_for_its_dependencies_and_dies_with_them()
    {
        await using var host = new Host(Open());
        string first = (await host.RequestAsync("t", "p", "first")).Run!.Id;
        string second = (await host.RequestAsync("t", "p", "second")).Run!.Id;
        var third = new RunRequest { Project = "p", Type = "t", Input = Json("\"third\""), DependsOn = [first, second] };
        string waiting = (await host.RequestAsync(third)).Run!.Id;
        string anyway = (await host.RequestAsync(third with { Options = new() { RunAfterFailure = true } })).Run!.Id;
        Assert.Equal(RunStartKind.UnknownRun, (await host.RequestAsync(third with { DependsOn = ["job_nowhere"] })).Kind);
        IReadOnlyList<Claim> claims = await host.Journal.ClaimAsync("w", ["t"], 10, Token);
        Assert.Equal([first, second], claims.Select(static claim => claim.Run.Id));

        await host.Journal.SucceedAsync(claims[0].Lease, Json("1"), Token);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(waiting)).State);
        await host.Journal.FailAsync(claims[1].Lease, new("broken", "broken"), true, Token);

        Assert.Equal((RunState.Dead, "dependency_failed"), ((await host.GetAsync(waiting)).State, (await host.GetAsync(waiting)).Error!.Code));
        Assert.Equal(RunState.Ready, (await host.GetAsync(anyway)).State);
        string late = (await host.RequestAsync(third)).Run!.Id;
        Assert.Equal(RunState.Dead, (await host.GetAsync(late)).State);
    }

    [Fact]
    public async Task A_run_that_is_tried_anew_waits_again_for_its_dependencies()
    {
        await using var host = new Host(Open());
        string first = (await host.RequestAsync("t", "p", "first")).Run!.Id;
        var second = new RunRequest { Project = "p", Type = "t", Input = Json("\"second\""), DependsOn = [first] };
        string waiting = (await host.RequestAsync(second)).Run!.Id, anyway = (await host.RequestAsync(second with { Options = new() { RunAfterFailure = true } })).Run!.Id;
        await host.Journal.CancelAsync("p", waiting, "someone", Token);
        Assert.Equal((RunState.Waiting, 1), (await RequeueAsync(waiting), (await host.Journal.RelationsAsync("p", waiting, Token))!.WaitsFor.Count));

        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        await host.Journal.FailAsync(claim.Lease, new("broken", "broken"), true, Token);
        Assert.Equal((RunState.Dead, "dependency_failed"), ((await host.GetAsync(waiting)).State, (await host.GetAsync(waiting)).Error!.Code));
        Assert.Equal((RunState.Dead, 3), (await RequeueAsync(waiting), (await host.GetAsync(waiting)).Epoch));
        await host.Journal.CancelAsync("p", anyway, "someone", Token);
        Assert.Equal(RunState.Ready, await RequeueAsync(anyway));

        Assert.Equal(RunState.Ready, await RequeueAsync(first));
        Assert.Equal(RunState.Waiting, await RequeueAsync(waiting));
        await host.PassAsync(1_000_000);
        foreach (Claim again in await host.Journal.ClaimAsync("w", ["t"], 10, Token))
        {
            Assert.True(await host.Journal.SucceedAsync(again.Lease, Json("1"), Token));
        }

        Assert.Equal(RunState.Ready, (await host.GetAsync(waiting)).State);
        Assert.Equal(RunState.Ready, RunFold.Of(await host.Journal.EventsAsync("p", waiting, 0, 100, Token)).State);
        await host.Journal.CancelAsync("p", waiting, "someone", Token);
        Assert.Equal(RunDeletion.Deleted, await host.Journal.DeleteAsync("p", first, Token));
        Assert.Equal(RunState.Ready, await RequeueAsync(waiting));

        async Task<RunState> RequeueAsync(string id) => (await host.Journal.RequeueAsync("p", id, null, "someone", Token))!.State;
    }

    [Fact]
    public async Task A_step_that_must_not_be_repeated_is_asked_about_after_a_crash()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.RecordStepAsync(claim.Lease, Step("before"), Json("1"), null, Token));
        Assert.True(await host.Journal.BeginStepAsync(claim.Lease, "send", "d", EffectClass.Unsafe, Token));
        await host.PassAsync(31_000);

        Assert.Equal(RunState.Parked, (await host.GetAsync(id)).State);
        await host.PassAsync(1_000_000);
        Assert.Empty(await host.ClaimAsync("t"));
        Assert.Equal(RunState.Parked, (await host.Journal.DecideStepAsync("p", id, "before", null, "someone", Token))!.State);
        Assert.Equal(RunState.Ready, (await host.Journal.DecideStepAsync("p", id, "send", Json("\"sent\""), "someone", Token))!.State);
        Claim again = Assert.Single(await host.ClaimAsync("t"));
        StepRecord decided = (await host.Journal.LoadStepsAsync(again.Lease, Token))["send"];
        Assert.Equal((StepState.Succeeded, StepSource.Decided), (decided.State, decided.Source));
        Assert.Equal("\"sent\"", Encoding.UTF8.GetString(await host.Journal.ReadAsync(decided.Output!, Token)));
    }

    [Fact]
    public async Task A_step_is_recorded_once()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.RecordStepAsync(claim.Lease, Step("a"), Json("1"), ("p", 0), Token));
        Assert.True(await host.Journal.RecordStepAsync(claim.Lease, Step("a"), Json("2"), null, Token));

        StepRecord step = Assert.Single(await host.Journal.StepsAsync("p", id, Token));
        Assert.Equal("1", Encoding.UTF8.GetString(await host.Journal.ReadAsync(step.Output!, Token)));
        Assert.Equal(step.Output, await host.Journal.FindCachedAsync("p", "d", Token));
        Assert.Null(await host.Journal.FindCachedAsync("q", "d", Token));
        Assert.Single(await host.KindsAsync(id), static kind => kind == "StepSucceeded");
    }

    [Fact]
    public async Task A_fork_uses_the_steps_that_it_may_and_no_others()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        await host.Journal.RecordStepAsync(claim.Lease, Step("a"), Json("1"), null, Token);
        await host.Journal.RecordStepAsync(claim.Lease, Step("gate", EffectClass.Gate), Json("true"), null, Token);
        await host.Journal.RecordStepAsync(claim.Lease, Step("b"), Json("2"), null, Token);
        await host.Journal.SucceedAsync(claim.Lease, Json("3"), Token);

        await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("null"), ForkOf = id });
        Claim whole = Assert.Single(await host.ClaimAsync("t"));
        Dictionary<string, StepRecord> all = await host.Journal.LoadStepsAsync(whole.Lease, Token);
        Assert.Equal(["a", "b"], all.Keys.Order(StringComparer.Ordinal));
        Assert.All(all.Values, static step => Assert.Equal(StepSource.Fork, step.Source));
        await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("null"), ForkOf = id, ForkFrom = "b" });
        Claim part = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.RecordStepAsync(part.Lease, Step("a"), Json("10"), null, Token));
        StepRecord own = Assert.Single((await host.Journal.LoadStepsAsync(part.Lease, Token)).Values);
        Assert.Equal(("a", StepSource.Executed), (own.Address, own.Source));
        Assert.Equal(RunStartKind.UnknownRun, (await host.RequestAsync(new() { Project = "other", Type = "t", Input = Json("null"), ForkOf = id })).Kind);
    }

    [Fact]
    public async Task Cancelling_ends_what_nobody_runs_and_asks_who_does()
    {
        await using var host = new Host(Open());
        string ready = (await host.RequestAsync("other")).Run!.Id;
        string running = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        string child = (await host.RequestAsync(new() { Project = "p", Type = "other", Input = Json("1"), Parent = running, ParentAddress = "child" })).Run!.Id;

        Assert.Equal(RunState.Cancelled, (await host.Journal.CancelAsync("p", ready, "me", Token))!.State);
        Assert.Equal(RunState.Running, (await host.Journal.CancelAsync("p", running, "me", Token))!.State);
        Assert.Null(await host.Journal.CancelAsync("q", running, "me", Token));
        Assert.Equal(LeaseState.CancelRequested, await host.Journal.ExtendAsync(claim.Lease, Token));
        Assert.Equal(RunState.Cancelled, (await host.GetAsync(child)).State);
        Assert.True(await host.Journal.CancelledAsync(claim.Lease, Token));
        Assert.Equal(RunState.Cancelled, (await host.GetAsync(running)).State);
        Assert.Empty(await host.Journal.ClaimAsync("w", ["t", "other"], 10, Token));
    }

    [Fact]
    public async Task A_run_that_waits_for_a_signal_holds_no_worker_and_misses_none()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.SuspendAsync(claim.Lease, null, "go", [], Token));
        await host.PassAsync(10_000_000);
        Assert.Empty(await host.ClaimAsync("t"));

        await host.Journal.SignalAsync("p", id, "go", JsonElement.Parse("1"), Token);
        Claim second = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal("1", await host.Journal.TakeSignalAsync(second.Lease, "go", "wait/0", Token));
        Assert.Equal("1", await host.Journal.TakeSignalAsync(second.Lease, "go", "wait/0", Token));
        Assert.Null(await host.Journal.TakeSignalAsync(second.Lease, "go", "wait/1", Token));
        await host.Journal.SignalAsync("p", id, "go", JsonElement.Parse("2"), Token); // while it runs
        Assert.True(await host.Journal.SuspendAsync(second.Lease, null, "go", [], Token));
        Claim third = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal("2", await host.Journal.TakeSignalAsync(third.Lease, "go", "wait/1", Token));
        Assert.Equal(1, third.Run.Attempt);
    }

    [Fact]
    public async Task A_run_that_waits_for_its_children_goes_on_when_the_last_has_ended()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim parent = Assert.Single(await host.ClaimAsync("t"));
        string[] children = [.. (await Task.WhenAll(Enumerable.Range(0, 3).Select(i => host.RequestAsync(
            new() { Project = "p", Type = "child", Input = Json($"{i}"), Parent = id, ParentAddress = $"child/{i}" })))).Select(static start => start.Run!.Id)];
        Assert.True(await host.Journal.SuspendAsync(parent.Lease, null, null, children, Token));
        IReadOnlyList<Claim> claims = await host.Journal.ClaimAsync("w", ["child"], 10, Token);
        await host.Journal.SucceedAsync(claims[0].Lease, Json("1"), Token);
        await host.Journal.FailAsync(claims[1].Lease, new("broken", "broken"), true, Token);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
        await host.Journal.SucceedAsync(claims[2].Lease, Json("1"), Token);

        Claim again = Assert.Single(await host.ClaimAsync("t"));
        Assert.Equal(id, again.Run.Id);
        Assert.True(await host.Journal.SuspendAsync(again.Lease, null, null, children, Token)); // all have ended already
        Assert.Single(await host.ClaimAsync("t"));
    }

    [Fact]
    public async Task A_run_waits_for_its_children_no_longer_than_it_wants()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim parent = Assert.Single(await host.ClaimAsync("t"));
        string child = (await host.RequestAsync(new() { Project = "p", Type = "child", Input = Json("1"), Parent = id, ParentAddress = "child" })).Run!.Id;
        Assert.True(await host.Journal.SuspendAsync(parent.Lease, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 600_000, null, [child], Token));
        await host.PassAsync(300_000);
        Assert.Empty(await host.ClaimAsync("t"));
        await host.PassAsync(310_000);

        Claim again = Assert.Single(await host.ClaimAsync("t"));
        Claim claimed = Assert.Single(await host.ClaimAsync("child"));
        Assert.True(await host.Journal.SucceedAsync(claimed.Lease, Json("1"), Token));
        Assert.Equal(RunState.Running, (await host.GetAsync(id)).State);
        Assert.True(await host.Journal.SucceedAsync(again.Lease, Json("1"), Token));
    }

    [Fact]
    public async Task A_run_starts_at_its_time_and_is_dead_when_nobody_starts_it_in_time()
    {
        await using var host = new Host(Open());
        long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        string timed = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("1"), NotBefore = now + 600_000 })).Run!.Id;
        string hasty = (await host.RequestAsync(new() { Project = "p", Type = "nobody", Input = Json("1"), Options = new() { StartTimeoutMs = 300_000 } })).Run!.Id;
        await host.PassAsync(200_000);
        Assert.Empty(await host.ClaimAsync("t"));
        Assert.Equal(RunState.Ready, (await host.GetAsync(hasty)).State);
        await host.PassAsync(410_000);

        Assert.Equal(timed, Assert.Single(await host.ClaimAsync("t")).Run.Id);
        Assert.Equal((RunState.Dead, "not_started_in_time"), ((await host.GetAsync(hasty)).State, (await host.GetAsync(hasty)).Error!.Code));
    }

    [Fact]
    public async Task An_attempt_that_takes_too_long_is_lost_however_often_its_worker_says_that_it_lives()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("1"), Options = new() { AttemptTimeoutMs = 600_000, LeaseMs = 300_000, MaxAttempts = 1 } })).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        for (int i = 0; i < 3; i++)
        {
            await host.PassAsync(190_000);
            Assert.Equal(LeaseState.Held, await host.Journal.ExtendAsync(claim.Lease, Token));
        }

        await host.PassAsync(60_000);
        Assert.Equal((RunState.Dead, "timeout"), ((await host.GetAsync(id)).State, (await host.GetAsync(id)).Error!.Code));
    }

    [Fact]
    public async Task Limits_of_types_and_projects_hold()
    {
        await using var host = new Host(Open());
        host.Options.MostOfType["t"] = 5;
        host.Options.MostOfProject["p"] = 2;
        for (int i = 0; i < 200; i++)
        {
            await host.RequestAsync("t", "p", $"{i}");
        }

        for (int i = 0; i < 4; i++)
        {
            await host.RequestAsync("t", "q", $"{i}", RunPriority.Low);
        }

        IReadOnlyList<Claim> claims = await host.Journal.ClaimAsync("w", ["t"], 100, Token);
        Assert.Equal(5, claims.Count);
        Assert.Equal(2, claims.Count(static claim => claim.Run.Project == "p"));
        Assert.Empty(await host.Journal.ClaimAsync("w", ["t"], 100, Token));
        await host.Journal.SucceedAsync(claims.First(static claim => claim.Run.Project == "p").Lease, Json("1"), Token);
        Assert.Equal("p", Assert.Single(await host.Journal.ClaimAsync("w", ["t"], 100, Token)).Run.Project);
    }

    [Fact]
    public async Task A_large_value_is_kept_as_a_file_and_read_back()
    {
        await using var host = new Host(Open());
        string large = JsonSerializer.Serialize(new string('x', 100_000));
        await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json(large) });
        Claim claim = Assert.Single(await host.ClaimAsync("t"));

        Assert.Null(claim.Input);
        Assert.Equal(large, Encoding.UTF8.GetString(await host.Journal.ReadAsync(claim.Run.Input, Token)));
    }

    [Fact]
    public async Task Many_workers_claim_each_run_once()
    {
        await using var host = new Host(Open());
        for (int i = 0; i < 100; i++)
        {
            await host.RequestAsync("t", $"p{i % 7}", $"{i}");
        }

        Claim[][] claims = await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var own = new List<Claim>();
            while (await host.Journal.ClaimAsync($"w{worker}", ["t"], 5, Token) is { Count: > 0 } some)
            {
                own.AddRange(some);
            }

            return own.ToArray();
        }, Token)));

        Assert.Equal(100, claims.Sum(static own => own.Length));
        Assert.Equal(100, claims.SelectMany(static own => own).Select(static claim => claim.Run.Id).Distinct().Count());
    }

    [Fact]
    public async Task Events_are_numbered_without_gaps_and_can_be_read_from_any_place()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => host.Journal.RecordStepAsync(claim.Lease, Step($"s{i}"), Json($"{i}"), null, Token)));

        List<NumberedEvent> events = await host.Journal.EventsAsync("p", id, 0, 1000, Token);
        Assert.Equal(Enumerable.Range(1, 32).Select(static i => (long)i), events.Select(static numbered => numbered.Number));
        Assert.Equal(events.Skip(20).Take(5).Select(static numbered => numbered.Number), (await host.Journal.EventsAsync("p", id, 20, 5, Token)).Select(static numbered => numbered.Number));
        Assert.Empty(await host.Journal.EventsAsync("q", id, 0, 10, Token));
    }

    [Fact]
    public async Task Lists_go_from_the_newest_to_the_oldest_page_by_page()
    {
        await using var host = new Host(Open());
        var ids = new List<string>();
        for (int i = 0; i < 9; i++)
        {
            ids.Add((await host.RequestAsync(i % 3 == 0 ? "u" : "t")).Run!.Id);
        }

        ids.Reverse();
        var listed = new List<string>();
        while (await host.Journal.ListAsync("p", new(null, null, listed.LastOrDefault(), 4), Token) is { Count: > 0 } page)
        {
            listed.AddRange(page.Select(static run => run.Id));
        }

        Assert.Equal(ids, listed);
        Assert.Equal(3, (await host.Journal.ListAsync("p", new(RunState.Ready, "u", null, 100), Token)).Count);
        Assert.Empty(await host.Journal.ListAsync("q", new(null, null, null, 100), Token));
    }

    private static StepRecord Step(string address, EffectClass effect = EffectClass.Pure) => new(address, "d", effect, StepState.Succeeded, null, StepSource.Executed, 1, 0);

    private static byte[] Json(string json) => Encoding.UTF8.GetBytes(json);

    private static string InputOf(Claim claim) => JsonSerializer.Deserialize<string>(claim.Input!)!;

    /// <summary>A journal with its database, and a clock that the test moves.</summary>
    private sealed class Host((IDatabase Database, BlobFolder Blobs) storage) : IAsyncDisposable
    {
        private Agents.Journal.Journal? _journal;

        public JournalOptions Options { get; } = new();

        public Agents.Journal.Journal Journal => _journal ??= new(storage.Database, storage.Blobs, TimeProvider.System, Options);

        public Task<RunStart> RequestAsync(RunRequest request) => Journal.RequestAsync(request, Token);

        public Task<RunStart> RequestAsync(string type, string project = "p", string input = "", RunPriority priority = RunPriority.Normal) =>
            RequestAsync(new() { Project = project, Type = type, Input = JsonSerializer.SerializeToUtf8Bytes(input), Priority = priority });

        public Task<IReadOnlyList<Claim>> ClaimAsync(string type) => Journal.ClaimAsync("worker", [type], 1, Token);

        public async Task<RunRecord> GetAsync(string id) => (await Journal.GetAsync("p", id, Token))!;

        public async Task<string[]> KindsAsync(string id) => [.. (await Journal.EventsAsync("p", id, 0, 1000, Token)).Select(static numbered => numbered.Event.Kind)];

        /// <summary>Time passes, and what is due is done.</summary>
        public async Task PassAsync(long milliseconds)
        {
            Journal.ClockSkewMs += milliseconds;
            while (await Journal.TickAsync(100, Token))
            {
            }
        }

        public ValueTask DisposeAsync() => storage.Database.DisposeAsync();
    }
}
