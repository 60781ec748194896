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
    private static async Task<string> AskingAsync(AgentServer server)
    {
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Run run = await Run.OpenAsync(server.Journal, claim, TimeProvider.System, Token);
        await Assert.ThrowsAsync<RunSuspendedException>(() => run.AskAsync("gate", JsonElement.Parse(Encoding.UTF8.GetBytes("""{"tool":"buy","arguments":{"n":1}}""")), Token));
        return id;
    }
}
