using System.Globalization;
using System.Net;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

public sealed class JobEventTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_come_as_they_happen_and_the_stream_ends_with_the_job()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        using HttpResponseMessage response = await client.GetAsync($"jobs/{id}/events", HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));

        Assert.Equal((1, "requested"), await NextAsync(reader));
        Claim claim = await server.ClaimAsync();
        Assert.Equal((2, "attempt_started"), await NextAsync(reader)); // each is read before the next one happens
        Assert.True(await server.Journal.ProgressAsync(claim.Lease, 50, "half", null, Token));
        Assert.Equal((3, "progressed"), await NextAsync(reader));
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
        Assert.Equal((4, "succeeded"), await NextAsync(reader));
        Assert.Null(await NextAsync(reader));
    }

    [Fact]
    public async Task A_stream_goes_on_after_the_last_event_that_its_client_has()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Assert.True(await server.Journal.FailAsync(claim.Lease, new RunError("x", "y"), true, Token));
        Assert.Equal([1L, 2, 3], await NumbersAsync(client, id, 0));
        Assert.Equal(200, (await client.PostAsync($"jobs/{id}/retry")).Status);
        Assert.Equal(200, (await client.PostAsync($"jobs/{id}/cancel")).Status);

        Assert.Equal([1L, 2, 3, 4, 5, 6], await NumbersAsync(client, id, 0)); // an end that was not the last one does not end the stream
        Assert.Equal([6L], await NumbersAsync(client, id, 5));
        using HttpResponseMessage nothing = await client.GetAsync($"jobs/{id}/events?after=6", Token);
        Assert.Equal(HttpStatusCode.NoContent, nothing.StatusCode);
        using HttpResponseMessage wrong = await client.GetAsync($"jobs/{id}/events?after=x", Token);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Fact]
    public async Task The_number_of_an_event_that_the_job_does_not_have_is_refused()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        foreach (string action in (string[])["signals/go", "cancel"]) // of a job that goes on, and of one that has ended
        {
            using HttpResponseMessage response = await client.GetAsync($"jobs/{id}/events?after=99999", HttpCompletionOption.ResponseHeadersRead, Token);
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            Assert.Contains("99999", JsonElement.Parse(await response.Content.ReadAsStringAsync(Token)).Text("detail"), StringComparison.Ordinal);
            Assert.InRange((await client.PostAsync($"jobs/{id}/{action}")).Status, 200, 202);
        }
    }

    [Fact]
    public async Task Events_have_the_words_and_the_times_of_the_rest_of_the_API()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = (await client.PostAsync("jobs", """{"type":"greet","input":{"name":"x"},"priority":"high","not_before":"2020-01-01T00:00:00Z"}""")).Body.Text("id");
        Claim claim = await server.ClaimAsync();
        var step = new StepRecord("a", "d", EffectClass.Recorded, StepState.Succeeded, null, StepSource.Cache, 1_577_836_800_000, 0);
        Assert.True(await server.Journal.RecordStepAsync(claim.Lease, step, "1"u8.ToArray(), null, Token));
        Assert.True(await server.Journal.SuspendAsync(claim.Lease, 1_577_836_800_000, null, [], Token));
        claim = await server.ClaimAsync();
        Assert.True(await server.Journal.FailAsync(claim.Lease, new RunError("x", "y"), false, Token));
        await client.PostAsync($"jobs/{id}/cancel");

        string[] lines = (await client.GetStringAsync(new Uri($"jobs/{id}/events", UriKind.Relative), Token)).Split('\n');
        Dictionary<string, JsonElement> events = lines.Where(static line => line.StartsWith("data: ", StringComparison.Ordinal))
            .Select(static line => JsonElement.Parse(line[6..])).GroupBy(static happened => happened.Text("kind")).ToDictionary(static group => group.Key, static group => group.First());
        Assert.Equal(("high", "ready", "2020-01-01T00:00:00.000Z"), (events["requested"].Text("priority"), events["requested"].Text("state"), events["requested"].Text("not_before")));
        Assert.Equal(("recorded", "cache", "2020-01-01T00:00:00.000Z"), (events["step_succeeded"].Text("effect"), events["step_succeeded"].Text("source"), events["step_succeeded"].Text("started_at")));
        Assert.Equal("2020-01-01T00:00:00.000Z", events["suspended"].Text("until"));
        Assert.True(DateTimeOffset.TryParse(events["attempt_failed"].Text("retry_at"), CultureInfo.InvariantCulture, out _));
        Assert.DoesNotContain(events.Values, static happened => happened.TryGetProperty("project", out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task No_event_is_lost_or_comes_twice_over_disconnects(int seed)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Task working = WorkAsync(server, 300);
        var random = new Random(seed);
        var seen = new List<long>();
        bool hasEnded = false;
        while (!hasEnded)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"jobs/{id}/events");
            request.Headers.Add("Last-Event-ID", (seen.Count == 0 ? 0 : seen[^1]).ToString(CultureInfo.InvariantCulture));
            using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
            if (response.StatusCode == HttpStatusCode.NoContent)
            {
                break;
            }

            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
            for (int left = random.Next(1, 40); left > 0 && !hasEnded; left--)
            {
                if (await NextAsync(reader) is { } happened)
                {
                    seen.Add(happened.Number);
                }
                else
                {
                    hasEnded = true;
                }
            }
        }

        await working;
        Assert.Equal(Enumerable.Range(1, 303).Select(static i => (long)i), seen);
    }

    [Fact]
    public async Task A_silent_stream_is_kept_alive_and_finds_what_no_signal_told()
    {
        await using AgentServer server = await AgentServer.StartAsync(new AgentOptions { EventPollInterval = TimeSpan.FromMilliseconds(20), KeepAliveInterval = TimeSpan.FromMilliseconds(20) });
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        using HttpResponseMessage response = await client.GetAsync($"jobs/{id}/events?after=1", HttpCompletionOption.ResponseHeadersRead, Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));

        Assert.Equal(": keep-alive", await reader.ReadLineAsync(Token));
        await server.WriteElsewhereAsync(journal => journal.CancelAsync("p", id, "another process", Token));
        Assert.Equal((2, "cancel_requested"), await NextAsync(reader));
        Assert.Equal((3, "cancelled"), await NextAsync(reader));
        Assert.Null(await NextAsync(reader));
    }

    private static async Task WorkAsync(AgentServer server, int events)
    {
        Claim claim = await server.ClaimAsync();
        for (int i = 0; i < events; i++)
        {
            Assert.True(await server.Journal.ProgressAsync(claim.Lease, i * 100 / events, "line\nbreak", null, Token));
        }

        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));
    }

    private static async Task<List<long>> NumbersAsync(HttpClient client, string id, long after)
    {
        using HttpResponseMessage response = await client.GetAsync($"jobs/{id}/events?after={after.ToString(CultureInfo.InvariantCulture)}", HttpCompletionOption.ResponseHeadersRead, Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
        var numbers = new List<long>();
        while (await NextAsync(reader) is { } happened)
        {
            numbers.Add(happened.Number);
        }

        return numbers;
    }

    /// <summary>The next whole event; null at the stream's end.</summary>
    private static async Task<(long Number, string Kind)?> NextAsync(StreamReader reader)
    {
        long number = 0;
        string kind = "";
        JsonElement data = default;
        while (await reader.ReadLineAsync(Token) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                number = long.Parse(line[4..], CultureInfo.InvariantCulture);
            }
            else if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                kind = line[7..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                data = JsonElement.Parse(line[6..]);
            }
            else if (line.Length == 0 && number > 0)
            {
                Assert.Equal((number, kind), (data.GetProperty("number").GetInt64(), data.Text("kind")));
                return (number, kind);
            }
        }

        return null;
    }
}
