using System.CommandLine;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Cli.Commands;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Tests.Commands;

/// <summary><c>helixflow jobs</c> against the real API; the test does the worker's part.</summary>
public sealed partial class JobsCommandTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-jobs-").FullName;
    private SqliteDatabase _database = null!;
    private Journal _journal = null!;
    private WebApplication _app = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = SqliteDatabase.Open(Path.Combine(_folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        _journal = new Journal(_database, new BlobFolder(Path.Combine(_folder, "blobs")), TimeProvider.System, new JournalOptions());
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(_journal);
        builder.Services.AddSingleton<IKeyAuthority, OneKey>();
        builder.Services.AddSingleton<IJobType, Echo>();
        builder.Services.AddAgents(new AgentOptions());
        _app = builder.Build();
        _app.MapAgents();
        await _app.StartAsync(Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_job_is_submitted_with_what_the_options_say()
    {
        string file = Path.Combine(_folder, "input.txt");
        await File.WriteAllTextAsync(file, "from a file", Token);
        (int code, string output, _) = await RunAsync(
            "submit", "echo", "--input", """{"n":1}""", "--text-file", file, "--priority", "high", "--key", "k", "--label", "order=7", "--json");

        Assert.Equal(0, code);
        JsonElement job = JsonElement.Parse(output);
        Assert.Equal(("high", "k", "7"), (job.GetProperty("priority").GetString(), job.GetProperty("idempotency_key").GetString(), job.GetProperty("labels").GetProperty("order").GetString()));
        string id = job.GetProperty("id").GetString()!;
        Assert.Equal("""{"n":1,"text":"from a file"}""", System.Text.Encoding.UTF8.GetString(Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token)).Input!));
        (code, output, _) = await RunAsync("submit", "echo", "--input", """{"n":1,"text":"from a file"}""", "--priority", "high", "--key", "k");
        Assert.Equal((0, id), (code, output.Trim()));
    }

    [Fact]
    public async Task A_question_is_submitted_by_its_options_and_its_report_is_shown_with_what_the_numbers_stand_for()
    {
        Task<(int Code, string Output, string Error)> watching = RunAsync("submit", "echo", "--question", "Why?", "--source-url", "http://a/", "--source-url", "http://b/", "--watch");
        Claim claim;
        while ((await _journal.ClaimAsync("w", ["echo"], 1, Token)) is not [var one] || (claim = one) is null)
        {
            await Task.Delay(5, Token);
        }

        Assert.Equal("""{"question":"Why?","urls":["http://a/","http://b/"]}""", System.Text.Encoding.UTF8.GetString(claim.Input!));
        Assert.True(await _journal.SucceedAsync(
            claim.Lease,
            """{"report":"Because [1].\n\nSo \u001b[31mit is.","citations":[{"number":1,"title":"A page","url":"http://a/","quote":"It is so."}],"notes":[{"code":"x","message":"With care."}]}"""u8.ToArray(),
            Token));
        (int code, string output, _) = await watching;

        Assert.Equal(0, code);
        Assert.Contains("Because [1].", output, StringComparison.Ordinal);
        Assert.Contains("[1]  A page  http://a/\n    \"It is so.\"", output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("(With care.)", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public async Task Watching_ends_with_the_result_and_says_by_its_code_how_the_job_ended()
    {
        string done = await SubmitAsync(), dead = await SubmitAsync(), cancelled = await SubmitAsync();
        Task<(int Code, string Output, string Error)> watching = RunAsync("watch", done);
        foreach (Claim claim in await _journal.ClaimAsync("w", ["echo"], 2, Token))
        {
            await _journal.ProgressAsync(claim.Lease, 50, "half of it", null, Token);
            Assert.True(claim.Run.Id == done
                ? await _journal.SucceedAsync(claim.Lease, "{\"answer\":42}"u8.ToArray(), Token)
                : await _journal.FailAsync(claim.Lease, new RunError("broken", "It broke."), true, Token));
        }

        (int code, string output, _) = await watching;
        Assert.Equal(0, code);
        Assert.Matches(@"half of it \(50 %(, about .+ left)?\)", output); // the job may have ended when the server is asked how long it still takes
        Assert.Contains("\"answer\": 42", output, StringComparison.Ordinal);
        (code, output, _) = await RunAsync("watch", dead);
        Assert.Equal(3, code);
        Assert.Contains("It broke.", output, StringComparison.Ordinal);
        Assert.Equal((0, "cancelled"), await CodeAndOutputAsync("cancel", cancelled));
        (code, output, _) = await RunAsync("watch", cancelled, "--json");
        Assert.Equal(4, code);
        Assert.Equal(["requested", "cancel_requested", "cancelled"], output.Trim().Split('\n').Select(static line => JsonElement.Parse(line).GetProperty("kind").GetString()));
    }

    [Fact]
    public async Task Jobs_are_listed_shown_and_tried_again()
    {
        string id = await SubmitAsync();
        await RunAsync("cancel", id);

        Assert.Contains(id, (await RunAsync("list", "--state", "cancelled")).Output, StringComparison.Ordinal);
        Assert.DoesNotContain(id, (await RunAsync("list", "--state", "ready,running")).Output, StringComparison.Ordinal);
        Assert.Contains("cancelled", (await RunAsync("get", id)).Output, StringComparison.Ordinal);
        Assert.Equal((0, "ready"), await CodeAndOutputAsync("retry", id, "--input", """{"n":2}"""));
        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.True(await _journal.SucceedAsync(claim.Lease, "[1]"u8.ToArray(), Token));
        Assert.Equal((0, "[1]"), await CodeAndOutputAsync("get", id, "--result"));
        Assert.Contains("echo", (await RunAsync("types")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_are_brought_listed_and_saved()
    {
        string file = Path.Combine(_folder, "table.csv"), folder = Path.Combine(_folder, "out");
        await File.WriteAllTextAsync(file, "a,b\n1,2\n", Token);
        (int code, string output, _) = await RunAsync("submit", "echo", "--artifact", $"data={file}");
        Assert.Equal(0, code);
        string id = output.Trim();
        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        string hash = ArtifactReference.Of(JsonElement.Parse(claim.Input!).GetProperty("data"))!;
        Assert.Equal("text/csv", (await _journal.FindUploadAsync(claim.Run.Project, hash, Token))!.ContentType);
        Run run = await Run.OpenAsync(_journal, claim, TimeProvider.System, Token);
        await run.ArtifactAsync("chart 1.svg", "<svg/>"u8.ToArray(), "image/svg+xml", Token);

        (code, output, _) = await RunAsync("artifacts", id, "--out", folder);
        Assert.Equal(0, code);
        Assert.Contains("chart 1.svg", output, StringComparison.Ordinal);
        Assert.Equal("<svg/>", await File.ReadAllTextAsync(Path.Combine(folder, "chart 1.svg"), Token));
        Assert.Single(Directory.GetFiles(folder));
        Assert.Equal(1, (await RunAsync("submit", "echo", "--artifact", "nonsense")).Code);
    }

    [Fact]
    public async Task What_is_stale_and_what_can_go_is_told()
    {
        string id = await SubmitAsync();
        await RunAsync("cancel", id);
        (int code, string output, _) = await RunAsync("why-stale", id, "--input", """{"n":2}""");
        Assert.Equal(0, code);
        Assert.Contains("VERDICT", output, StringComparison.Ordinal);
        (code, output, _) = await RunAsync("why-stale", id, "--json");
        Assert.Equal((0, id), (code, JsonElement.Parse(output).GetProperty("job").GetString()));
        Assert.Equal((0, "would delete 0 jobs and 0 values of 0 bytes"), await CodeAndOutputAsync("gc", "--dry-run"));
        Assert.Equal((0, "deleted 0 jobs and 0 values of 0 bytes"), await CodeAndOutputAsync("gc"));
    }

    [Fact]
    public async Task What_a_job_asks_is_shown_approved_and_rejected()
    {
        string id = await SubmitAsync();
        (int code, _, string error) = await RunAsync("approve", id);
        Assert.Equal((1, "The job asks nothing at the moment."), (code, error.Trim()));
        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        JsonElement question = JsonElement.Parse("""{"tool":"buy","arguments":{"n":1}}""");
        Assert.Equal("answer:1", await _journal.AskAsync(claim.Lease, "first", "answer:1", question, null, Token));

        Assert.Matches("first +pending +buy +{\"n\":1}", (await RunAsync("approvals", id)).Output);
        Assert.Equal((0, "running"), await CodeAndOutputAsync("approve", id, "--arguments", """{"n":2}"""));
        Assert.Equal("answer:2", await _journal.AskAsync(claim.Lease, "second", "answer:2", question, null, Token));
        Assert.Equal("answer:3", await _journal.AskAsync(claim.Lease, "third", "answer:3", question, null, Token));
        (code, _, error) = await RunAsync("reject", id);
        Assert.Equal((1, "The job asks several things: name one of second, third."), (code, error.Trim()));
        Assert.Equal((0, "running"), await CodeAndOutputAsync("reject", id, "third", "--reason", "too dear"));

        List<QuestionRecord> answered = await _journal.QuestionsAsync("p", id, Token);
        Assert.Equal(2, answered[0].Answer!.Value.GetProperty("arguments").GetProperty("n").GetInt32());
        Assert.Equal([true, false, true], answered.Select(static asked => asked.Answer is not null));
        Assert.Equal("too dear", answered[2].Answer!.Value.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task An_agent_is_submitted_with_its_goal_and_tools()
    {
        await RunAsync("submit", "echo", "--goal", "Do it.", "--tool", "calculator", "--tool", "current_time");

        Claim claim = Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token));
        Assert.Equal(
            """{"goal":"Do it.","tools":[{"name":"calculator","type":"builtin"},{"name":"current_time","type":"builtin"}]}""", System.Text.Encoding.UTF8.GetString(claim.Input!));
    }

    [Fact]
    public async Task What_the_server_refuses_is_said_in_a_sentence()
    {
        (int code, _, string error) = await RunAsync("submit", "dance");
        Assert.Equal(1, code);
        Assert.Contains("Known are: echo.", error, StringComparison.Ordinal);
        (code, _, error) = await RunAsync("watch", "job_0");
        Assert.Equal((1, "There is no job 'job_0' in this project."), (code, error.Trim()));
        (code, _, error) = await RunAsync("list", "--api-key", "wrong");
        Assert.Equal(1, code);
        Assert.Contains("--api-key", error, StringComparison.Ordinal);
        (code, _, error) = await RunAsync("submit", "echo", "--input", "{");
        Assert.Equal(2, code);
        Assert.Contains("no JSON", error, StringComparison.Ordinal);
        (code, _, error) = await RunAsync("list", "--url", "http://127.0.0.1:1");
        Assert.Equal(1, code);
        Assert.Contains("127.0.0.1:1", error, StringComparison.Ordinal);
    }

    private async Task<string> SubmitAsync(params string[] options) => (await RunAsync(["submit", "echo", .. options])).Output.Trim();

    private async Task<(int Code, string Output)> CodeAndOutputAsync(params string[] arguments)
    {
        (int code, string output, _) = await RunAsync(arguments);
        return (code, output.Trim());
    }

    private Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => InvokeAsync("jobs", arguments);

    private async Task<(int Code, string Output, string Error)> InvokeAsync(string command, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (await InvokeAsync(output, error, command, arguments), output.ToString(), error.ToString());
    }

    private Task<int> InvokeAsync(TextWriter output, params string[] arguments) => InvokeAsync(output, TextWriter.Null, "jobs", arguments);

    private Task<int> InvokeAsync(TextWriter output, TextWriter error, string command, params string[] arguments)
    {
        string[] where = [.. arguments.Contains("--url") ? [] : (string[])["--url", _app.Urls.First()], .. arguments.Contains("--api-key") ? [] : (string[])["--api-key", "key"]];
        return new RootCommand { JobsCommand.Create(), SchedulesCommand.Create() }.Parse([command, .. arguments, .. where], Terminal.Parsing).InvokeAsync(new InvocationConfiguration { Output = output, Error = error }, Token);
    }

    private sealed class OneKey : IKeyAuthority
    {
        public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(
            request.Key == "key" ? new VerifyKeyResponse { Principal = new Principal { Id = "k", Project = "p", Scopes = { "inference", "admin" } } } : new VerifyKeyResponse());
    }

    private sealed class Echo : IJobType
    {
        public string Name => "echo";

        public string Description => "Says the same.";

        public JsonElement InputSchema { get; } = JsonElement.Parse("""{"type":"object"}""");

        public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

        public Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken) => throw new InvalidOperationException("no worker runs in these tests");
    }
}
