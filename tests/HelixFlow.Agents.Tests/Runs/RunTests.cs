using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Runs;

public sealed class RunTests
{
    private static readonly EffectClass[] Repeatable = [EffectClass.Pure, EffectClass.Recorded, EffectClass.Idempotent];

    private readonly List<string> _effects = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wherever_a_run_crashes_no_recorded_step_is_executed_again()
    {
        for (int crashAt = 0; crashAt < 6; crashAt++)
        {
            await using var host = new AgentHost();
            _effects.Clear();
            string id = await host.RequestAsync("t", "5");
            int crash = crashAt;
            await host.CrashAsync("t", run => ChainAsync(run, crash));
            string[] before = [.. _effects];
            Run again = await host.AttemptAsync("t", run => ChainAsync(run, -1));

            Assert.Equal(6, _effects.Count);
            Assert.Equal(6, _effects.Distinct().Count());
            Assert.Equal(crashAt, before.Length);
            Assert.Equal(6 - crashAt, again.Executed);
            Assert.Equal("11", await host.OutputAsync(id));
            Assert.Equal(2, (await host.GetAsync(id)).Attempt);
        }
    }

    [Fact]
    public async Task Steps_that_are_done_at_the_same_time_are_found_again_in_any_order()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await host.CrashAsync("t", async run =>
        {
            await Task.WhenAll(Enumerable.Range(0, 20).Select(i => run.StepAsync($"branch/{i}", Add(EffectClass.Recorded), i, Token)));
            throw new Crash();
        });
        Run again = await host.AttemptAsync("t", async run =>
        {
            int[] sums = await Task.WhenAll(Enumerable.Range(0, 20).Reverse().Select(i => run.StepAsync($"branch/{i}", Add(EffectClass.Recorded), i, Token)));
            return JsonElement.Parse($"{sums.Sum()}");
        });

