using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>What every way of telling workers of jobs does; the classes that derive from it say which one. No worker or reader looks by itself within the time of a test.</summary>
public abstract class DispatchTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);
    private static readonly JsonElement Done = JsonElement.Parse("\"done\"");

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>One more process on the test's journal. It may not listen yet.</summary>
    internal abstract DispatchProcess Open();

    /// <summary>Waits until processes hear that runs of a type are ready, or what happens to runs.</summary>
    internal abstract Task UntilListeningAsync(string type, params DispatchProcess[] processes);

    /// <summary>Tells all processes something, as one that has not kept count does.</summary>
    internal abstract Task TellAsync(params JournalHint[] hints);

    [Fact]
    public async Task A_job_that_one_process_is_asked_for_is_done_by_another_and_the_first_sees_its_end()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess working = Open();
        working.StartWorker(4, new TestJob("greet", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("greet", working);
        await UntilListeningAsync("", asked);

        for (int i = 0; i < 5; i++)
        {
            string id = await asked.RequestAsync("greet");
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(id));
            await asked.HearsAsync(JournalHintKind.Changed, id);
        }
    }

    [Fact]
    public async Task A_run_that_is_cancelled_in_one_process_ends_in_the_other()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess working = Open();
        var begun = new TaskCompletionSource();
        working.StartWorker(1, new TestJob("endless", async (_, token) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return Done;
        }));
        await UntilListeningAsync("endless", working);
        await UntilListeningAsync("", asked, working);
        string id = await asked.RequestAsync("endless");
        await begun.Task.WaitAsync(Guard, Token);

        await asked.Journal.CancelAsync("p", id, "somebody", Token);

        Assert.Equal(RunState.Cancelled, await asked.UntilEndedAsync(id));
        Assert.Single(await asked.KindsAsync(id), "Cancelled");
    }

    [Fact]
    public async Task Hints_that_come_again_or_late_harm_nobody()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess working = Open();
        working.StartWorker(4, new TestJob("again", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("again", working);
        await UntilListeningAsync("", asked);
        var ids = new List<string>();
        for (int i = 0; i < 20; i++)
        {
            ids.Add(await asked.RequestAsync("again"));
            JournalHint ready = new(JournalHintKind.Ready, "again"), changed = new(JournalHintKind.Changed, ids[0]), cancelling = new(JournalHintKind.Cancelling, ids[0]);
            await TellAsync(ready, ready, ready, changed, changed, new(JournalHintKind.Cancelling, "job_of_nobody"), new(JournalHintKind.Ready, "type of nobody"));
            if (i > 0)
            {
                Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(ids[0]));
                await TellAsync(cancelling, ready, cancelling, changed); // of a run that has ended
            }
        }

        foreach (string id in ids)
        {
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(id));
            Assert.Equal(["Requested", "AttemptStarted", "Succeeded"], await asked.KindsAsync(id));
        }
    }

    [Fact]
    public async Task Jobs_go_to_whoever_has_room_although_others_have_none()
    {
        await using DispatchProcess asked = Open();
        await using DispatchProcess full = Open();
        await using DispatchProcess free = Open();
        var filled = new TaskCompletionSource();
        var open = new TaskCompletionSource();
        full.StartWorker(1, new TestJob("room", async (_, token) =>
        {
            filled.TrySetResult();
            await open.Task.WaitAsync(token);
            return Done;
        }));
        await UntilListeningAsync("room", full);
        await UntilListeningAsync("", asked);
        string held = await asked.RequestAsync("room");
        await filled.Task.WaitAsync(Guard, Token);

        free.StartWorker(2, new TestJob("room", (_, _) => Task.FromResult(Done)));
        await UntilListeningAsync("room", full, free);
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(await asked.RequestAsync("room")));
        }

        Assert.Equal(RunState.Running, (await asked.Journal.GetAsync("p", held, Token))!.State);
        open.SetResult();
        Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(held));
    }

    [Fact]
    public async Task More_jobs_than_one_process_has_room_for_fill_the_others_too()
    {
        const int Processes = 3;
        await using DispatchProcess asked = Open();
        await using DispatchProcess first = Open();
        await using DispatchProcess second = Open();
        await using DispatchProcess third = Open();
        var all = new TaskCompletionSource();
        int running = 0;
        DispatchProcess[] working = [first, second, third];
        foreach (DispatchProcess process in working)
        {
            process.StartWorker(1, new TestJob("spread", async (_, token) =>
            {
                if (Interlocked.Increment(ref running) == Processes)
                {
                    all.SetResult();
                }

                await all.Task.WaitAsync(token); // none ends before all have begun
                return Done;
            }));
        }

        await UntilListeningAsync("spread", working);
        await UntilListeningAsync("", asked);
        var ids = new ConcurrentBag<string>();
        await Task.WhenAll(Enumerable.Range(0, Processes).Select(async _ => ids.Add(await asked.RequestAsync("spread"))));

        foreach (string id in ids)
        {
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(id));
        }
    }

    [Fact]
    public async Task Many_jobs_of_many_types_are_each_done_once()
    {
        const int Types = 8;
        await using DispatchProcess asked = Open();
        await using DispatchProcess first = Open();
        await using DispatchProcess second = Open();
        var done = new ConcurrentDictionary<string, int>();
        foreach (DispatchProcess process in (DispatchProcess[])[first, second])
        {
            process.StartWorker(3, [.. Enumerable.Range(0, Types).Select(type => new TestJob($"many-{type}", (run, _) =>
            {
                done.AddOrUpdate(run.Record.Id, 1, static (_, times) => times + 1);
                return Task.FromResult(Done);
            }))]);
        }

        for (int type = 0; type < Types; type++)
        {
            await UntilListeningAsync($"many-{type}", first, second);
        }

        await UntilListeningAsync("", asked);
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => asked.RequestAsync($"many-{i % Types}")));
        foreach (string id in ids)
        {
            Assert.Equal(RunState.Succeeded, await asked.UntilEndedAsync(id));
        }

        Assert.Equal(ids.Order(StringComparer.Ordinal), done.Keys.Order(StringComparer.Ordinal));
        Assert.All(done.Values, static times => Assert.Equal(1, times));
    }
}
