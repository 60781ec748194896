using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Dispatch;

public sealed class WorkerTests
{
    private static readonly JsonElement Done = JsonElement.Parse("\"done\"");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_that_wait_are_done_and_keep_their_outputs()
    {
        await using var host = new AgentHost();
        string before = await host.RequestAsync("echo", "1");
        await using var worker = new Started(host.NewWorker(new(), new TestJob("echo", (run, _) => Task.FromResult(run.Input))));
        string[] ids = [before, .. await Task.WhenAll(Enumerable.Range(2, 200).Select(i => host.RequestAsync("echo", $"{i}")))];

        for (int i = 0; i < ids.Length; i++)
        {
            Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(ids[i])).State);
            Assert.Equal($"{i + 1}", await host.OutputAsync(ids[i]));
            Assert.Equal(["Requested", "AttemptStarted", "Succeeded"], await host.KindsAsync(ids[i]));
        }
    }

    [Fact]
    public async Task A_worker_takes_no_more_runs_than_it_has_slots()
    {
        await using var host = new AgentHost();
        int running = 0, most = 0;
        using var gate = new SemaphoreSlim(0);
        var job = new TestJob("t", async (_, token) =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await gate.WaitAsync(token);
            Interlocked.Decrement(ref running);
            return Done;
        });
        await using var worker = new Started(host.NewWorker(new() { Slots = 3 }, job));
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => host.RequestAsync("t")));
        gate.Release(ids.Length);
        foreach (string id in ids)
        {
            await host.UntilEndedAsync(id);
        }

        Assert.InRange(most, 1, 3);
    }

    [Fact]
    public async Task A_job_that_throws_is_tried_again_and_one_that_says_that_it_is_useless_is_not()
    {
        await using var host = new AgentHost();
        int calls = 0;
        await using var worker = new Started(host.NewWorker(
            new(),
            new TestJob("flaky", (_, _) => Interlocked.Increment(ref calls) < 3 ? throw new IOException("no luck") : Task.FromResult(Done)),
            new TestJob("hopeless", (_, _) => throw new JobFailedException("bad_input", "The input names no file.")),
            new TestJob("broken", (_, _) => throw new IOException("never any luck"))));
        var quick = new RunOptions { BackoffMs = 1, MaxBackoffMs = 2, MaxAttempts = 3 };
        string flaky = await host.RequestAsync("flaky", options: quick);
        string hopeless = await host.RequestAsync("hopeless", options: quick);
        string broken = await host.RequestAsync("broken", options: quick);

        RunRecord third = await host.UntilEndedAsync(flaky);
        Assert.Equal((RunState.Succeeded, 3), (third.State, third.Attempt));
        RunRecord useless = await host.UntilEndedAsync(hopeless);
        Assert.Equal((RunState.Dead, 1, "bad_input"), (useless.State, useless.Attempt, useless.Error!.Code));
        RunRecord dead = await host.UntilEndedAsync(broken);
        Assert.Equal((RunState.Dead, 3, "job_error"), (dead.State, dead.Attempt, dead.Error!.Code));
        Assert.Contains("never any luck", dead.Error.Details!.Value.GetProperty("stack").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_that_is_no_json_ends_the_run_at_once()
    {
        await using var host = new AgentHost();
        await using var worker = new Started(host.NewWorker(new(), new TestJob("t", (_, _) => Task.FromResult(default(JsonElement)))));

        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("t"));

        Assert.Equal((RunState.Dead, 1, "invalid_output"), (run.State, run.Attempt, run.Error!.Code));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_that_is_cancelled_ends_whether_its_worker_gets_the_hint_or_only_its_next_sign_of_life_tells(bool isHinted)
    {
        await using var host = new AgentHost();
        var begun = new TaskCompletionSource();
        await using var worker = new Started(host.NewWorker(new(), Endless(begun)));
        string id = await host.RequestAsync("endless", options: new RunOptions { LeaseMs = isHinted ? 30_000 : 600 });
        await begun.Task.WaitAsync(Token);
        await (isHinted ? host.Journal : host.NewJournal()).CancelAsync("p", id, "someone", Token);

        Assert.Equal(RunState.Cancelled, (await host.UntilEndedAsync(id)).State);
        Assert.Single(await host.KindsAsync(id), "Cancelled");
    }

    [Fact]
    public async Task A_hint_that_a_run_is_to_end_is_only_a_reason_to_look()
    {
        await using var host = new AgentHost();
        var begun = new TaskCompletionSource();
        var gate = new TaskCompletionSource();
        await using var worker = new Started(host.NewWorker(new(), new TestJob("t", async (_, token) =>
        {
            begun.SetResult();
            await gate.Task.WaitAsync(token);
            return Done;
        })));
        string id = await host.RequestAsync("t");
        await begun.Task.WaitAsync(Token);
        host.Journal.Hear(new JournalHint(JournalHintKind.Cancelling, id)); // an old one: the run was cancelled and asked for anew since
        gate.SetResult();

        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(id)).State);
        Assert.Equal(["Requested", "AttemptStarted", "Succeeded"], await host.KindsAsync(id));
    }

    [Fact]
    public async Task A_run_that_another_worker_has_taken_over_is_left_alone()
    {
        await using var host = new AgentHost();
        var begun = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        int calls = 0;
        await using var worker = new Started(host.NewWorker(new() { TickInterval = TimeSpan.FromHours(1) }, new TestJob("t", async (_, token) =>
        {
            if (Interlocked.Increment(ref calls) > 1)
            {
                return Done;
            }

            begun.SetResult();
            await Task.Delay(Timeout.Infinite, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancelled.SetResult();
            return JsonElement.Parse("\"zombie\"");
        })));
        string id = await host.RequestAsync("t", options: new RunOptions { LeaseMs = 1_500, BackoffMs = 1 });
        await begun.Task.WaitAsync(Token);
        Agents.Journal.Journal other = host.NewJournal();
        other.ClockSkewMs = 3_600_000;
        while (await host.GetAsync(id) is { Attempt: 1, State: RunState.Running or RunState.Waiting })
        {
            await other.TickAsync(10, Token);
        }

        await cancelled.Task.WaitAsync(Token);
        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(id)).State);
        Assert.Equal("\"done\"", await host.OutputAsync(id));
    }

    [Fact]
    public async Task An_attempt_ends_when_its_time_is_up()
    {
        await using var host = new AgentHost();
        await using var worker = new Started(host.NewWorker(new(), Endless(new())));

        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("endless", options: new RunOptions { AttemptTimeoutMs = 50, MaxAttempts = 2, BackoffMs = 1 }));

        Assert.Equal((RunState.Dead, 2, "timeout"), (run.State, run.Attempt, run.Error!.Code));
    }

    [Fact]
    public async Task A_run_outlives_its_first_lease_while_its_worker_lives()
    {
        await using var host = new AgentHost();
        var end = new TaskCompletionSource();
        await using var worker = new Started(host.NewWorker(new(), new TestJob("t", async (_, token) =>
        {
            await end.Task.WaitAsync(token);
            return Done;
        })));
        string id = await host.RequestAsync("t", options: new RunOptions { LeaseMs = 20_000 });
        await host.UntilAsync(id, static run => run.State == RunState.Running);
        long first = await LeaseAsync(host, id);
        while (await LeaseAsync(host, id) == first)
        {
            await Task.Delay(50, Token);
        }

        end.SetResult();
        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
    }

    [Fact]
    public async Task A_worker_that_is_stopped_lets_its_runs_finish_and_claims_no_more()
    {
        await using var host = new AgentHost();
        var begun = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        var worker = new Started(host.NewWorker(new() { Slots = 2, DrainLimit = TimeSpan.FromMinutes(5) }, new TestJob("t", async (_, token) =>
        {
            begun.TrySetResult();
            await end.Task.WaitAsync(token);
            return Done;
        })));
        string first = await host.RequestAsync("t");
        await begun.Task.WaitAsync(Token);
        Task stopped = worker.StopAsync();
        string second = await host.RequestAsync("t");
        end.SetResult();
        await stopped;

        Assert.Equal(RunState.Succeeded, (await host.GetAsync(first)).State);
        Assert.Equal(RunState.Ready, (await host.GetAsync(second)).State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_worker_that_is_stopped_hands_back_what_does_not_finish_even_when_the_code_does_not_listen(bool listens)
    {
        await using var host = new AgentHost();
        var begun = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        var options = new WorkerOptions { DrainLimit = TimeSpan.Zero, CancelLimit = listens ? TimeSpan.FromMinutes(5) : TimeSpan.Zero };
        var ended = new TaskCompletionSource();
        var worker = new Started(host.NewWorker(options, new TestJob("t", async (_, token) =>
        {
            begun.SetResult();
            await end.Task.WaitAsync(listens ? token : Token);
            ended.SetResult();
            return JsonElement.Parse("\"too late\"");
        })));
        string id = await host.RequestAsync("t");
        await begun.Task.WaitAsync(Token);
        await worker.StopAsync();

        RunRecord back = await host.GetAsync(id);
        Assert.Equal((RunState.Ready, 0), (back.State, back.Attempt));
        Assert.Equal(["Requested", "AttemptStarted", "AttemptReleased"], await host.KindsAsync(id));
        end.SetResult();
        await (listens ? Task.CompletedTask : ended.Task);
        await using var second = new Started(host.NewWorker(new(), new TestJob("t", (_, _) => Task.FromResult(Done))));
        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(id)).State);
        Assert.Equal("\"done\"", await host.OutputAsync(id));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_database_that_breaks_off_loses_nothing_that_a_run_has_done(bool losesAnswers)
    {
        await using var host = new AgentHost();
        int executed = 0;
        var step = new StepExecutor<int, int>("add", 1, EffectClass.Recorded, TestJson.Default.Int32, TestJson.Default.Int32, (input, _, _) =>
        {
            Interlocked.Increment(ref executed);
            Break();
            return Task.FromResult(input + 1);
        });
        await using var worker = new Started(host.NewWorker(Quiet(), new TestJob("t", async (run, token) =>
        {
            int one = await run.StepAsync("one", step, 1, token);
            int two = await run.StepAsync("two", step, one, token);
            Break();
            return JsonElement.Parse($"{two}");
        })));

        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("t"));

        Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
        Assert.Equal("3", await host.OutputAsync(run.Id));
        Assert.Equal(2, executed);
        Assert.Equal(["Requested", "AttemptStarted", "StepSucceeded", "StepSucceeded", "Succeeded"], await host.KindsAsync(run.Id));
        Assert.True(host.Database.Broken >= 5);

        void Break()
        {
            if (losesAnswers)
            {
                host.Database.LoseAnswers(2);
            }
            else
            {
                host.Database.Refuse(2);
            }
        }
    }

    [Fact]
    public async Task A_worker_goes_on_after_the_database_was_away()
    {
        await using var host = new AgentHost();
        host.Database.Refuse(6);
        await using var worker = new Started(host.NewWorker(new(), new TestJob("t", (_, _) => Task.FromResult(Done))));
        while (host.Database.Broken < 6)
        {
            await Task.Delay(5, Token);
        }

        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(await host.RequestAsync("t"))).State);
    }

    [Fact]
    public async Task A_run_without_a_hint_is_found_by_looking()
    {
        await using var host = new AgentHost();
        await using var worker = new Started(host.NewWorker(new() { PollInterval = TimeSpan.FromMilliseconds(20) }, new TestJob("t", (_, _) => Task.FromResult(Done))));
        RunStart start = await host.NewJournal().RequestAsync(new() { Project = "p", Type = "t", Input = "1"u8.ToArray() }, Token);

        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(start.Run!.Id)).State);
    }

    [Fact]
    public async Task A_run_that_waits_for_its_children_leaves_the_only_slot_to_them()
    {
        await using var host = new AgentHost();
        var parent = new TestJob("parent", async (run, token) =>
        {
            IReadOnlyList<RunRecord> children = await run.ChildrenAsync(
                "squares", [.. Enumerable.Range(0, 5).Select(i => new RunRequest { Project = "", Type = "square", Input = JsonSerializer.SerializeToUtf8Bytes(i) })], token);
            int sum = 0;
            foreach (RunRecord child in children)
            {
                sum += JsonElement.Parse(await host.Journal.ReadAsync(child.Output!, token)).GetInt32();
            }

            return JsonElement.Parse($"{sum}");
        });
        var square = new TestJob("square", (run, _) => Task.FromResult(JsonElement.Parse($"{run.Input.GetInt32() * run.Input.GetInt32()}")));
        await using var worker = new Started(host.NewWorker(new() { Slots = 1 }, parent, square));

        string id = await host.RequestAsync("parent");

        Assert.Equal(RunState.Succeeded, (await host.UntilEndedAsync(id)).State);
        Assert.Equal("30", await host.OutputAsync(id));
        Assert.Equal(1, (await host.GetAsync(id)).Attempt);
    }

    [Fact]
    public async Task Types_that_a_worker_is_not_given_are_left_to_others()
    {
        await using var host = new AgentHost();
        var job = new TestJob("t", (_, _) => Task.FromResult(Done));
        Assert.Throws<ArgumentException>(() => host.NewWorker(new() { Types = ["u"] }, job));
        await using var worker = new Started(host.NewWorker(new() { Types = ["t"] }, job, new TestJob("u", (_, _) => throw new IOException())));
        string other = await host.RequestAsync("u");

        await host.UntilEndedAsync(await host.RequestAsync("t"));

        Assert.Equal(RunState.Ready, (await host.GetAsync(other)).State);
    }

    /// <summary>Asks the journal for nothing but what a run needs.</summary>
    private static WorkerOptions Quiet() => new() { TickInterval = TimeSpan.FromHours(1), PollInterval = TimeSpan.FromHours(1) };

    private static TestJob Endless(TaskCompletionSource begun) => new("endless", async (_, token) =>
    {
        begun.TrySetResult();
        await Task.Delay(Timeout.Infinite, token);
        return Done;
    });

    private static Task<long> LeaseAsync(AgentHost host, string id) =>
        host.Database.ReadAsync(session => session.Number("select lease_until from runs where id = $1", id), Token);

    private static void InterlockedMax(ref int most, int value)
    {
        for (int seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, seen);
        }
    }

    /// <summary>A worker at work; stopped at the end.</summary>
    private sealed class Started : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _task;

        public Started(Worker worker) => _task = worker.RunAsync(_stopping.Token);

        public async Task StopAsync()
        {
            await _stopping.CancelAsync();
            await _task;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _stopping.Dispose();
        }
    }
}