        Assert.Equal(0, again.Executed);
        Assert.Equal("210", await host.OutputAsync(id));
    }

    [Fact]
    public async Task Code_that_asks_for_something_else_than_it_had_recorded_is_stopped_with_advice()
    {
        await using var host = new AgentHost();
        await host.RequestAsync("t");
        await host.CrashAsync("t", async run =>
        {
            await run.StepAsync("sum", Add(EffectClass.Recorded), 1, Token);
            throw new Crash();
        });
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);

        ReplayMismatchException mismatch = await Assert.ThrowsAsync<ReplayMismatchException>(() => run.StepAsync("sum", Add(EffectClass.Recorded), 2, Token));
        Assert.Contains("At sum", mismatch.Message, StringComparison.Ordinal);
        Assert.Contains("Fork", mismatch.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ReplayMismatchException>(async () => await (await ReopenAsync(host, run)).StepAsync("sum", Add(EffectClass.Recorded, version: 2), 1, Token));
        Assert.Equal(["add 1 at sum"], _effects);
    }

    [Fact]
    public async Task An_address_is_used_once()
    {
        await using var host = new AgentHost();
        await host.RequestAsync("t");
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);
        await run.StepAsync("a", Add(EffectClass.Pure), 1, Token);

        await Assert.ThrowsAsync<InvalidOperationException>(() => run.StepAsync("a", Add(EffectClass.Pure), 1, Token));
    }

    [Fact]
    public async Task What_other_runs_may_use_is_what_pure_steps_of_their_project_have_computed()
    {
        await using var host = new AgentHost();
        foreach (EffectClass effect in Repeatable)
        {
            _effects.Clear();
            string type = effect.ToString();
            for (int i = 0; i < 2; i++)
            {
                await host.RequestAsync(type);
                await host.AttemptAsync(type, async run => JsonElement.Parse($"{await run.StepAsync($"place {i}", Add(effect), 7, Token)}"));
            }

            Assert.Equal(effect == EffectClass.Pure ? 1 : 2, _effects.Count);
        }

        await host.Journal.RequestAsync(new() { Project = "other", Type = "Pure", Input = "1"u8.ToArray() }, Token);
        Run foreign = await host.AttemptAsync("Pure", async run => JsonElement.Parse($"{await run.StepAsync("a", Add(EffectClass.Pure), 7, Token)}"));
        Assert.Equal(1, foreign.Executed);
    }

    [Fact]
    public async Task A_step_that_must_not_be_repeated_parks_the_run_when_nobody_knows_whether_it_was_done()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await host.CrashAsync("t", async run => JsonElement.Parse($"{await run.StepAsync("pay", Add(EffectClass.Unsafe, _ => throw new Crash()), 1, Token)}"));

        Assert.Equal(RunState.Parked, (await host.GetAsync(id)).State);
        await host.Journal.DecideStepAsync("p", id, "pay", "100"u8.ToArray(), "someone", Token);
        Run again = await host.AttemptAsync("t", async run => JsonElement.Parse($"{await run.StepAsync("pay", Add(EffectClass.Unsafe), 1, Token)}"));
        Assert.Equal(0, again.Executed);
        Assert.Equal("100", await host.OutputAsync(id));
    }

    [Fact]
    public async Task A_step_that_says_that_it_did_nothing_may_be_tried_again_whatever_it_is()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        Claim claim = await host.ClaimAsync("t");
        Run run = await Run.OpenAsync(host.Journal, claim, TimeProvider.System, Token);
        await Assert.ThrowsAsync<StepHadNoEffectException>(() => run.StepAsync("pay", Add(EffectClass.Unsafe, _ => throw new StepHadNoEffectException("refused")), 1, Token));
        Assert.True(await host.Journal.FailAsync(claim.Lease, new RunError("refused", "refused"), false, Token));
        await host.PassAsync(400_000);
        await host.AttemptAsync("t", async again => JsonElement.Parse($"{await again.StepAsync("pay", Add(EffectClass.Unsafe), 1, Token)}"));

        Assert.Equal("2", await host.OutputAsync(id));
        Assert.Equal(
            ["Requested", "AttemptStarted", "StepStarted", "StepFailed", "AttemptFailed", "Released", "AttemptStarted", "StepStarted", "StepSucceeded", "Succeeded"],
            await host.KindsAsync(id));
    }

    [Fact]
    public async Task A_signal_wakes_the_run_and_is_the_same_when_the_code_runs_again()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await SuspendAsync(host, CodeAsync);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
        await host.Journal.SignalAsync("p", id, "approve", JsonElement.Parse("1"), Token);
        await host.Journal.SignalAsync("p", id, "approve", JsonElement.Parse("20"), Token);
        await host.CrashAsync("t", async run =>
        {
            await CodeAsync(run);
            throw new Crash();
        });
        await host.AttemptAsync("t", CodeAsync);

        Assert.Equal("21", await host.OutputAsync(id));
        Assert.Equal(["add 0 at before"], _effects);

        async Task<JsonElement> CodeAsync(Run run)
        {
            await run.StepAsync("before", Add(EffectClass.Recorded), 0, Token);
            JsonElement first = await run.SignalAsync("first", "approve", Token);
            JsonElement second = await run.SignalAsync("second", "approve", Token);
            return JsonElement.Parse($"{first.GetInt32() + second.GetInt32()}");
        }
    }

    [Fact]
    public async Task A_delay_is_counted_from_its_first_time_and_costs_no_attempt()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t", options: new RunOptions { MaxAttempts = 1 });
        await SuspendAsync(host, CodeAsync);
        await host.PassAsync(40_000);
        Assert.Empty(await host.Journal.ClaimAsync("w", ["t"], 1, Token));
        await host.PassAsync(25_000);
        await SuspendAsync(host, CodeAsync);
        await host.PassAsync(61_000);
        await host.AttemptAsync("t", CodeAsync);

        Assert.Equal(RunState.Succeeded, (await host.GetAsync(id)).State);

        static async Task<JsonElement> CodeAsync(Run run)
        {
            await run.DelayAsync("first", TimeSpan.FromSeconds(60), Token);
            await run.DelayAsync("second", TimeSpan.FromSeconds(60), Token);
            return JsonElement.Parse("1");
        }
    }

    [Fact]
    public async Task Children_are_asked_for_once_and_their_ends_are_there_when_the_code_runs_again()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await host.CrashAsync("t", async run =>
        {
            await Assert.ThrowsAsync<RunSuspendedException>(() => CodeAsync(run));
            throw new Crash(); // a worker that dies after the run let go of it
        });
        List<RunRecord> all = await host.Journal.ListAsync("p", new(null, "child", null, 100), Token);
        Assert.Equal(3, all.Count);
        for (int i = 0; i < 3; i++)
        {
            await host.AttemptAsync("child", run => Task.FromResult(JsonElement.Parse($"{run.Input.GetInt32() * 10}")));
        }

        await host.AttemptAsync("t", CodeAsync);
        Assert.Equal("60", await host.OutputAsync(id));
        Assert.Equal(3, (await host.Journal.ListAsync("p", new(null, "child", null, 100), Token)).Count);
        Assert.All(all, child => Assert.Equal(RunState.Ready, child.State));

        async Task<JsonElement> CodeAsync(Run run)
        {
            IReadOnlyList<RunRecord> children = await run.ChildrenAsync("fan", [.. Enumerable.Range(1, 3).Select(static i => new RunRequest
            {
                Project = "", Type = "child", Input = JsonSerializer.SerializeToUtf8Bytes(i),
            })], Token);
            int sum = 0;
            foreach (RunRecord child in children)
            {
                sum += JsonElement.Parse(await host.Journal.ReadAsync(child.Output!, Token)).GetInt32();
            }

            return JsonElement.Parse($"{sum}");
        }
    }

    [Fact]
    public async Task Children_are_the_same_although_their_parent_has_risen_by_waiting()
    {
        await using var host = new AgentHost();
        await host.RequestAsync("t");
        Claim claim = await host.ClaimAsync("t");
        Run run = await Run.OpenAsync(host.Journal, claim, TimeProvider.System, Token);
        var child = new RunRequest { Project = "", Type = "child", Input = "1"u8.ToArray() };
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.ChildrenAsync("fan", [child], Token));
        await host.AttemptAsync("child", static run => Task.FromResult(run.Input));
        await host.PassAsync(400_000);
        Claim again = await host.ClaimAsync("t");

        Assert.Equal(RunPriority.High, again.Run.Priority);
        IReadOnlyList<RunRecord> children = await (await Run.OpenAsync(host.Journal, again, TimeProvider.System, Token)).ChildrenAsync("fan", [child], Token);
        Assert.Equal(RunState.Succeeded, Assert.Single(children).State);
    }

    [Fact]
    public async Task A_run_lets_go_of_its_worker_only_when_no_step_is_under_way()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        var begun = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        var slow = new StepExecutor<int, int>("slow", 1, EffectClass.Unsafe, TestJson.Default.Int32, TestJson.Default.Int32, async (input, _, token) =>
        {
            begun.SetResult();
            await end.Task.WaitAsync(token);
            return input;
        });
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);
        Task<int> step = run.StepAsync("slow", slow, 5, Token);
        await begun.Task.WaitAsync(Token);
        Task<JsonElement> wait = run.SignalAsync("go", "go", Token);
        Assert.Equal(RunState.Running, (await host.GetAsync(id)).State);
        end.SetResult();

        Assert.Equal(5, await step);
        await Assert.ThrowsAsync<RunSuspendedException>(() => wait);
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.StepAsync("next", Add(EffectClass.Recorded), 1, Token));
        Assert.Empty(_effects);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
        Assert.Equal(StepState.Succeeded, Assert.Single(await host.Journal.StepsAsync("p", id, Token)).State);
    }

    private static async Task SuspendAsync(AgentHost host, Func<Run, Task<JsonElement>> code)
    {
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.DoAsync((run, _) => code(run), Token));
    }

    private static async Task<Run> ReopenAsync(AgentHost host, Run run)
    {
        await host.PassAsync(31_000);
        await host.PassAsync(400_000);
        Claim claim = await host.ClaimAsync("t");
        Assert.Equal(run.Record.Id, claim.Run.Id);
        return await Run.OpenAsync(host.Journal, claim, TimeProvider.System, Token);
    }

    /// <summary>Adds one, and notes that it was done.</summary>
    private StepExecutor<int, int> Add(EffectClass effect, Action<int>? before = null, int version = 1) => new(
        "add", version, effect, TestJson.Default.Int32, TestJson.Default.Int32, (input, context, _) =>
        {
            before?.Invoke(input);
            lock (_effects)
            {
                _effects.Add($"add {input} at {context.Address}");
            }

            return Task.FromResult(input + 1);
        });

    private async Task<JsonElement> ChainAsync(Run run, int crashAt)
    {
        EffectClass[] classes = [.. Repeatable, EffectClass.Unsafe, .. Repeatable[..2]];
        int value = run.Input.GetInt32();
        for (int i = 0; i < classes.Length; i++)
        {
            if (i == crashAt)
            {
                throw new Crash();
            }

            value = await run.StepAsync($"step/{i}", Add(classes[i]), value, Token);
        }

        return JsonElement.Parse($"{value}");
    }
}
