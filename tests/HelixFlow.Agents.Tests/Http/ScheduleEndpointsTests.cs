using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

public sealed class ScheduleEndpointsTests
{
    private const string Hourly = """{"name":"hourly","when":{"cron":"0 * * * *","time_zone":"Europe/Berlin"},"job":{"type":"greet","input":{"name":"World"},"priority":"low","labels":{"a":"b"}},"overlap":"skip"}""";

    [Fact]
    public async Task A_schedule_is_made_shown_changed_paused_and_removed()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int status, JsonElement made) = await client.PostAsync("schedules", Hourly);

        Assert.Equal((201, "hourly", "active", "skip"), (status, made.Text("name"), made.Text("state"), made.Text("overlap")));
        Assert.Equal(("low", "b"), (made.GetProperty("job").Text("priority"), made.GetProperty("job").GetProperty("labels").Text("a")));
        Assert.EndsWith(":00:00.000Z", made.Text("next_fire_at"), StringComparison.Ordinal);
        Assert.Equal(made.GetRawText(), (await client.AskAsync("schedules/hourly")).Body.GetRawText());
        Assert.Equal(made.GetRawText(), (await client.AskAsync($"schedules/{made.Text("id")}")).Body.GetRawText());

        (status, JsonElement changed) = await client.CallAsync(HttpMethod.Put, "schedules/hourly", """{"when":{"every_seconds":60},"job":{"type":"greet","input":{"name":"You"}},"misfire":{"policy":"all","limit":3}}""");
        Assert.Equal((200, made.Text("id"), "allow", "all"), (status, changed.Text("id"), changed.Text("overlap"), changed.GetProperty("misfire").Text("policy")));
        Assert.Equal((200, "paused"), await StateAsync(client.PostAsync("schedules/hourly/pause")));
        Assert.Equal((200, "active"), await StateAsync(client.PostAsync("schedules/hourly/resume")));
        (status, JsonElement other) = await client.CallAsync(HttpMethod.Put, "schedules/daily", """{"when":{"cron":"@daily"},"job":{"type":"greet","input":{"name":"You"}}}""");
        Assert.Equal((201, "daily"), (status, other.Text("name")));
        JsonElement page = (await client.AskAsync("schedules?limit=1")).Body;
        Assert.Equal(("daily", "daily"), (page.GetProperty("data")[0].Text("name"), page.Text("next_cursor")));
        page = (await client.AskAsync("schedules?limit=1&cursor=daily")).Body;
        Assert.Equal(("hourly", JsonValueKind.Null), (page.GetProperty("data")[0].Text("name"), page.GetProperty("next_cursor").ValueKind));
        Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, "schedules/hourly")).Status);
        Assert.Equal(404, (await client.AskAsync("schedules/hourly")).Status);
    }

    [Fact]
    public async Task What_a_schedule_asked_for_is_listed()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = (await client.PostAsync("schedules", Hourly)).Body.Text("id");
        server.Journal.ClockSkewMs += 3_600_000;
        while (await server.Journal.TickAsync(10, TestContext.Current.CancellationToken))
        {
        }

        JsonElement fire = Assert.Single((await client.AskAsync($"schedules/{id}/fires")).Body.GetProperty("data").EnumerateArray());
        JsonElement job = (await client.AskAsync($"jobs/{fire.Text("job")}?include=input")).Body;
        Assert.Equal(("started", id, "World"), (fire.Text("outcome"), job.Text("schedule"), job.GetProperty("input").Text("name")));
        await server.SubmitAsync();
        Assert.Single((await client.AskAsync($"jobs?schedule={id}")).Body.GetProperty("data").EnumerateArray());
        (int status, job) = await client.PostAsync("schedules/hourly/run", null, "k");
        Assert.Equal((201, id), (status, job.Text("schedule")));
        Assert.Equal(200, (await client.PostAsync("schedules/hourly/run", null, "k")).Status);
        Assert.Equal(2, (await client.AskAsync($"jobs?schedule={id}")).Body.GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task The_next_times_are_told_without_doing_anything()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        await client.PostAsync("schedules", Hourly);

        Assert.Equal(10, (await client.AskAsync("schedules/hourly/preview")).Body.GetProperty("data").GetArrayLength());
        JsonElement times = (await client.PostAsync("schedules/preview", """{"when":{"cron":"30 2 * * *","time_zone":"Europe/Berlin","starts_at":"2040-03-24T00:00:00Z"},"count":2}""")).Body.GetProperty("data");
        Assert.Equal(
            [("2040-03-24T01:30:00.000Z", "2040-03-24T02:30:00+01:00"), ("2040-03-25T01:00:00.000Z", "2040-03-25T03:00:00+02:00")],
            times.EnumerateArray().Select(static time => (time.Text("at"), time.Text("local"))));
        Assert.Equal(0, (await client.PostAsync("schedules/preview", """{"when":{"at":"2001-01-01T00:00:00Z"}}""")).Body.GetProperty("data").GetArrayLength());
        Assert.Empty((await server.Journal.ListAsync("p", new RunFilter(null, null, null, 10), TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("""{"when":{"cron":"0 * * * *"},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/name")]
    [InlineData("""{"name":"a b","when":{"cron":"0 * * * *"},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/name")]
    [InlineData("""{"name":"sch_1","when":{"cron":"0 * * * *"},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/name")]
    [InlineData("""{"name":"a","job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when")]
    [InlineData("""{"name":"a","when":{},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when")]
    [InlineData("""{"name":"a","when":{"cron":"0 * * *"},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when")]
    [InlineData("""{"name":"a","when":{"cron":"0 * * * *","time_zone":"Mars"},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when")]
    [InlineData("""{"name":"a","when":{"cron":"0 * * * *","every_seconds":5},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when")]
    [InlineData("""{"name":"a","when":{"every_seconds":0},"job":{"type":"greet","input":{"name":"x"}}}""", 400, "invalid_field", "/when/every_seconds")]
    [InlineData("""{"name":"a","when":{"at":"2001-01-01T00:00:00Z"},"job":{"type":"greet","input":{"name":"x"}}}""", 422, "never_fires", "/when")]
    [InlineData("""{"name":"a","when":{"every_seconds":5},"job":{"type":"dance","input":{}}}""", 422, "unknown_type", "/type")]
    [InlineData("""{"name":"a","when":{"every_seconds":5},"job":{"type":"greet","input":{}}}""", 422, "invalid_input", "/job/input/name")]
    [InlineData("""{"name":"a","when":{"every_seconds":5},"job":{"type":"greet","input":{"name":"x"},"depends_on":[]}}""", 400, "unknown_field", "/job/depends_on")]
    [InlineData("""{"name":"a","when":{"every_seconds":5},"job":{"type":"greet","input":{"name":"x"}},"misfire":{"limit":0}}""", 400, "invalid_field", "/misfire/limit")]
    [InlineData("""{"name":"a","when":{"every_seconds":5},"job":{"type":"greet","input":{"name":"x"}},"overlap":"queue"}""", 400, "invalid_field", "/overlap")]
    [InlineData("""{"name":"hourly","when":{"every_seconds":5},"job":{"type":"greet","input":{"name":"x"}}}""", 409, "name_taken", "/name")]
    public async Task A_wrong_schedule_is_refused_with_what_is_wrong(string body, int status, string code, string place)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        await client.PostAsync("schedules", Hourly);
        (int Status, JsonElement Body) answer = await client.PostAsync("schedules", body);

        Assert.Equal((status, code, place), (answer.Status, answer.Body.Text("code"), answer.Body.Text("pointer")));
        Assert.Single((await client.AskAsync("schedules")).Body.GetProperty("data").EnumerateArray());
    }

    [Fact]
    public async Task A_schedule_of_another_project_is_not_there()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), stranger = server.Client("q");
        string id = (await client.PostAsync("schedules", Hourly)).Body.Text("id");

        foreach (string name in (string[])[id, "hourly"])
        {
            Assert.Equal(404, (await stranger.AskAsync($"schedules/{name}")).Status);
            Assert.Equal(404, (await stranger.CallAsync(HttpMethod.Delete, $"schedules/{name}")).Status);
            Assert.Equal(404, (await stranger.AskAsync($"schedules/{name}/fires")).Status);
            Assert.Equal(404, (await stranger.AskAsync($"schedules/{name}/preview")).Status);
            foreach (string action in (string[])["pause", "resume", "run"])
            {
                Assert.Equal(404, (await stranger.PostAsync($"schedules/{name}/{action}")).Status);
            }
        }

        Assert.Empty((await stranger.AskAsync("schedules")).Body.GetProperty("data").EnumerateArray());
    }

    private static async Task<(int Status, string State)> StateAsync(Task<(int Status, JsonElement Body)> answer) => ((await answer).Status, (await answer).Body.Text("state"));
}
