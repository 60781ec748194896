using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

public sealed class JobEndpointsTests
{
    private const string Hello = """{"type":"greet","input":{"name":"World"}}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_is_submitted_shown_and_gives_its_result()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int status, JsonElement job) = await client.PostAsync("jobs", """
            {"type":"greet","input":{"name":"World"},"priority":"high","labels":{"order":"7"},"options":{"max_attempts":5,"attempt_timeout_ms":60000}}
            """);

        Assert.Equal((201, "ready", "high", "7"), (status, job.Text("state"), job.Text("priority"), job.GetProperty("labels").Text("order")));
        Assert.Equal(5, job.GetProperty("options").GetProperty("max_attempts").GetInt32());
        string id = job.Text("id");
        Assert.Equal((409, "not_ended"), Problem(await client.AskAsync($"jobs/{id}/result")));
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.ProgressAsync(claim.Lease, 40, "greeting", null, Token));
        JsonElement worker = Assert.Single((await client.AskAsync("workers")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(("worker-1", id), (worker.Text("worker"), worker.GetProperty("jobs")[0].Text("id")));
        Assert.Equal(40, (await client.AskAsync($"jobs/{id}")).Body.GetProperty("progress").GetProperty("percent").GetInt32());
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "\"Hello, World\""u8.ToArray(), Token));

        (status, job) = await client.AskAsync($"jobs/{id}?include=input");
        Assert.Equal((200, "succeeded", "World"), (status, job.Text("state"), job.GetProperty("input").Text("name")));
        Assert.Equal("Hello, World", (await client.AskAsync($"jobs/{id}/result")).Body.GetString());
        Assert.Empty((await client.AskAsync("workers")).Body.GetProperty("data").EnumerateArray());
    }

    [Theory]
    [InlineData("""{"type":"greet","input":{"name":"x"},"colour":1}""", 400, "unknown_field", "/colour")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"options":{"attempts":1}}""", 400, "unknown_field", "/options/attempts")]
    [InlineData("""{"input":{}}""", 400, "invalid_field", "/type")]
    [InlineData("""{"type":"greet"}""", 400, "invalid_field", "/input")]
    [InlineData("""{"type":"dance","input":{}}""", 422, "unknown_type", "/type")]
    [InlineData("""{"type":"greet","input":{"name":""}}""", 422, "invalid_input", "/input/name")]
    [InlineData("""{"type":"greet","input":{}}""", 422, "invalid_input", "/input/name")]
    [InlineData("""{"type":"greet","input":{"name":"x","age":1}}""", 422, "invalid_input", "/input/age")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"priority":"urgent"}""", 400, "invalid_field", "/priority")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"priority":2}""", 400, "invalid_field", "/priority")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"depends_on":["job_0"]}""", 422, "unknown_dependency", "/depends_on")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"not_before":"soon"}""", 400, "invalid_field", "/not_before")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"not_before":"2030-01-01T00:00:00Z","delay_seconds":5}""", 400, "invalid_field", "/delay_seconds")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"labels":{"a":1}}""", 400, "invalid_field", "/labels")]
    [InlineData("""{"type":"greet","input":{"name":"x"},"options":{"max_attempts":0}}""", 400, "invalid_field", "/options/max_attempts")]
    [InlineData("""{"type":"greet","type":"greet","input":{"name":"x"}}""", 400, "invalid_json", null)]
    [InlineData("""{"type":"greet","input":{"name":"\ud800"}}""", 400, "invalid_json", null)]
    [InlineData("""{"type":"greet","input":1e999}""", 400, "invalid_json", null)]
    [InlineData("""[]""", 400, "invalid_field", "")]
    [InlineData("""{"type":""", 400, "invalid_json", null)]
    public async Task A_wrong_submission_is_refused_with_what_is_wrong(string body, int status, string code, string? place)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int Status, JsonElement Body) answer = await client.PostAsync("jobs", body);

        Assert.Equal((status, code), Problem(answer));
        Assert.Equal(status, answer.Body.GetProperty("status").GetInt32());
        Assert.Equal(place, answer.Body.TryGetProperty("pointer", out JsonElement at) ? at.GetString() : null);
        Assert.Empty((await client.AskAsync("jobs")).Body.GetProperty("data").EnumerateArray());
    }

    [Fact]
    public async Task An_unknown_type_is_answered_with_those_that_there_are()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();

        Assert.Contains("greet", (await client.PostAsync("jobs", """{"type":"dance","input":{}}""")).Body.Text("detail"), StringComparison.Ordinal);
        JsonElement type = Assert.Single((await client.AskAsync("job-types")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(("greet", "object", "string"), (type.Text("name"), type.GetProperty("input_schema").Text("type"), type.GetProperty("output_schema").Text("type")));
    }

    [Fact]
    public async Task The_same_key_gives_the_same_job_even_when_it_is_delayed()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        const string Later = """{"type":"greet","input":{"name":"World"},"delay_seconds":3600}""";
        (int first, JsonElement job) = await client.PostAsync("jobs", Later, "k");
        (int second, JsonElement same) = await client.PostAsync("jobs", Later, "k");

        Assert.Equal((201, 200, "waiting"), (first, second, job.Text("state")));
        Assert.Equal(job.Text("id"), same.Text("id"));
        (int status, JsonElement problem) = await client.PostAsync("jobs", """{"type":"greet","input":{"name":"Moon"}}""", "k");
        Assert.Equal((409, "idempotency_key_reused", job.Text("id")), (status, problem.Text("code"), problem.Text("job")));
        using HttpClient other = server.Client("q");
        Assert.Equal(201, (await other.PostAsync("jobs", Later, "k")).Status);
    }

    [Fact]
    public async Task Nothing_of_another_project_is_there()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client("q");
        string id = await server.SubmitAsync("p");
        _ = await server.ClaimAsync();

        foreach (string path in (string[])[$"jobs/{id}", $"jobs/{id}/events", $"jobs/{id}/steps", $"jobs/{id}/result"])
        {
            Assert.Equal((404, "unknown_job"), Problem(await client.AskAsync(path)));
        }

        foreach (string action in (string[])["cancel", "retry", "signals/go", "fork"])
        {
            Assert.Equal((404, "unknown_job"), Problem(await client.PostAsync($"jobs/{id}/{action}", action == "signals/go" ? "1" : "{}")));
        }

        Assert.Equal((404, "unknown_job"), Problem(await client.PostAsync($"jobs/{id}/decisions", """{"address":"a","outcome":"retry"}""")));
        Assert.Equal((404, "unknown_job"), Problem(await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")));
        Assert.Equal((422, "unknown_dependency"), Problem(await client.PostAsync("jobs", $$"""{"type":"greet","input":{"name":"x"},"depends_on":["{{id}}"]}""")));
        Assert.Empty((await client.AskAsync("jobs")).Body.GetProperty("data").EnumerateArray());
        Assert.Empty((await client.AskAsync("workers")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(RunState.Running, (await server.Journal.GetAsync("p", id, Token))!.State);
    }

    [Fact]
    public async Task Without_a_valid_key_there_is_no_answer()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient none = server.Client(null), wrong = server.Client("x"), weak = server.Client("reader");

        Assert.Equal((401, "missing_key"), Problem(await none.AskAsync("jobs")));
        Assert.Equal((401, "invalid_key"), Problem(await wrong.PostAsync("jobs", Hello)));
        Assert.Equal((403, "forbidden"), Problem(await weak.AskAsync("job-types")));
    }

    [Fact]
    public async Task Pages_neither_repeat_nor_skip_jobs_while_others_come_and_go()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        var expected = new List<string>();
        for (int i = 0; i < 23; i++)
        {
            expected.Insert(0, await server.SubmitAsync());
            await server.SubmitAsync("q");
        }

        var seen = new List<string>();
        string? cursor = null;
        do
        {
            JsonElement page = (await client.AskAsync($"jobs?limit=5{(cursor is null ? "" : $"&cursor={cursor}")}")).Body;
            seen.AddRange(page.GetProperty("data").EnumerateArray().Select(static job => job.Text("id")));
            cursor = page.Text("next_cursor");
            await server.SubmitAsync();
            string last = seen[^1]; // the job at which the next page begins may vanish
            await client.PostAsync($"jobs/{last}/cancel");
            Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, $"jobs/{last}")).Status);
        }
        while (cursor is not null);

        Assert.Equal(expected, seen);
        Assert.Equal((400, "invalid_parameter"), Problem(await client.AskAsync("jobs?cursor=x")));
        Assert.Equal((400, "invalid_parameter"), Problem(await client.AskAsync("jobs?limit=0")));
        Assert.Equal((400, "invalid_parameter"), Problem(await client.AskAsync("jobs?state=asleep")));
    }

    [Fact]
    public async Task Lists_are_filtered_by_state_and_type()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string cancelled = await server.SubmitAsync();
        string ready = await server.SubmitAsync();
        (int status, JsonElement job) = await client.PostAsync($"jobs/{cancelled}/cancel");

        Assert.Equal((200, "cancelled"), (status, job.Text("state")));
        Assert.Equal([ready], await IdsAsync(client, "jobs?state=ready"));
        Assert.Equal([ready, cancelled], await IdsAsync(client, "jobs?state=ready,cancelled&type=greet"));
        Assert.Empty(await IdsAsync(client, "jobs?type=dance"));
    }

    [Fact]
    public async Task A_dead_job_is_listed_edited_and_tried_again()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.Equal((409, "not_retryable"), Problem(await client.PostAsync($"jobs/{id}/retry")));
        Assert.True(await server.Journal.FailAsync(claim.Lease, new RunError("shy", "It does not greet."), true, Token));

        JsonElement letter = Assert.Single((await client.AskAsync("dead-letters?include=input")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(("shy", "World"), (letter.GetProperty("error").Text("code"), letter.GetProperty("input").Text("name")));
        Assert.Equal((409, "no_result"), Problem(await client.AskAsync($"jobs/{id}/result")));
        Assert.Equal((409, "has_ended"), Problem(await client.PostAsync($"jobs/{id}/cancel")));
        Assert.Equal((422, "invalid_input"), Problem(await client.PostAsync($"jobs/{id}/retry", """{"input":{"name":5}}""")));
        (int status, JsonElement job) = await client.PostAsync($"jobs/{id}/retry", """{"input":{"name":"Moon"}}""");
        Assert.Equal((200, "ready", 2), (status, job.Text("state"), job.GetProperty("epoch").GetInt32()));
        Assert.Equal("{\"name\":\"Moon\"}", Encoding.UTF8.GetString((await server.ClaimAsync()).Input!));
    }

    [Fact]
    public async Task A_running_job_is_asked_to_end_and_cannot_be_deleted_before()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        (int status, JsonElement job) = await client.PostAsync($"jobs/{id}/cancel");

        Assert.Equal((202, "running", true), (status, job.Text("state"), job.GetProperty("cancel_requested").GetBoolean()));
        Assert.Equal((409, "not_ended"), Problem(await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")));
        Assert.True(await server.Journal.CancelledAsync(claim.Lease, Token));
        Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")).Status);
        Assert.Equal((404, "unknown_job"), Problem(await client.AskAsync($"jobs/{id}")));
    }

    [Fact]
    public async Task The_lease_of_a_deleted_job_holds_no_other_job()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "\"x\""u8.ToArray(), Token));
        Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")).Status);
        await server.SubmitAsync();
        _ = await server.ClaimAsync();

        Assert.False(await server.Journal.SucceedAsync(claim.Lease, "\"y\""u8.ToArray(), Token));
    }

    [Fact]
    public async Task A_job_that_others_wait_for_or_use_cannot_be_deleted()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "\"x\""u8.ToArray(), Token));
        (int status, JsonElement fork) = await client.PostAsync($"jobs/{id}/fork", """{"input":{"name":"Moon"}}""");

        Assert.Equal((201, "ready"), (status, fork.Text("state")));
        Assert.Equal((409, "in_use"), Problem(await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")));
        await client.PostAsync($"jobs/{fork.Text("id")}/cancel");
        Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, $"jobs/{id}")).Status);
        Assert.Equal(200, (await client.AskAsync($"jobs/{fork.Text("id")}")).Status);
    }

    [Fact]
    public async Task A_fork_may_begin_only_at_a_step_that_was_recorded()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        var step = new StepRecord("draft/1", "d", EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0);
        Assert.True(await server.Journal.RecordStepAsync(claim.Lease, step, "1"u8.ToArray(), null, Token));
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "\"x\""u8.ToArray(), Token));

        Assert.Equal((422, "unknown_step"), Problem(await client.PostAsync($"jobs/{id}/fork", """{"from":"draft/2"}""")));
        (int status, JsonElement fork) = await client.PostAsync($"jobs/{id}/fork", """{"from":"draft/1","priority":"low"}""");
        Assert.Equal((201, "low"), (status, fork.Text("priority")));
        JsonElement shown = Assert.Single((await client.AskAsync($"jobs/{id}/steps")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(("draft/1", "succeeded", "recorded"), (shown.Text("address"), shown.Text("state"), shown.Text("effect")));
    }

    [Fact]
    public async Task A_signal_reaches_the_job_that_waits_for_it()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.SuspendAsync(claim.Lease, null, "approved", [], Token));
        (int status, JsonElement job) = await client.PostAsync($"jobs/{id}/signals/approved", """{"by":"Ann"}""");

        Assert.Equal((202, "ready"), (status, job.Text("state")));
        Claim again = await server.ClaimAsync();
        Assert.Equal("{\"by\":\"Ann\"}", await server.Journal.TakeSignalAsync(again.Lease, "approved", "wait", Token));
        Assert.True(await server.Journal.SucceedAsync(again.Lease, "1"u8.ToArray(), Token));
        Assert.Equal((409, "has_ended"), Problem(await client.PostAsync($"jobs/{id}/signals/approved", "1")));
    }

    [Fact]
    public async Task A_step_in_doubt_is_decided()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.BeginStepAsync(claim.Lease, "pay", "d", EffectClass.Unsafe, Token));
        Assert.Equal((409, "step_not_in_doubt"), Problem(await client.PostAsync($"jobs/{id}/decisions", """{"address":"pay","outcome":"retry"}""")));
        Assert.True(await server.Journal.FailAsync(claim.Lease, new RunError("crash", "crash"), false, Token));

        Assert.Equal("parked", (await client.AskAsync($"jobs/{id}")).Body.Text("state"));
        Assert.Equal((400, "invalid_field"), Problem(await client.PostAsync($"jobs/{id}/decisions", """{"address":"pay","outcome":"maybe"}""")));
        Assert.Equal((400, "invalid_field"), Problem(await client.PostAsync($"jobs/{id}/decisions", """{"address":"pay","outcome":"succeeded"}""")));
        Assert.Equal((409, "step_not_in_doubt"), Problem(await client.PostAsync($"jobs/{id}/decisions", """{"address":"ship","outcome":"retry"}""")));
        (int status, JsonElement job) = await client.PostAsync($"jobs/{id}/decisions", """{"address":"pay","outcome":"succeeded","output":{"receipt":7}}""");
        Assert.Equal((200, "ready"), (status, job.Text("state")));
    }

    [Fact]
    public async Task The_time_that_is_left_comes_from_past_jobs_of_the_type()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Assert.Equal(JsonValueKind.Null, Left(await client.AskAsync($"jobs/{id}")).ValueKind);
        Claim claim = await server.ClaimAsync();
        server.Journal.ClockSkewMs += 8000; // it takes 8 s and what the machine takes
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        string next = await server.SubmitAsync();
        claim = await server.ClaimAsync();
        Assert.True(await server.Journal.ProgressAsync(claim.Lease, 75, null, null, Token));

        long whole = (await server.Journal.UsualDurationAsync("p", "greet", Token))!.Value;
        Assert.True(whole >= 8000);
        Assert.Equal(whole / 4, Left(await client.AskAsync($"jobs/{next}")).GetInt64());
        Assert.Null(await server.Journal.UsualDurationAsync("q", "greet", Token));
        Assert.Null(await server.Journal.UsualDurationAsync("p", "other", Token));
    }

    private static JsonElement Left((int Status, JsonElement Body) answer) => answer.Body.GetProperty("progress").GetProperty("estimated_remaining_ms");

    private static (int Status, string Code) Problem((int Status, JsonElement Body) answer) => (answer.Status, answer.Body.Text("code"));

    private static async Task<string[]> IdsAsync(HttpClient client, string path) =>
        [.. (await client.AskAsync(path)).Body.GetProperty("data").EnumerateArray().Select(static job => job.Text("id"))];
}
