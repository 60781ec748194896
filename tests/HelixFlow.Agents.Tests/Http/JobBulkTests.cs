using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

/// <summary>Finding jobs among many, and doing the same to all of them.</summary>
public sealed class JobBulkTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Jobs_are_found_by_their_labels_their_parent_and_what_they_died_of()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string plain = await server.SubmitAsync();
        string red = await SubmitAsync(client, """{"colour":"red","size":"a=b"}"""), blue = await SubmitAsync(client, """{"colour":"blue"}""");
        string child = (await server.Journal.RequestAsync(
            new RunRequest { Project = "p", Type = "greet", Input = "{\"name\":\"c\"}"u8.ToArray(), Parent = red, ParentAddress = "ask" }, Token)).Run!.Id;
        using HttpClient other = server.Client("q");

        Assert.Equal([red], await ListAsync(client, "jobs?label=colour=red"));
        Assert.Equal([red], await ListAsync(client, "jobs?label=size=a%3Db&label=colour=red"));
        Assert.Empty(await ListAsync(client, "jobs?label=size=a%3Db&label=colour=blue"));
        Assert.Empty(await ListAsync(client, "jobs?label=colour="));
        Assert.Equal([child], await ListAsync(client, $"jobs?parent={red}"));
        Assert.Empty(await ListAsync(client, "jobs?parent=job_0"));
        Assert.Empty(await ListAsync(other, $"jobs?parent={red}"));
        await DieAsync(server, red, "broken");
        await DieAsync(server, blue, "'; drop table runs; --");
        Assert.Equal([red], await ListAsync(client, "dead-letters?error=broken"));
        Assert.Equal([blue], await ListAsync(client, $"jobs?error={Uri.EscapeDataString("'; drop table runs; --")}&state=dead"));
        Assert.Equal([child, blue, red, plain], await ListAsync(client, "jobs"));
    }

    [Theory]
    [InlineData("jobs?label=colour")]
    [InlineData("jobs?label==red")]
    [InlineData("jobs?label=a=1&label=a=2")]
    [InlineData("jobs?stat=dead")]
    [InlineData("dead-letters?state=dead")]
    public async Task A_filter_that_means_nothing_is_refused(string path)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int status, JsonElement problem) = await client.AskAsync(path);

        Assert.Equal((400, "invalid_parameter"), (status, problem.Text("code")));
    }

    [Fact]
    public async Task All_dead_letters_that_match_are_tried_again_in_their_order()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        var dead = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            dead.Add(await SubmitAsync(client, $$"""{"parity":"{{(i % 2 == 0 ? "even" : "odd")}}"}"""));
            await DieAsync(server, dead[i], i == 4 ? "other" : "broken");
        }

        string cancelled = await server.SubmitAsync();
        await server.Journal.CancelAsync("p", cancelled, "test", Token);
        (int status, JsonElement first) = await client.PostAsync("jobs/bulk", """{"action":"retry","error":"broken","limit":3}""");
        Assert.Equal((200, "retry"), (status, first.Text("action")));
        Assert.Equal([dead[1], dead[2], dead[3]], Ids(first, "changed"));
        JsonElement second = (await client.PostAsync("jobs/bulk", $$"""{"action":"retry","error":"broken","limit":3,"cursor":"{{first.Text("next_cursor")}}"}""")).Body;
        Assert.Equal([dead[0]], Ids(second, "changed"));
        Assert.Equal(JsonValueKind.Null, second.GetProperty("next_cursor").ValueKind);

        Assert.Equal([dead[1], dead[2], dead[3], dead[0]], (await server.Journal.ClaimAsync("w", ["greet"], 10, Token)).Select(static claim => claim.Run.Id));
        Assert.Equal([dead[4]], await ListAsync(client, "dead-letters"));
        Assert.Equal([cancelled], await ListAsync(client, "jobs?state=cancelled"));
        Assert.Equal([cancelled], Ids((await client.PostAsync("jobs/bulk", """{"action":"retry","states":["cancelled"]}""")).Body, "changed"));
        Assert.Equal([dead[4]], Ids((await client.PostAsync("jobs/bulk", """{"action":"retry","labels":{"parity":"even"}}""")).Body, "changed"));
    }

    [Fact]
    public async Task All_that_match_are_cancelled_and_deleted_but_what_others_need()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string needed = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        string fork = (await client.PostAsync($"jobs/{needed}/fork")).Body.Text("id"), waiting = await server.SubmitAsync();
        string foreign = await server.SubmitAsync("q");

        Assert.Equal([needed], Ids((await client.PostAsync("jobs/bulk", """{"action":"delete"}""")).Body, "unchanged"));
        Assert.Equal([fork, waiting], Ids((await client.PostAsync("jobs/bulk", """{"action":"cancel","type":"greet"}""")).Body, "changed"));
        Assert.Equal([needed, fork, waiting], Ids((await client.PostAsync("jobs/bulk", """{"action":"delete","states":["succeeded","cancelled"]}""")).Body, "changed"));
        Assert.Empty(await ListAsync(client, "jobs"));
        using HttpClient other = server.Client("q");
        Assert.Equal([foreign], await ListAsync(other, "jobs?state=ready"));
    }

    [Theory]
    [InlineData("{}", "/action")]
    [InlineData("""{"action":"dance"}""", "/action")]
    [InlineData("""{"action":"retry","states":["running"]}""", "/states")]
    [InlineData("""{"action":"delete","states":["deed"]}""", "/states")]
    [InlineData("""{"action":"cancel","cursor":"x"}""", "/cursor")]
    [InlineData("""{"action":"cancel","limit":0}""", "/limit")]
    [InlineData("""{"action":"cancel","colour":"red"}""", "/colour")]
    public async Task A_wrong_wish_changes_nothing(string body, string place)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        (int status, JsonElement problem) = await client.PostAsync("jobs/bulk", body);

        Assert.Equal((400, place), (status, problem.Text("pointer")));
        Assert.Equal([id], await ListAsync(client, "jobs?state=ready"));
    }

    [Fact]
    public async Task A_type_is_paused_and_resumed_by_who_may_do_so()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), admin = server.Client("admin");
        Assert.Equal(403, (await client.PostAsync("job-types/greet/pause")).Status);
        Assert.Equal(404, (await admin.PostAsync("job-types/dance/pause")).Status);
        (int status, JsonElement type) = await admin.PostAsync("job-types/greet/pause");
        Assert.Equal((200, "key-of-admin"), (status, type.Text("paused_by")));
        await server.SubmitAsync();
        Assert.Empty(await server.Journal.ClaimAsync("w", ["greet"], 1, Token));
        Assert.NotEqual(JsonValueKind.Null, (await client.AskAsync("job-types")).Body.GetProperty("data")[0].GetProperty("paused_at").ValueKind);
        Assert.Equal(JsonValueKind.Null, (await admin.PostAsync("job-types/greet/resume")).Body.GetProperty("paused_at").ValueKind);
        _ = await server.ClaimAsync();
    }

    [Fact]
    public async Task A_job_says_where_it_comes_from_and_what_it_waits_for()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string first = await server.SubmitAsync();
        string second = (await client.PostAsync("jobs", $$$"""{"type":"greet","input":{"name":"x"},"depends_on":["{{{first}}}"]}""")).Body.Text("id");
        JsonElement waits = (await client.AskAsync($"jobs/{second}")).Body.GetProperty("waits_for");
        Assert.Equal([first], Ids(waits, "jobs"));
        Assert.Equal(JsonValueKind.Null, waits.GetProperty("until").ValueKind);
        string later = (await client.PostAsync("jobs", """{"type":"greet","input":{"name":"x"},"not_before":"2050-01-01T00:00:00Z"}""")).Body.Text("id");
        Assert.Equal("2050-01-01T00:00:00.000Z", (await client.AskAsync($"jobs/{later}")).Body.GetProperty("waits_for").Text("until"));

        Claim claim = await server.ClaimAsync();
        var step = new StepRecord("a", "d", EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0) { Usage = new StepUsage("m", 30, 4) };
        Assert.True(await server.Journal.RecordStepAsync(claim.Lease, step, "1"u8.ToArray(), null, Token));
        Assert.True(await server.Journal.RecordStepAsync(claim.Lease, step with { Address = "b", Usage = null }, "1"u8.ToArray(), null, Token));
        JsonElement steps = (await client.AskAsync($"jobs/{first}/steps")).Body.GetProperty("data");
        Assert.Equal(("m", 30, 4), (steps[0].GetProperty("usage").Text("model"), steps[0].GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), steps[0].GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
        Assert.Equal(JsonValueKind.Null, steps[1].GetProperty("usage").ValueKind);
        string child = (await server.Journal.RequestAsync(
            new RunRequest { Project = "p", Type = "greet", Input = "{\"name\":\"c\"}"u8.ToArray(), Parent = first, ParentAddress = "ask" }, Token)).Run!.Id;
        Assert.Equal("answer:1", await server.Journal.AskAsync(claim.Lease, "may/i", "answer:1", JsonElement.Parse("{}"), null, Token));
        Assert.True(await server.Journal.SuspendAsync(claim.Lease, null, "answer:1", [], Token));
        JsonElement job = (await client.AskAsync($"jobs/{first}")).Body;
        Assert.Equal(["may/i"], Ids(job.GetProperty("waits_for"), "approvals"));
        Assert.Equal(1, job.GetProperty("children").GetInt32());
        Assert.Equal(first, (await client.AskAsync($"jobs/{child}")).Body.Text("parent"));

        await client.PostAsync($"jobs/{first}/cancel");
        string fork = (await client.PostAsync($"jobs/{first}/fork")).Body.Text("id");
        job = (await client.AskAsync($"jobs/{fork}")).Body;
        Assert.Equal((first, JsonValueKind.Null), (job.Text("forked_from"), job.GetProperty("waits_for").ValueKind));
    }

    private static async Task<string> SubmitAsync(HttpClient client, string labels) =>
        (await client.PostAsync("jobs", $$$"""{"type":"greet","input":{"name":"x"},"labels":{{{labels}}}}""")).Body.Text("id");

    private static async Task DieAsync(AgentServer server, string id, string code)
    {
        IReadOnlyList<Claim> claims = await server.Journal.ClaimAsync("w", ["greet"], 10, Token);
        foreach (Claim claim in claims)
        {
            Assert.True(claim.Run.Id == id
                ? await server.Journal.FailAsync(claim.Lease, new RunError(code, "It broke."), true, Token)
                : await server.Journal.ReleaseAsync(claim.Lease, Token));
        }
    }

    private static async Task<string[]> ListAsync(HttpClient client, string path) =>
        [.. (await client.AskAsync(path)).Body.GetProperty("data").EnumerateArray().Select(static job => job.Text("id"))];

    private static string[] Ids(JsonElement answer, string name) => [.. answer.GetProperty(name).EnumerateArray().Select(static id => id.GetString()!)];
}
