using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Cli.Tests.Commands;

public sealed partial class JobsCommandTests
{
    [Fact]
    public async Task A_job_is_shown_with_its_steps_what_they_took_and_its_children()
    {
        string id = await SubmitAsync("--label", "order=7", "--attempts", "5");
        Assert.Contains("No worker is there that does jobs of the type echo.", (await RunAsync("show", id)).Output, StringComparison.Ordinal);
        Claim claim = Assert.Single(await _journal.ClaimAsync("host/1", ["echo"], 1, Token));
        var step = new StepRecord("turn/1", "d", EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0);
        Assert.True(await _journal.RecordStepAsync(claim.Lease, step, "1"u8.ToArray(), null, Token));
        Assert.True(await _journal.RecordStepAsync(claim.Lease, step with { Address = "turn/2", Class = EffectClass.Pure, Source = StepSource.Cache }, "1"u8.ToArray(), null, Token));
        string child = (await _journal.RequestAsync(new RunRequest { Project = "p", Type = "echo", Input = "{}"u8.ToArray(), Parent = id, ParentAddress = "ask" }, Token)).Run!.Id;
        Assert.Equal("answer:1", await _journal.AskAsync(claim.Lease, "turn/2/approval", "answer:1", JsonElement.Parse("{}"), null, Token));
        Assert.True(await _journal.SuspendAsync(claim.Lease, null, "answer:1", [], Token));

        string shown = (await RunAsync("show", id)).Output;
        Assert.Matches($"^{id}  echo  waiting  0 %", shown);
        Assert.Matches("attempt +0 of 5", shown);
        Assert.Matches("labels +order=7", shown);
        Assert.Contains($"an answer at turn/2/approval: helixflow jobs approve {id}", shown, StringComparison.Ordinal);
        Assert.Matches("\nturn\n├─ 1 .* recorded +executed\n└─ 2 .* pure +reused: equal step\n", shown.ReplaceLineEndings("\n"));
        Assert.Matches($"{child} +echo +ready", shown);
        Assert.Contains($"parent    {id}", (await RunAsync("show", child)).Output, StringComparison.Ordinal);
        Assert.Equal(child, JsonElement.Parse((await RunAsync("list", "--parent", id, "--json")).Output).GetProperty("data")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Several_jobs_are_tried_again_cancelled_and_deleted_by_their_ids_or_by_what_they_are()
    {
        string red = await SubmitAsync("--label", "colour=red"), blue = await SubmitAsync("--label", "colour=blue");
        foreach (Claim claim in await _journal.ClaimAsync("w", ["echo"], 2, Token))
        {
            Assert.True(await _journal.FailAsync(claim.Lease, new RunError("broken", "It broke."), true, Token));
        }

        Assert.DoesNotContain(blue, (await RunAsync("list", "--label", "colour=red", "--error", "broken")).Output, StringComparison.Ordinal);
        Assert.Equal((0, "retry: 1 job"), await CodeAndOutputAsync("retry", "--all", "--error", "broken", "--label", "colour=red"));
        Assert.Equal((0, "ready"), await CodeAndOutputAsync("retry", blue));
        Assert.Equal((0, "cancelled\ncancelled"), await CodeAndOutputAsync("cancel", red, blue));
        Assert.Equal((0, "deleted"), await CodeAndOutputAsync("delete", red));
        Assert.Equal((0, "delete: 1 job"), await CodeAndOutputAsync("delete", "--all", "--state", "cancelled", "--type", "echo"));
        Assert.Equal(1, (await RunAsync("show", blue)).Code);
        Assert.NotEqual(0, (await RunAsync("cancel")).Code);
        Assert.NotEqual(0, (await RunAsync("cancel", red, "--all")).Code);
        Assert.Equal(1, (await RunAsync("cancel", "--all", "--label", "colour")).Code);
        Assert.Equal(1, (await RunAsync("delete", "--all", "--state", "running")).Code);
    }

    [Fact]
    public async Task A_job_is_told_forked_and_decided_about()
    {
        string id = await SubmitAsync();
        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.True(await _journal.SuspendAsync(claim.Lease, null, "go", [], Token));
        Assert.Matches("waits for +the signal go", (await RunAsync("show", id)).Output);
        Assert.Equal((0, "ready"), await CodeAndOutputAsync("signal", id, "go", """{"by":"Ann"}"""));
        claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.Equal("""{"by":"Ann"}""", await _journal.TakeSignalAsync(claim.Lease, "go", "wait", Token));

        Assert.True(await _journal.BeginStepAsync(claim.Lease, "pay", "d", EffectClass.Unsafe, Token));
        Assert.True(await _journal.FailAsync(claim.Lease, new RunError("worker_lost", "It went."), false, Token));
        Assert.Contains($"helixflow jobs decide {id} STEP", (await RunAsync("show", id)).Output, StringComparison.Ordinal);
        Assert.NotEqual(0, (await RunAsync("decide", id, "pay")).Code);
        Assert.Equal((0, "ready"), await CodeAndOutputAsync("decide", id, "pay", "--output", "17"));
        claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.True(await _journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));

        (int code, string fork) = await CodeAndOutputAsync("fork", id, "--input", """{"n":2}""");
        Assert.Equal((0, "fork of   " + id), (code, (await RunAsync("show", fork)).Output.ReplaceLineEndings("\n").Split('\n').Single(static line => line.StartsWith("fork", StringComparison.Ordinal))));
        Assert.Equal("""{"n":2}""", Encoding.UTF8.GetString(Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token)).Input!));
    }

    [Fact]
    public async Task Several_jobs_are_watched_together_and_those_that_have_not_ended_without_being_named()
    {
        string first = await SubmitAsync(), second = await SubmitAsync();
        using var all = new StringWriterUntil(second + "  ");
        using var error = new StringWriter();
        Task<int> watching = InvokeAsync(all, error, "jobs", "watch");
        await all.Seen;
        IReadOnlyList<Claim> claims = await _journal.ClaimAsync("w", ["echo"], 2, Token);
        using var shown = new StringWriterUntil("half");
        Assert.True(await _journal.ProgressAsync(claims[0].Lease, 50, "half", null, Token));
        Task<int> watchingOne = InvokeAsync(shown, "watch", claims[0].Run.Id);
        await shown.Seen;
        Assert.True(await _journal.SucceedAsync(claims[0].Lease, "1"u8.ToArray(), Token));
        Assert.Equal(0, await watchingOne);
        Assert.True(await _journal.FailAsync(claims[1].Lease, new RunError("broken", "It broke."), true, Token));

        Assert.Equal(3, await watching);
        Assert.Contains($"{first}  ", all.ToString(), StringComparison.Ordinal);
        Assert.Contains($"helixflow jobs retry {claims[1].Run.Id}", error.ToString(), StringComparison.Ordinal);
        Assert.Equal((0, ""), await CodeAndOutputAsync("watch"));
    }

    [Fact]
    public async Task How_long_a_job_still_takes_is_told_by_others_of_its_type()
    {
        await SubmitAsync();
        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.True(await _journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        string id = await SubmitAsync();
        claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.True(await _journal.ProgressAsync(claim.Lease, 50, "half", null, Token));
        using var output = new StringWriterUntil("half (50 %, about ");
        Task<int> watching = InvokeAsync(output, "watch", id);
        await output.Seen;
        Assert.True(await _journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));

        Assert.Equal(0, await watching);
    }

    [Fact]
    public async Task An_input_is_put_together_from_the_options()
    {
        await SubmitAsync("--input", """{"a":1,"b":2}""", "--set", "b=[3]", "--set", "c=some words", "--set", "d=x=y");

        Assert.Equal("""{"a":1,"b":[3],"c":"some words","d":"x=y"}""", Encoding.UTF8.GetString(Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token)).Input!));
        string file = Path.Combine(_folder, "input.json");
        await File.WriteAllTextAsync(file, """{"text": "two words"}""", Token);
        await SubmitAsync("--input", "@" + file);
        Assert.Equal("""{"text":"two words"}""", Encoding.UTF8.GetString(Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token)).Input!));
        Assert.Equal(1, (await RunAsync("submit", "echo", "--input", "@" + file + ".not")).Code);
        Assert.Equal(1, (await RunAsync("submit", "echo", "--set", "nonsense")).Code);
        Assert.Equal(1, (await RunAsync("submit", "echo", "--input", "[]", "--goal", "x")).Code);
    }

    [Fact]
    public async Task A_type_is_paused_and_resumed()
    {
        string id = await SubmitAsync();
        Assert.Equal((0, "paused"), await CodeAndOutputAsync("pause", "echo"));
        Assert.Matches("echo +paused", (await RunAsync("types")).Output);
        Assert.Contains("helixflow jobs resume echo", (await RunAsync("show", id)).Output, StringComparison.Ordinal);
        Assert.Equal((0, "active"), await CodeAndOutputAsync("resume", "echo"));
        Assert.Equal(1, (await RunAsync("pause", "dance")).Code);
    }

    [Fact]
    public async Task Who_works_is_listed()
    {
        string id = await SubmitAsync();
        await _journal.EnterAsync(new WorkerEntry("host/1", "host", "test", 3, ["echo"]), [], Token);
        Assert.Single(await _journal.ClaimAsync("host/1", ["echo"], 1, Token));

        Assert.Matches($"host/1 +3 +echo +\\S+ \\S+ +{id}", (await RunAsync("workers")).Output);
    }

    /// <summary>Tells when something has been written.</summary>
    private sealed class StringWriterUntil(string text) : StringWriter
    {
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Seen => _seen.Task.WaitAsync(TimeSpan.FromMinutes(5), Token);

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value!.Contains(text, StringComparison.Ordinal))
            {
                _seen.TrySetResult();
            }
        }
    }
}
