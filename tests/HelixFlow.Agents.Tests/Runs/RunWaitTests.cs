using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Journal;

namespace HelixFlow.Agents.Tests.Runs;

public sealed class RunWaitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("a b time")]
    [InlineData("time b a")]
    [InlineData("b time a")]
    public async Task Waits_at_the_same_time_are_all_known_and_end_in_any_order(string order)
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await SuspendAsync(host, CodeAsync);
        foreach (string next in order.Split(' ')[..2])
        {
            Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State);
            await HappensAsync(next);
            Assert.Equal(RunState.Ready, (await host.GetAsync(id)).State);
            await SuspendAsync(host, CodeAsync);
        }

        await HappensAsync(order.Split(' ')[2]);
        await host.AttemptAsync("t", CodeAsync);
        Assert.Equal("[\"a\",\"b\"]", await host.OutputAsync(id));
        Assert.Equal(1, (await host.GetAsync(id)).Attempt);
        await Ledger.CheckAsync(host.Database, Token);

        async Task HappensAsync(string what)
        {
            if (what == "time")
            {
                await host.PassAsync(100_000);
            }
            else
            {
                await host.Journal.SignalAsync("p", id, what, JsonElement.Parse($"\"{what}\""), Token);
            }
        }

        async Task<JsonElement> CodeAsync(Run run)
        {
            // The clock that tests move is the journal's; the run measures from its claim.
            Task<JsonElement> a = run.SignalAsync("a", "a", Token), b = run.SignalAsync("b", "b", Token);
            await Task.WhenAll(a, b, run.DelayAsync("time", TimeSpan.FromSeconds(50), Token));
            return JsonElement.Parse($"[{(await a).GetRawText()},{(await b).GetRawText()}]");
        }
    }

    [Fact]
    public async Task Groups_of_children_and_a_signal_are_waited_for_together()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await SuspendAsync(host, CodeAsync);
        Claim one = await host.ClaimAsync("one"), two = await host.ClaimAsync("two");
        await host.Journal.SucceedAsync(two.Lease, "2"u8.ToArray(), Token);
        await SuspendAsync(host, CodeAsync);
        Assert.Equal(RunState.Waiting, (await host.GetAsync(id)).State); // it does not spin on what has ended already
        await host.Journal.SucceedAsync(one.Lease, "1"u8.ToArray(), Token);
        await SuspendAsync(host, CodeAsync);
        await host.Journal.SignalAsync("p", id, "go", JsonElement.Parse("1"), Token);
        await host.AttemptAsync("t", CodeAsync);

        Assert.Equal(RunState.Succeeded, (await host.GetAsync(id)).State);
        await Ledger.CheckAsync(host.Database, Token);

        static async Task<JsonElement> CodeAsync(Run run)
        {
            await Task.WhenAll(run.ChildrenAsync("first", [Request("one")], Token), run.ChildrenAsync("second", [Request("two")], Token), run.SignalAsync("go", "go", Token));
            return JsonElement.Parse("1");
        }
    }

    [Fact]
    public async Task Each_child_is_given_as_soon_as_it_has_ended_and_in_the_same_order_again()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        var seen = new List<string>();
        await SuspendAsync(host, CodeAsync);
        Dictionary<string, Claim> claims = (await host.Journal.ClaimAsync("w", ["c"], 10, Token)).ToDictionary(static claim => Encoding.UTF8.GetString(claim.Input!));
        Assert.Equal(3, claims.Count);
        foreach ((string child, string[] before) in ((string, string[])[])[("1", ["1"]), ("2", ["1", "2"])])
        {
            host.Journal.ClockSkewMs += 10;
            await host.Journal.SucceedAsync(claims[child].Lease, Encoding.UTF8.GetBytes(child), Token);
            seen.Clear();
            await SuspendAsync(host, CodeAsync);
            Assert.Equal(before, seen);
        }

        await host.Journal.FailAsync(claims["0"].Lease, new RunError("broken", "broken"), true, Token);
        seen.Clear();
        await host.AttemptAsync("t", CodeAsync);
        Assert.Equal(["1", "2", "0"], seen);
        Assert.Equal(4, (await host.Journal.ListAsync("p", new RunFilter(null, null, null, 100), Token)).Count);
        Assert.Equal(RunState.Succeeded, (await host.GetAsync(id)).State);
        await Ledger.CheckAsync(host.Database, Token);

        async Task<JsonElement> CodeAsync(Run run)
        {
            await foreach ((int index, RunRecord child) in run.ChildrenAsTheyEndAsync("all", [Request("c", "0"), Request("c", "1"), Request("c", "2")], Token))
            {
                Assert.Equal(index == 0 ? RunState.Dead : RunState.Succeeded, child.State);
                seen.Add($"{index}");
            }

            return JsonElement.Parse("1");
        }
    }

    [Fact]
    public async Task A_worker_does_what_follows_a_child_while_others_go_on()
    {
        await using var host = new AgentHost();
        var secondMayEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var echo = new StepExecutor<long, long>("echo", 1, EffectClass.Recorded, TestJson.Default.Int64, TestJson.Default.Int64, (value, _, _) =>
        {
            secondMayEnd.TrySetResult(); // what comes after the first child lets the second one end: a barrier would wait for ever
            return Task.FromResult(value);
        });
        var parent = new TestJob("t", async (run, token) =>
        {
            long sum = 0;
            await foreach ((int index, RunRecord _) in run.ChildrenAsTheyEndAsync("all", [Request("c", "1"), Request("c", "2")], token))
            {
                sum += await run.StepAsync($"after/{index}", echo, index + 1, token);
            }

            return JsonElement.Parse($"{sum}");
        });
        var child = new TestJob("c", async (run, token) =>
        {
            if (run.Input.GetInt32() == 2)
            {
                await secondMayEnd.Task.WaitAsync(token);
            }

            return run.Input;
        });
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), parent, child).RunAsync(stop.Token);
        string id = await host.RequestAsync("t");
        await host.UntilEndedAsync(id);
        await stop.CancelAsync();
        await work;

        Assert.Equal("3", await host.OutputAsync(id));
    }

    private static RunRequest Request(string type, string input = "1") => new() { Project = "", Type = type, Input = Encoding.UTF8.GetBytes(input) };

    private static async Task SuspendAsync(AgentHost host, Func<Run, Task<JsonElement>> code)
    {
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.DoAsync((run, _) => code(run), Token));
    }
}
