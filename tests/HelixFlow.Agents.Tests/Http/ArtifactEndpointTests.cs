using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Http;

public sealed class ArtifactEndpointTests
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 100_000).Select(static i => (byte)(i * 7))];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_artifact_is_listed_and_sent_whole_or_in_part()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(), stranger = server.Client("q");
        string id = await MakeAsync(server, "Zahlen 1.svg", "image/svg+xml");

        JsonElement listed = Assert.Single((await client.AskAsync($"jobs/{id}/artifacts")).Body.GetProperty("data").EnumerateArray());
        Assert.Equal(("Zahlen 1.svg", Content.Length, "image/svg+xml"), (listed.Text("name"), listed.GetProperty("length").GetInt32(), listed.Text("content_type")));
        Assert.Equal(listed.Text("hash"), (await client.AskAsync($"jobs/{id}")).Body.GetProperty("artifacts")[0].Text("hash"));

        using HttpResponseMessage whole = await client.GetAsync($"jobs/{id}/artifacts/Zahlen%201.svg", Token);
        Assert.Equal(Content, await whole.Content.ReadAsByteArrayAsync(Token));
        Assert.Equal(("image/svg+xml", $"\"{listed.Text("hash")}\"", "attachment", "bytes"), (
            whole.Content.Headers.ContentType?.MediaType, whole.Headers.ETag?.Tag, whole.Content.Headers.ContentDisposition?.DispositionType, whole.Headers.AcceptRanges.Single()));
        Assert.Equal("Zahlen 1.svg", whole.Content.Headers.ContentDisposition?.FileNameStar);
        Assert.Equal("nosniff", whole.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Contains("sandbox", whole.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);

        foreach ((long? from, long? to, int first, int last) in ((long?, long?, int, int)[])[(0, 0, 0, 0), (10, 99, 10, 99), (99_990, null, 99_990, 99_999), (null, 5, 99_995, 99_999), (5, 1_000_000, 5, 99_999)])
        {
            using HttpResponseMessage part = await GetAsync(client, id, new RangeHeaderValue(from, to));
            Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
            Assert.Equal($"bytes {first}-{last}/100000", part.Content.Headers.ContentRange?.ToString());
            Assert.Equal(Content[first..(last + 1)], await part.Content.ReadAsByteArrayAsync(Token));
        }

        using HttpResponseMessage beyond = await GetAsync(client, id, new RangeHeaderValue(100_000, null));
        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, "bytes */100000"), (beyond.StatusCode, beyond.Content.Headers.ContentRange?.ToString()));
        using HttpResponseMessage stale = await GetAsync(client, id, new RangeHeaderValue(0, 9), new RangeConditionHeaderValue("\"other\""));
        Assert.Equal((HttpStatusCode.OK, 100_000), (stale.StatusCode, stale.Content.Headers.ContentLength));
        client.DefaultRequestHeaders.IfNoneMatch.Add(whole.Headers.ETag!);
        using HttpResponseMessage same = await client.GetAsync($"jobs/{id}/artifacts/Zahlen%201.svg", Token);
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal((404, "unknown_artifact"), await CodeAsync(client, $"jobs/{id}/artifacts/other.svg"));
        Assert.Equal((404, "unknown_job"), await CodeAsync(stranger, $"jobs/{id}/artifacts/Zahlen%201.svg"));
    }

    [Fact]
    public async Task A_file_that_was_brought_can_be_named_by_inputs_of_its_project()
    {
        await using AgentServer server = await AgentServer.StartAsync(null, new TestJob("files", static (run, _) => Task.FromResult(run.Input)));
        using HttpClient client = server.Client(), stranger = server.Client("q");
        using HttpResponseMessage brought = await client.PostAsync("artifacts", new ByteArrayContent(Content) { Headers = { ContentType = new("text/csv") } }, Token);
        var described = JsonElement.Parse(await brought.Content.ReadAsStringAsync(Token));
        string hash = Convert.ToHexStringLower(SHA256.HashData(Content));

        Assert.Equal((HttpStatusCode.Created, hash, "text/csv"), (brought.StatusCode, described.Text("hash"), described.Text("content_type")));
        Assert.Equal(Content, await client.GetByteArrayAsync($"artifacts/{hash}", Token));
        Assert.Equal((404, "unknown_artifact"), await CodeAsync(stranger, $"artifacts/{hash}"));
        string body = $$$"""{"type":"files","input":{"table":{"artifact":"{{{hash}}}"} } }""";
        Assert.Equal(201, (await client.PostAsync("jobs", body)).Status);
        (int status, JsonElement problem) = await stranger.PostAsync("jobs", body);
        Assert.Equal((422, "unknown_artifact", "/input"), (status, problem.Text("code"), problem.Text("pointer")));
    }

    [Fact]
    public async Task A_file_that_is_too_large_or_of_no_type_is_refused()
    {
        await using AgentServer server = await AgentServer.StartAsync(new AgentOptions { MaxArtifactBytes = 50_000, MaxBodyBytes = 1_000 });
        using HttpClient client = server.Client();

        using HttpResponseMessage told = await client.PostAsync("artifacts", new ByteArrayContent(Content), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, told.StatusCode);
        using HttpResponseMessage untold = await client.PostAsync("artifacts", new StreamContent(new Unsized(Content)), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, untold.StatusCode);
        using var odd = new ByteArrayContent("x"u8.ToArray());
        odd.Headers.TryAddWithoutValidation("Content-Type", "nothing");
        using HttpResponseMessage untyped = await client.PostAsync("artifacts", odd, Token);
        Assert.Equal(HttpStatusCode.BadRequest, untyped.StatusCode);
        using HttpResponseMessage fits = await client.PostAsync("artifacts", new ByteArrayContent(Content[..50_000]), Token);
        Assert.Equal(HttpStatusCode.Created, fits.StatusCode); // above the limit of other bodies
    }

    [Fact]
    public async Task A_part_of_the_result_is_read_by_the_hash_in_its_event()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        string id = await server.SubmitAsync();
        Run run = await Run.OpenAsync(server.Journal, await server.ClaimAsync(), TimeProvider.System, Token);
        await run.ReportAsync(10, "begun", JsonElement.Parse("[1,2,3]"), Token);
        string hash = ((JournalEvent.Progressed)(await server.Journal.EventsAsync("p", id, 0, 10, Token))[^1].Event).Partial!;

        using HttpResponseMessage answer = await client.GetAsync($"jobs/{id}/values/{hash}", Token);
        Assert.Equal(("application/json", "[1,2,3]"), (answer.Content.Headers.ContentType?.MediaType, await answer.Content.ReadAsStringAsync(Token)));
        Assert.Equal((404, "unknown_value"), await CodeAsync(client, $"jobs/{id}/values/{new string('0', 64)}"));
    }

    private static async Task<string> MakeAsync(AgentServer server, string name, string contentType)
    {
        string id = await server.SubmitAsync();
        Run run = await Run.OpenAsync(server.Journal, await server.ClaimAsync(), TimeProvider.System, Token);
        await run.ArtifactAsync(name, Content, contentType, Token);
        return id;
    }

    private static async Task<HttpResponseMessage> GetAsync(HttpClient client, string id, RangeHeaderValue range, RangeConditionHeaderValue? condition = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"jobs/{id}/artifacts/Zahlen%201.svg") { Headers = { Range = range, IfRange = condition } };
        return await client.SendAsync(request, Token);
    }

    private static async Task<(int, string)> CodeAsync(HttpClient client, string path)
    {
        (int status, JsonElement body) = await client.AskAsync(path);
        return (status, body.Text("code"));
    }

    /// <summary>Content whose length is not told before it is sent.</summary>
    private sealed class Unsized(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
