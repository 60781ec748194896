using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Http;

public sealed class JobApprovalTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_job_asks_is_shown_and_answered_once()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await AskingAsync(server);

        (int status, JsonElement list) = await client.AskAsync($"jobs/{id}/approvals");
        Assert.Equal(200, status);
        JsonElement approval = Assert.Single(list.GetProperty("data").EnumerateArray());
        Assert.Equal(("gate", "pending", JsonValueKind.Null), (approval.Text("address"), approval.Text("state"), approval.GetProperty("answer").ValueKind));
        Assert.Equal("buy", approval.GetProperty("question").Text("tool"));

        (status, JsonElement job) = await client.PostAsync($"jobs/{id}/approvals", """{"address":"gate","decision":"approve","arguments":{"n":2},"reason":"fine"}""");
        Assert.Equal((202, "ready"), (status, job.Text("state")));
        (status, JsonElement problem) = await client.PostAsync($"jobs/{id}/approvals", """{"address":"gate","decision":"reject"}""");
        Assert.Equal((409, "already_answered"), (status, problem.Text("code")));

        approval = (await client.AskAsync($"jobs/{id}/approvals")).Body.GetProperty("data")[0];
        Assert.Equal("approved", approval.Text("state"));
        Assert.Equal(("approve", "fine", 2), (approval.GetProperty("answer").Text("decision"), approval.GetProperty("answer").Text("reason"), approval.GetProperty("answer").GetProperty("arguments").GetProperty("n").GetInt32()));
        Assert.NotEmpty(approval.GetProperty("answer").Text("by"));
    }

    [Fact]
    public async Task What_nobody_answers_in_time_is_shown_as_expired_and_told_in_the_events()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await AskingAsync(server, new QuestionExpiry(TimeSpan.FromHours(1)));
        JsonElement pending = (await client.AskAsync($"jobs/{id}/approvals")).Body.GetProperty("data")[0];
        Assert.Equal(TimeSpan.FromHours(1), pending.GetProperty("expires_at").GetDateTimeOffset() - pending.GetProperty("asked_at").GetDateTimeOffset());
        server.Journal.ClockSkewMs += 3_601_000;
        while (await server.Journal.TickAsync(100, Token))
        {
        }

        JsonElement expired = (await client.AskAsync($"jobs/{id}/approvals")).Body.GetProperty("data")[0];
        Assert.Equal(("expired", "reject", "expiry"), (expired.Text("state"), expired.GetProperty("answer").Text("decision"), expired.GetProperty("answer").Text("by")));
        (int status, JsonElement problem) = await client.PostAsync($"jobs/{id}/approvals", """{"address":"gate","decision":"approve"}""");
        Assert.Equal((409, "expired"), (status, problem.Text("code")));
        await client.PostAsync($"jobs/{id}/cancel");
        string events = await client.GetStringAsync(new Uri($"jobs/{id}/events", UriKind.Relative), Token);
        Assert.Contains("event: question_expired", events, StringComparison.Ordinal);
        Assert.Contains("\"expires_at\":", events, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"decision":"approve"}""", 400, "invalid_field")]
    [InlineData("""{"address":"gate","decision":"maybe"}""", 400, "invalid_field")]
    [InlineData("""{"address":"gate","decision":"reject","arguments":{}}""", 400, "invalid_field")]
    [InlineData("""{"address":"gate","decision":"approve","arguments":[1]}""", 400, "invalid_field")]
    [InlineData("""{"address":"gate","decision":"approve","who":"me"}""", 400, "unknown_field")]
    [InlineData("""{"address":"door","decision":"approve"}""", 409, "not_asked")]
    public async Task An_answer_that_will_not_do_is_refused(string body, int status, string code)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int got, JsonElement problem) = await client.PostAsync($"jobs/{await AskingAsync(server)}/approvals", body);

        Assert.Equal((status, code), (got, problem.Text("code")));
    }

    [Fact]
    public async Task Another_projects_job_is_not_there_and_one_that_has_ended_takes_no_answer()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), other = server.Client("q");
        string id = await AskingAsync(server);

        Assert.Equal(404, (await other.AskAsync($"jobs/{id}/approvals")).Status);
        Assert.Equal(404, (await other.PostAsync($"jobs/{id}/approvals", """{"address":"gate","decision":"approve"}""")).Status);
        await client.PostAsync($"jobs/{id}/cancel");
        (int status, JsonElement problem) = await client.PostAsync($"jobs/{id}/approvals", """{"address":"gate","decision":"approve"}""");
        Assert.Equal((409, "has_ended"), (status, problem.Text("code")));
    }

    /// <summary>A job that waits for an answer.</summary>
    private static async Task<string> AskingAsync(AgentServer server, QuestionExpiry? expiry = null)
    {
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Run run = await Run.OpenAsync(server.Journal, claim, TimeProvider.System, Token);
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.AskAsync("gate", JsonElement.Parse(Encoding.UTF8.GetBytes("""{"tool":"buy","arguments":{"n":1}}""")), expiry, Token));
        return id;
    }
}
