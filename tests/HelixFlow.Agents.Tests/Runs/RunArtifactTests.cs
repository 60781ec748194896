using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Journal;

namespace HelixFlow.Agents.Tests.Runs;

public sealed class RunArtifactTests
{
    private const int Large = 100_000; // above what the database keeps itself

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(Large)]
    public async Task A_file_is_there_as_soon_as_it_was_made_and_is_made_once(int length)
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await host.CrashAsync("t", async run =>
        {
            await run.ArtifactAsync("a.bin", Content(length), "application/x-test", Token);
            Artifact early = Assert.Single(await host.Journal.ArtifactsAsync("p", id, Token));
            Assert.Equal(Content(length), await host.Journal.ReadAsync(early.Hash, Token));
            throw new Crash();
        });
        Run again = await host.AttemptAsync("t", async run =>
        {
            Artifact file = await run.ArtifactAsync("a.bin", new MemoryStream(Content(length)), "application/x-test", Token);
            Assert.Equal(Content(length), await run.ReadArtifactAsync(file.Hash, Large, Token));
            return JsonElement.Parse("1");
        });

        Assert.Equal(0, again.Executed);
        Artifact artifact = Assert.Single(await host.Journal.ArtifactsAsync("p", id, Token));
        Assert.Equal(("a.bin", length, "application/x-test"), (artifact.Name, artifact.Length, artifact.ContentType));
        Assert.Equal(
            ["Requested", "AttemptStarted", "StepSucceeded", "ArtifactStored", "AttemptFailed", "Released", "AttemptStarted", "Succeeded"], await host.KindsAsync(id));
        Assert.Empty(await host.Journal.ArtifactsAsync("q", id, Token));
        await Ledger.CheckAsync(host.Database, Token);
    }

    [Fact]
    public async Task Another_content_under_the_same_name_stops_the_run()
    {
        await using var host = new AgentHost();
        await host.RequestAsync("t");
        await host.CrashAsync("t", async run =>
        {
            await run.ArtifactAsync("a.txt", "one"u8.ToArray(), "text/plain", Token);
            throw new Crash();
        });
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);

        await Assert.ThrowsAsync<ReplayMismatchException>(() => run.ArtifactAsync("a.txt", "two"u8.ToArray(), "text/plain", Token));
        await Assert.ThrowsAsync<InvalidOperationException>(() => run.ArtifactAsync("a.txt", "one"u8.ToArray(), "text/plain", Token));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("c:d")]
    public async Task A_name_that_is_no_file_name_is_refused(string name)
    {
        await using var host = new AgentHost();
        await host.RequestAsync("t");
        Run run = await Run.OpenAsync(host.Journal, await host.ClaimAsync("t"), TimeProvider.System, Token);

        await Assert.ThrowsAsync<ArgumentException>(() => run.ArtifactAsync(name, "x"u8.ToArray(), "text/plain", Token));
    }

    [Fact]
    public async Task A_fork_takes_over_files_that_are_the_same_and_a_new_input_forgets_them()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t", "1");
        await host.AttemptAsync("t", CodeAsync);
        string fork = await host.RequestAsync("t", "2", forkOf: id);
        await host.AttemptAsync("t", CodeAsync);
        List<Artifact> first = await host.Journal.ArtifactsAsync("p", id, Token), second = await host.Journal.ArtifactsAsync("p", fork, Token);

        Assert.Equal(first.Find(static file => file.Name == "same")!.Hash, second.Find(static file => file.Name == "same")!.Hash);
        Assert.NotEqual(first.Find(static file => file.Name == "input")!.Hash, second.Find(static file => file.Name == "input")!.Hash);
        Assert.Equal(
            [StepSource.Executed, StepSource.Fork],
            (await host.Journal.StepsAsync("p", fork, Token)).OrderBy(static step => step.Address, StringComparer.Ordinal).Select(static step => step.Source));

        string dead = await host.RequestAsync("t", "3");
        Claim claim = await host.ClaimAsync("t");
        await CodeAsync(await Run.OpenAsync(host.Journal, claim, TimeProvider.System, Token));
        await host.Journal.FailAsync(claim.Lease, new RunError("broken", "broken"), true, Token);
        await host.Journal.RequeueAsync("p", dead, "4"u8.ToArray(), "someone", Token);
        Assert.Empty(await host.Journal.ArtifactsAsync("p", dead, Token));
        await Ledger.CheckAsync(host.Database, Token);

        static async Task<JsonElement> CodeAsync(Run run)
        {
            await run.ArtifactAsync("input", Encoding.UTF8.GetBytes(run.Input.GetRawText()), "text/plain", Token);
            await run.ArtifactAsync("same", Content(Large), "text/plain", Token);
            return run.Input;
        }
    }

    [Fact]
    public async Task A_run_reads_the_files_that_its_input_names_and_no_others()
    {
        await using var host = new AgentHost();
        Artifact mine = await host.Journal.UploadAsync("p", new MemoryStream(Content(Large)), "text/csv", Large, Token);
        Artifact unnamed = await host.Journal.UploadAsync("p", new MemoryStream(Content(20)), "text/csv", Large, Token);
        Artifact foreign = await host.Journal.UploadAsync("q", new MemoryStream(Content(30)), "text/csv", Large, Token);
        string id = await host.RequestAsync("t", $$$"""{"deep":[{"table":{"artifact":"{{{mine.Hash}}}"}}]}""");
        await host.AttemptAsync("t", async run =>
        {
            string hash = ArtifactReference.Of(run.Input.GetProperty("deep")[0].GetProperty("table"))!;
            Assert.Equal(Content(Large), await run.ReadArtifactAsync(hash, Large, Token));
            Assert.Equal("artifact_too_large", (await Assert.ThrowsAsync<JobFailedException>(() => run.ReadArtifactAsync(hash, Large - 1, Token))).Code);
            foreach (string other in (string[])[unnamed.Hash, foreign.Hash, "none"])
            {
                Assert.Equal("unknown_artifact", (await Assert.ThrowsAsync<JobFailedException>(() => run.ReadArtifactAsync(other, Large, Token))).Code);
            }

            return JsonElement.Parse("1");
        });

        RunStart refused = await host.Journal.RequestAsync(
            new RunRequest { Project = "p", Type = "t", Input = Encoding.UTF8.GetBytes($$$"""{"artifact":"{{{foreign.Hash}}}"}""") }, Token);
        Assert.Equal((RunStartKind.UnknownArtifact, foreign.Hash), (refused.Kind, refused.Unknown));
        Assert.Equal(RunState.Succeeded, (await host.GetAsync(id)).State);
    }

    [Fact]
    public async Task A_part_of_the_result_can_be_read_while_the_run_goes_on()
    {
        await using var host = new AgentHost();
        string id = await host.RequestAsync("t");
        await host.AttemptAsync("t", async run =>
        {
            await run.ReportAsync(50, "half", JsonElement.Parse("""{"rows":[1,2]}"""), Token);
            var told = (JournalEvent.Progressed)(await host.Journal.EventsAsync("p", id, 0, 10, Token))[^1].Event;
            FoundValue found = (await host.Journal.FindValueAsync("p", id, told.Partial!, Token))!;
            Assert.True(found.IsJson);
            Assert.Equal("""{"rows":[1,2]}""", Encoding.UTF8.GetString(await host.Journal.ReadAsync(told.Partial!, Token)));
            Assert.Null(await host.Journal.FindValueAsync("q", id, told.Partial!, Token));
            return JsonElement.Parse("1");
        });
    }

    private static byte[] Content(int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        return content;
    }
}
