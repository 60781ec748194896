using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>Workers in other languages keep what the journal promises, whatever happens to them.</summary>
public sealed class LanguageWorkerTests : IDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-language-").FullName;

    public static TheoryData<string> Languages => ["python", "typescript"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Jobs_are_done_and_types_are_listed_and_inputs_checked(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language);
        using HttpClient client = host.Server.Client();
        await host.UntilAsync(async () => (await client.AskAsync("job-types")).Body.GetProperty("data").EnumerateArray().Any(static type => type.Text("name") == "work"));

        (int status, JsonElement problem) = await client.PostAsync("jobs", """{"type":"work","input":{"steps":"many"}}""");
        Assert.Equal((422, "invalid_input"), (status, problem.Text("code")));
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => host.RequestAsync("work", steps: i % 5)));
        for (int i = 0; i < ids.Length; i++)
        {
            RunRecord run = await host.UntilEndedAsync(ids[i]);
            Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
            Assert.Equal($"{{\"total\":{Enumerable.Range(0, i % 5).Sum(static n => n * n)}}}", await host.OutputAsync(run));
        }

        Artifact squares = Assert.Single(await host.Server.Journal.ArtifactsAsync("p", ids[4], Token));
        Assert.Equal(("squares.txt", 20_000L * "0\n1\n4\n9\n".Length, "text/plain"), (squares.Name, squares.Length, squares.ContentType));
        Assert.StartsWith("0\n1\n4\n9\n0\n", Encoding.UTF8.GetString(await host.Server.Journal.ReadAsync(squares.Hash, Token)), StringComparison.Ordinal);
        JsonElement listed = (await client.AskAsync("workers")).Body.GetProperty("data")[0];
        Assert.Equal((4, true), (listed.GetProperty("slots").GetInt32(), listed.Text("program").StartsWith(language[..4], StringComparison.OrdinalIgnoreCase)));
        await Journal.Ledger.CheckAsync(host.Server.Database, Token);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task When_one_is_killed_another_goes_on_after_the_recorded_steps(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker first = host.Worker(language);
        string id = await host.RequestAsync("work", steps: 6, hold: 3, new RunOptions { BackoffMs = 1 });
        await host.UntilAsync(() => Task.FromResult(host.Log().Contains($"3 {first.Id}")));
        await first.KillAsync();
        host.Server.Journal.ClockSkewMs += 31_000; // its lease runs out
        await host.GoAsync();
        await using LanguageWorker second = host.Worker(language);

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Succeeded, 2), (run.State, run.Attempt));
        Assert.Equal("{\"total\":55}", await host.OutputAsync(run));
        string[] expected = [$"0 {first.Id}", $"1 {first.Id}", $"2 {first.Id}", $"3 {first.Id}", $"3 {second.Id}", $"4 {second.Id}", $"5 {second.Id}"];
        Assert.Equal(expected, host.Log());
        await Journal.Ledger.CheckAsync(host.Server.Database, Token);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task One_that_is_told_to_stop_hands_its_jobs_back(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker first = host.Worker(language);
        string id = await host.RequestAsync("work", steps: 3, hold: 1, new RunOptions { LeaseMs = 600_000 });
        string lingering = await host.RequestAsync("linger", options: new RunOptions { LeaseMs = 600_000 });
        await host.UntilAsync(() => Task.FromResult(host.Log().Contains($"1 {first.Id}") && host.Log().Contains($"begun {first.Id}")));
        Assert.Equal(0, await first.TerminateAsync());

        foreach (string handedBack in (string[])[id, lingering])
        {
            RunRecord run = await host.GetAsync(handedBack);
            Assert.Equal((RunState.Ready, 0), (run.State, run.Attempt));
        }

        Assert.Empty(await host.Server.Journal.WorkersAsync(Token));
        await host.GoAsync();
        await using LanguageWorker second = host.Worker(language);
        Assert.Equal((RunState.Succeeded, 1), ((await host.UntilEndedAsync(id)).State, (await host.GetAsync(id)).Attempt));
        Assert.Single(host.Log(), static line => line.StartsWith("0 ", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task One_that_may_finish_its_jobs_does_so_before_it_stops(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language, drainSeconds: 100);
        string id = await host.RequestAsync("work", steps: 3, hold: 1);
        await host.UntilAsync(() => Task.FromResult(host.Log().Contains($"1 {worker.Id}")));
        Task<int> ended = worker.TerminateAsync();
        await host.GoAsync();

        Assert.Equal(0, await ended);
        Assert.Equal((RunState.Succeeded, 1), ((await host.GetAsync(id)).State, (await host.GetAsync(id)).Attempt));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_job_that_is_cancelled_ends(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language);
        string id = await host.RequestAsync("linger");
        await host.UntilAsync(() => Task.FromResult(host.Log().Contains($"begun {worker.Id}")));
        await host.Server.Journal.CancelAsync("p", id, "someone", Token);

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Cancelled, 1), (run.State, run.Attempt));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_job_that_fails_is_tried_again_unless_it_says_that_this_is_useless(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language);
        string final = await host.RequestAsync("stumble", "{\"final\":true}");
        string flaky = await host.RequestAsync("stumble", "{\"final\":false}", new RunOptions { BackoffMs = 1 });

        RunRecord dead = await host.UntilEndedAsync(final);
        Assert.Equal((RunState.Dead, 1, "bad_input"), (dead.State, dead.Attempt, dead.Error!.Code));
        RunRecord third = await host.UntilEndedAsync(flaky);
        Assert.Equal((RunState.Succeeded, 3), (third.State, third.Attempt));
        List<NumberedEvent> events = await host.Server.Journal.EventsAsync("p", flaky, 0, 100, Token);
        JournalEvent.AttemptFailed failed = events.Select(static numbered => numbered.Event).OfType<JournalEvent.AttemptFailed>().First();
        Assert.Equal(("job_error", "no luck"), (failed.Error.Code, failed.Error.Message));
        Assert.Contains("stumble", failed.Error.Details!.Value.GetProperty("stack").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_job_waits_for_signals_times_and_children_without_a_worker(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language);
        string id = await host.RequestAsync("converse");
        await host.UntilAsync(async () => (await host.GetAsync(id)).State == RunState.Waiting);
        await host.Server.Journal.SignalAsync("p", id, "approve", JsonElement.Parse("{\"by\":\"Ann\"}"), Token);

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
        Assert.Equal("""{"children":[["dead",null],["succeeded",{"total":5}]],"said":{"by":"Ann"}}""", await host.OutputAsync(run));
        await Journal.Ledger.CheckAsync(host.Server.Database, Token);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Children_are_started_taken_as_they_end_and_their_files_read_although_a_worker_is_killed_meanwhile(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker first = host.Worker(language);
        Artifact given = await host.Server.Journal.UploadAsync("p", new MemoryStream("given"u8.ToArray()), "text/plain", 1000, Token);
        string id = await host.RequestAsync("gather", $$$"""{"folder":"{{{_folder}}}","file":{"artifact":"{{{given.Hash}}}"}}""", new RunOptions { BackoffMs = 1 });
        await host.UntilAsync(() => Task.FromResult(host.Log().Contains($"think {first.Id}"))); // the children are started, and nobody waits for them yet
        await first.KillAsync();
        host.Server.Journal.ClockSkewMs += 31_000; // its lease runs out
        await host.GoAsync();
        await using LanguageWorker second = host.Worker(language);
        await host.UntilAsync(async () => (await host.Server.Journal.QuestionsAsync("p", id, Token)).Count > 0);
        Assert.Equal(AnswerOutcome.Taken, await host.Server.Journal.AnswerAsync("p", id, "question", JsonElement.Parse("""{"number":8}"""), Token));

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.True(run.State == RunState.Succeeded, run.Error?.Message);
        Assert.Equal(
            """{"again":["succeeded","succeeded","dead"],"answer":50,"ended":[["succeeded",null,120000],["succeeded",null,80000],["dead","It says that it fails.",null]],"given":"given","none":null,"own":"mine"}""",
            await host.OutputAsync(run));
        Assert.Equal((1, 7, 5), (run.Usage.ModelCalls, run.Usage.PromptTokens, run.Usage.CompletionTokens));
        Assert.Equal(4, (await host.Server.Journal.ListAsync("p", new RunFilter(null, null, null, 100), Token)).Count); // each child once
        await Journal.Ledger.CheckAsync(host.Server.Database, Token);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_question_that_nobody_answers_in_time_is_rejected_or_fails_the_job(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language);
        string rejected = await host.RequestAsync("hesitate", """{"fail":false}"""), failed = await host.RequestAsync("hesitate", """{"fail":true}""");
        foreach (string id in (string[])[rejected, failed])
        {
            await host.UntilAsync(async () => (await host.GetAsync(id)).State == RunState.Waiting);
        }

        host.Server.Journal.ClockSkewMs += 61_000;
        RunRecord run = await host.UntilEndedAsync(rejected);
        Assert.Equal("""{"by":"expiry","decision":"reject","expired":true,"reason":"Nobody has answered within 60 s."}""", await host.OutputAsync(run));
        Assert.Equal((RunState.Dead, "question_expired"), ((await host.UntilEndedAsync(failed)).State, (await host.GetAsync(failed)).Error!.Code));
    }

    [Theory]
    [InlineData("python", "sdks/python-worker/examples/count_words.py")]
    [InlineData("typescript", "sdks/typescript-worker/dist/examples/countWords.js")]
    public async Task The_examples_count_words(string language, string program)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = LanguageWorker.Start(language, program, host.Server.WorkerAddress.ToString());
        string id = await host.RequestAsync("count-words", """{"documents":["one two three","four five",""]}""");
        string empty = await host.RequestAsync("count-words", """{"documents":[]}""");

        Assert.Equal("{\"words\":5}", await host.OutputAsync(await host.UntilEndedAsync(id)));
        Assert.Equal("no_documents", (await host.UntilEndedAsync(empty)).Error!.Code);
        Assert.Equal(3, (await host.Server.Journal.StepsAsync("p", id, Token)).Count);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task One_whose_key_is_not_taken_says_so_and_ends(string language)
    {
        await using Host host = await StartAsync();
        await using LanguageWorker worker = host.Worker(language, key: "nobody");

        Assert.Equal(0, await worker.EndAsync());
        Assert.Contains("The key is not valid", worker.Said, StringComparison.Ordinal);
    }

    private async Task<Host> StartAsync()
    {
        AgentServer server = await AgentServer.StartAsync();
        server.StartTicking();
        return new Host(server, _folder);
    }

    private sealed class Host(AgentServer server, string folder) : IAsyncDisposable
    {
        public AgentServer Server => server;

        public LanguageWorker Worker(string language, double drainSeconds = 0, string key = "w") => LanguageWorker.Start(
            language, $"tests/interop/workers/worker.{(language == "python" ? "py" : "mjs")}", server.WorkerAddress.ToString(), key, FormattableString.Invariant($"{drainSeconds}"));

        public Task GoAsync() => File.WriteAllTextAsync(Path.Combine(folder, "go"), "", Token);

        public string[] Log() => File.Exists(Path.Combine(folder, "log")) ? File.ReadAllLines(Path.Combine(folder, "log")) : [];

        public Task<string> RequestAsync(string type, int steps, int hold = -1, RunOptions? options = null) =>
            RequestAsync(type, $"{{\"folder\":\"{folder}\",\"steps\":{steps},\"hold\":{hold}}}", options);

        public async Task<string> RequestAsync(string type, string? input = null, RunOptions? options = null) => (await server.Journal.RequestAsync(
            new RunRequest { Project = "p", Type = type, Input = Encoding.UTF8.GetBytes(input ?? $"{{\"folder\":\"{folder}\"}}"), Options = options ?? new RunOptions() }, Token)).Run!.Id;

        public async Task<RunRecord> GetAsync(string id) => (await server.Journal.GetAsync("p", id, Token))!;

        public async Task<string> OutputAsync(RunRecord run) => Encoding.UTF8.GetString(await server.Journal.ReadAsync(run.Output!, Token));

        public async Task<RunRecord> UntilEndedAsync(string id)
        {
            RunRecord run = null!;
            await UntilAsync(async () => (run = await GetAsync(id)).HasEnded);
            return run;
        }

        public async Task UntilAsync(Func<Task<bool>> isThere)
        {
            using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
            guard.CancelAfter(Guard);
            while (!await isThere())
            {
                await Task.Delay(10, guard.Token);
            }
        }

        public ValueTask DisposeAsync() => server.DisposeAsync();
    }
}
