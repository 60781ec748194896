using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Runs;

public sealed class StalenessTests
{
    private int _executed;
    private int _version = 1;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_stale_when_nothing_has_changed()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");

        Staleness found = await ExplainAsync(host, id);

        Assert.True(found.IsComplete);
        Assert.Equal(["left", "right", "sum", "artifact/sum.txt"], found.Steps.Select(static step => step.Address));
        Assert.All(found.Steps, static step => Assert.Equal((StepVerdict.Reused, StaleReason.None), (step.Verdict, step.Reason)));
    }

    [Fact]
    public async Task A_changed_input_is_named_with_its_place_and_what_comes_after_it_with_its_condition()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");
        int executed = _executed;

        Staleness found = await ExplainAsync(host, id, """{"a":1,"b":20}""");

        Assert.Equal(executed, _executed);
        Assert.True(found.IsComplete);
        Assert.Equal(
            ["left Reused None []", "right Executed InputChanged [/value]", "sum ReusedIfUnchanged None []", "artifact/sum.txt ReusedIfUnchanged None []"], Lines(found));
        Assert.Equal(["right"], found.Steps[2].DependsOn);
        Assert.Contains("/value", found.Steps[1].Detail, StringComparison.Ordinal);
        Assert.Equal(4, (await host.Journal.StepsAsync("p", id, Token)).Count);
    }

    [Fact]
    public async Task Another_version_of_an_executor_and_changed_code_are_told_apart()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");
        _version = 3;
        Staleness newer = await ExplainAsync(host, id);
        Assert.Equal((StepVerdict.Executed, StaleReason.VersionChanged), (newer.Steps[0].Verdict, newer.Steps[0].Reason));
        Assert.Contains("version 1 and has version 3", newer.Steps[0].Detail, StringComparison.Ordinal);

        _version = 1;
        var other = new TestJob("t", async (run, token) => JsonElement.Parse($"{await run.StepAsync("left", Half(), new Part("left", 99), token)}"));
        Staleness changed = await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(other, await host.GetAsync(id), null, null, Token);
        Assert.Equal(["left Executed ActionChanged []", "right Dropped None []", "sum Dropped None []", "artifact/sum.txt Dropped None []"], Lines(changed));
    }

    [Fact]
    public async Task A_step_that_is_to_be_done_anew_takes_those_after_it_along()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");

        Staleness found = await ExplainAsync(host, id, from: "right");

        Assert.Equal(["Reused", "Executed", "Executed", "Executed"], found.Steps.Select(static step => step.Verdict.ToString()));
        Assert.All(found.Steps.Skip(1), static step => Assert.Equal(StaleReason.AskedAnew, step.Reason));
    }

    [Fact]
    public async Task What_is_not_recorded_ends_what_can_be_known()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");
        var other = new TestJob("t", async (run, token) =>
        {
            int more = await run.StepAsync("more", Half(), new Part("more", 1), token);
            return JsonElement.Parse($"{await run.StepAsync("left", Half(), new Part("left", more), token)}");
        });

        Staleness found = await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(other, await host.GetAsync(id), null, null, Token);

        Assert.False(found.IsComplete);
        Assert.Contains("more", found.Stopped, StringComparison.Ordinal);
        Assert.Equal(["more Executed NotRecorded []", "left Unknown None []", "right Unknown None []", "sum Unknown None []", "artifact/sum.txt Unknown None []"], Lines(found));
    }

    [Fact]
    public async Task Decisions_effects_signals_and_children_are_never_taken_over()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await SuspendAsync(host);
        await host.Journal.SignalAsync("p", id, "go", JsonElement.Parse("5"), Token);
        await SuspendAsync(host); // it waits for its child now
        Claim child = await host.ClaimAsync("child");
        await host.Journal.SucceedAsync(child.Lease, "7"u8.ToArray(), Token);
        await host.AttemptAsync("t", run => WaitAsync(run, Token));

        Staleness found = await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(new TestJob("t", WaitAsync), await host.GetAsync(id), null, null, Token);

        Assert.True(found.IsComplete, found.Stopped);
        Assert.Equal(["go Executed EffectForbids []", "child Executed EffectForbids []", "pay Executed EffectForbids []"], Lines(found));
        Assert.Single(await host.Journal.ListAsync("p", new RunFilter(null, "child", null, 10), Token));

        async Task SuspendAsync(AgentHost host)
        {
            Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);
            await Assert.ThrowsAsync<RunSuspendedException>(() => WaitAsync(run, Token));
        }
    }

    [Fact]
    public async Task The_verdicts_hold_when_the_fork_is_done()
    {
        await using var host = new AgentHost();
        string id = await EndAsync(host, """{"a":1,"b":10}""");
        foreach (string input in (string[])["""{"a":1,"b":10}""", """{"a":2,"b":10}""", """{"a":1,"b":11}""", """{"a":3,"b":30}"""])
        {
            Staleness found = await ExplainAsync(host, id, input);
            string fork = await host.RequestAsync("t", input, forkOf: id);
            await host.AttemptAsync("t", run => CodeAsync(run, Token));
            Dictionary<string, StepSource> done = (await host.Journal.StepsAsync("p", fork, Token)).ToDictionary(static step => step.Address, static step => step.Source);

            foreach (StaleStep step in found.Steps)
            {
                if (step.Verdict == StepVerdict.Reused)
                {
                    Assert.Equal(StepSource.Fork, done[step.Address]);
                }
                else if (step.Verdict == StepVerdict.Executed && step.DependsOn.Count == 0)
                {
                    Assert.Equal(StepSource.Executed, done[step.Address]);
                }
            }
        }
    }

    private static string[] Lines(Staleness found) => [.. found.Steps.Select(static step => $"{step.Address} {step.Verdict} {step.Reason} [{string.Join(',', step.Changed)}]")];

    private Task<string> EndAsync(AgentHost host, string input) => EndCoreAsync(host, input);

    private async Task<string> EndCoreAsync(AgentHost host, string input)
    {
        string id = await host.RequestAsync("t", input);
        await host.AttemptAsync("t", run => CodeAsync(run, Token));
        return id;
    }

    private async Task<Staleness> ExplainAsync(AgentHost host, string id, string? input = null, string? from = null) =>
        await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(
            new TestJob("t", CodeAsync), await host.GetAsync(id), input is null ? null : (ReadOnlyMemory<byte>?)System.Text.Encoding.UTF8.GetBytes(input), from, Token);

    // Halves are equal for many inputs: what comes after them is the same then.
    private async Task<JsonElement> CodeAsync(Run run, CancellationToken token)
    {
        int left = await run.StepAsync("left", Half(), new Part("left", run.Input.GetProperty("a").GetInt32()), token);
        int right = await run.StepAsync("right", Half(), new Part("right", run.Input.GetProperty("b").GetInt32()), token);
        int sum = await run.StepAsync("sum", Half(), new Part("sum", left + right), token);
        await run.ArtifactAsync("sum.txt", System.Text.Encoding.UTF8.GetBytes($"{sum}"), "text/plain", token);
        return JsonElement.Parse($"{sum}");
    }

    private StepExecutor<Part, int> Half() => new("half", _version, EffectClass.Recorded, StaleJson.Default.Part, StaleJson.Default.Int32, (part, _, _) =>
    {
        _executed++;
        return Task.FromResult(part.Value / 2);
    });

    private async Task<JsonElement> WaitAsync(Run run, CancellationToken token)
    {
        JsonElement told = await run.SignalAsync("go", "go", token);
        RunRecord child = (await run.ChildrenAsync("child", [new RunRequest { Project = "", Type = "child", Input = "1"u8.ToArray() }], token))[0];
        var pay = new StepExecutor<Part, int>("pay", 1, EffectClass.Unsafe, StaleJson.Default.Part, StaleJson.Default.Int32, static (part, _, _) => Task.FromResult(part.Value));
        return JsonElement.Parse($"{await run.StepAsync("pay", pay, new Part(child.Type, told.GetInt32()), token)}");
    }
}

internal sealed record Part(string Name, int Value);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(Part))]
[System.Text.Json.Serialization.JsonSerializable(typeof(int))]
internal sealed partial class StaleJson : System.Text.Json.Serialization.JsonSerializerContext;
