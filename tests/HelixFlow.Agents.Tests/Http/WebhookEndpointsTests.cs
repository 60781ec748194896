using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

public sealed class WebhookEndpointsTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_s_deliveries_are_listed_and_sent_again_and_secrets_are_never_shown()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), stranger = server.Client("q");
        (int status, JsonElement job) = await client.PostAsync("jobs", Job($$"""{"url":"https://receiver.example/hook","secret":"{{Secret}}","events":["succeeded","progressed"]}"""));

        Assert.Equal((201, "https://receiver.example/hook"), (status, job.GetProperty("webhook").Text("url")));
        Assert.Equal(["succeeded", "progressed"], job.GetProperty("webhook").GetProperty("events").EnumerateArray().Select(static word => word.GetString()));
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.ProgressAsync(claim.Lease, 10, "a", null, Token));
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        JsonElement page = (await client.AskAsync("webhook-deliveries?limit=1")).Body;
        Assert.Equal("job.succeeded", page.GetProperty("data")[0].Text("type"));
        page = (await client.AskAsync($"webhook-deliveries?job={job.Text("id")}&state=pending&limit=1&cursor={page.Text("next_cursor")}")).Body;
        JsonElement delivery = Assert.Single(page.GetProperty("data").EnumerateArray());
        Assert.Equal(("job.progressed", JsonValueKind.Null), (delivery.Text("type"), page.GetProperty("next_cursor").ValueKind));
        JsonElement whole = (await client.AskAsync($"webhook-deliveries/{delivery.Text("id")}")).Body;
        Assert.Equal((job.Text("id"), 0), (whole.GetProperty("body").GetProperty("data").Text("job"), whole.GetProperty("history").GetArrayLength()));
        Assert.Equal((409, "delivery_pending"), Problem(await client.PostAsync($"webhook-deliveries/{delivery.Text("id")}/redeliver")));
        Assert.Equal((404, "unknown_delivery"), Problem(await stranger.PostAsync($"webhook-deliveries/{delivery.Text("id")}/redeliver")));
        Assert.Equal((404, "unknown_delivery"), Problem(await stranger.AskAsync($"webhook-deliveries/{delivery.Text("id")}")));
        Assert.Empty((await stranger.AskAsync("webhook-deliveries")).Body.GetProperty("data").EnumerateArray());
        foreach (string path in (string[])["jobs", $"jobs/{job.Text("id")}", $"jobs/{job.Text("id")}/events", "webhook-deliveries", $"webhook-deliveries/{delivery.Text("id")}"])
        {
            Assert.DoesNotContain("whsec", await client.GetStringAsync(path, Token), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_secret_is_shown_once_when_the_server_has_made_it()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), stranger = server.Client("q");
        (int status, JsonElement made) = await client.CallAsync(HttpMethod.Put, "webhook-secrets/orders");

        Assert.Equal(200, status);
        Assert.StartsWith("whsec_", made.Text("secret"), StringComparison.Ordinal);
        Assert.False((await client.CallAsync(HttpMethod.Put, "webhook-secrets/given", $$"""{"secret":"{{Secret}}"}""")).Body.TryGetProperty("secret", out _));
        JsonElement list = (await client.AskAsync("webhook-secrets")).Body.GetProperty("data");
        Assert.Equal(["given", "orders"], list.EnumerateArray().Select(static secret => secret.Text("name")));
        Assert.DoesNotContain("whsec", list.GetRawText(), StringComparison.Ordinal);
        Assert.Empty((await stranger.AskAsync("webhook-secrets")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(201, (await client.PostAsync("jobs", Job("""{"url":"https://receiver.example/","secret_name":"orders"}"""))).Status);
        Assert.Equal((422, "unknown_secret"), Problem(await stranger.PostAsync("jobs", Job("""{"url":"https://receiver.example/","secret_name":"orders"}"""))));
        Assert.Equal((400, "invalid_field"), Problem(await client.CallAsync(HttpMethod.Put, "webhook-secrets/orders", """{"secret":"password"}""")));
        Assert.Equal(204, (await client.CallAsync(HttpMethod.Delete, "webhook-secrets/orders")).Status);
        Assert.Equal((404, "unknown_secret"), Problem(await client.CallAsync(HttpMethod.Delete, "webhook-secrets/orders")));
    }

    [Theory]
    [InlineData("""{"secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"ftp://receiver.example/","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"/hook","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"https://user:password@receiver.example/","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"https://receiver.example/#part","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"http://127.0.0.1/","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"http://[::1]/","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"http://0x7f.1/","secret":"SECRET"}""", "/webhook/url")]
    [InlineData("""{"url":"https://receiver.example/"}""", "/webhook/secret")]
    [InlineData("""{"url":"https://receiver.example/","secret":"SECRET","secret_name":"a"}""", "/webhook/secret")]
    [InlineData("""{"url":"https://receiver.example/","secret":"short"}""", "/webhook/secret")]
    [InlineData("""{"url":"https://receiver.example/","secret":"SECRET","events":["exploded"]}""", "/webhook/events")]
    [InlineData("""{"url":"https://receiver.example/","secret":"SECRET","colour":1}""", "/webhook/colour")]
    public async Task A_wrong_receiver_is_refused(string webhook, string place)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        (int status, JsonElement problem) = await client.PostAsync("jobs", Job(webhook.Replace("SECRET", Secret, StringComparison.Ordinal)));

        Assert.Equal((400, place), (status, problem.Text("pointer")));
    }

    [Fact]
    public async Task A_server_that_allows_it_tells_receivers_within_the_network_and_schedules_have_receivers_too()
    {
        await using AgentServer server = await AgentServer.StartAsync(new AgentOptions { AllowPrivateWebhooks = true });
        using HttpClient client = server.Client();
        string webhook = $$"""{"url":"http://127.0.0.1:9/","secret":"{{Secret}}"}""";
        Assert.Equal(201, (await client.PostAsync("jobs", Job(webhook))).Status);
        JsonElement schedule = (await client.PostAsync("schedules", $$"""{"name":"a","when":{"every_seconds":60},"job":{{Job(webhook)}}}""")).Body;
        Assert.Equal("http://127.0.0.1:9/", schedule.GetProperty("job").GetProperty("webhook").Text("url"));
        Assert.DoesNotContain("whsec", schedule.GetRawText(), StringComparison.Ordinal);
        JsonElement job = (await client.PostAsync("schedules/a/run")).Body;
        Assert.Equal(["succeeded", "cancelled", "died"], job.GetProperty("webhook").GetProperty("events").EnumerateArray().Select(static word => word.GetString()));
    }

    private static string Job(string webhook) => $$"""{"type":"greet","input":{"name":"World"},"webhook":{{webhook}}}""";

    private static (int Status, string Code) Problem((int Status, JsonElement Body) answer) => (answer.Status, answer.Body.Text("code"));
}
