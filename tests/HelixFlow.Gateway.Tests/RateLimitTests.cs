using System.Net;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Limits;

namespace HelixFlow.Gateway.Tests;

/// <summary>Requests and tokens per minute, and what clients are told of them.</summary>
public sealed class RateLimitTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Body = """{"model":"m","messages":[{"role":"user","content":"four char"}],"max_tokens":10}""";

    [Fact]
    public async Task Without_limits_there_are_no_headers_of_them()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Chat, Body);

        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("x-ratelimit", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Requests_beyond_the_limit_are_refused_on_every_path_until_time_has_passed()
    {
        var time = new ManualTime();
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { RequestsPerMinute = 3 }, time: time);

        using HttpResponseMessage first = await server.PostAsync(Chat, Body);
        Assert.Equal(("3", "2", "20s"), Headers(first, "requests"));
        Assert.False(first.Headers.Contains("x-ratelimit-limit-tokens"));
        await server.PostAsync("/v1/completions", """{"model":"m","prompt":"x"}""");
        await server.PostAsync(Chat, "{"); // a malformed one counts too

        using HttpResponseMessage refused = await server.PostAsync(Chat, Body);

        Assert.Equal(("3", "0", "1m0s"), Headers(refused, "requests"));
        JsonNode error = JsonNode.Parse(await refused.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.Equal("rate_limit_exceeded", (string?)error["code"]);
        Assert.Equal("requests", (string?)error["type"]);
        Assert.Equal(
            "Rate limit reached for project p on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", (string?)error["message"]);
        Assert.Equal("20", refused.Headers.GetValues("Retry-After").Single());
        Assert.Equal("20000", refused.Headers.GetValues("retry-after-ms").Single());
        Assert.Equal("true", refused.Headers.GetValues("x-should-retry").Single());
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/v1/models")).StatusCode);
        time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync(Chat, Body)).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await server.PostAsync("/v1/completions", """{"model":"m","prompt":"x"}""")).StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_set_aside_for_an_answer_is_replaced_by_what_it_took(bool stream)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { TokensPerMinute = 100 }, time: new ManualTime());
        string body = Body.Replace("10}", stream ? "10,\"stream\":true}" : "10}", StringComparison.Ordinal);

        using HttpResponseMessage first = await server.PostAsync(Chat, body);
        await first.Content.ReadAsStringAsync();
        using HttpResponseMessage second = await server.PostAsync(Chat, body);

        // The messages are 39 characters of JSON, the answer at most 10 tokens; it took 3 and 2.
        Assert.Equal("100", Headers(first, "tokens").Limit);
        string reserved = stream ? "80" : "95";
        Assert.Equal(reserved, Headers(first, "tokens").Remaining);
        Assert.Equal(stream ? "75" : "90", Headers(second, "tokens").Remaining);
    }

    [Theory]
    [InlineData(100, true, "Request too large for project p on tokens per min (TPM): Limit 100, Requested 110.")]
    [InlineData(80, false, "Rate limit reached for project p on tokens per min (TPM): Limit 100, Used 90, Requested 90.")]
    public async Task A_request_for_more_tokens_than_are_left_is_refused(int most, bool never, string words)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { TokensPerMinute = 100 }, time: new ManualTime());
        if (!never)
        {
            server.Pool.Script = server.Pool.Hang;
            using HttpResponseMessage running = await server.Client.SendAsync(Request(80, stream: true), HttpCompletionOption.ResponseHeadersRead);
            await RefusedAsync();
            return;
        }

        await RefusedAsync();

        async Task RefusedAsync()
        {
            using HttpResponseMessage refused = await server.Client.SendAsync(Request(most, stream: false));
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.Equal(never ? "false" : "true", refused.Headers.GetValues("x-should-retry").Single());
            Assert.StartsWith(words, (string?)JsonNode.Parse(await refused.Content.ReadAsStringAsync())!["error"]!["message"], StringComparison.Ordinal);
        }

        static HttpRequestMessage Request(int most, bool stream) => new(HttpMethod.Post, Chat)
        {
            Content = new StringContent(
                $$"""{"model":"m","messages":[{"role":"user","content":"four char"}],"max_tokens":{{most}},"stream":{{(stream ? "true" : "false")}}}""",
                System.Text.Encoding.UTF8,
                "application/json"),
        };
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(0.4, "1ms")]
    [InlineData(2, "2ms")]
    [InlineData(999.2, "1s")]
    [InlineData(1500, "1.5s")]
    [InlineData(20_000, "20s")]
    [InlineData(360_000, "6m0s")]
    [InlineData(3_662_003, "1h1m2.003s")]
    public void Durations_are_written_as_openai_does(double milliseconds, string text) => Assert.Equal(text, ResetDuration.Text(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void A_bucket_never_gives_more_than_its_allowance_in_any_minute()
    {
        var random = new Random(5);
        var time = new ManualTime();
        var bucket = new TokenBucket(60, time.GetTimestamp(), time);
        var taken = new List<(DateTimeOffset At, int Amount)>();
        for (int i = 0; i < 2000; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(random.Next(3000)));
            int amount = random.Next(1, 20);
            TimeSpan wait = bucket.UntilThere(amount, time.GetTimestamp());
            if (wait == TimeSpan.Zero)
            {
                bucket.Take(amount, time.GetTimestamp());
                taken.Add((time.GetUtcNow(), amount));
            }
            else if (i % 2 == 0)
            {
                time.Advance(wait + TimeSpan.FromMilliseconds(1));
                Assert.Equal(TimeSpan.Zero, bucket.UntilThere(amount, time.GetTimestamp()));
            }

            // A full bucket and a minute's refill.
            DateTimeOffset now = time.GetUtcNow();
            Assert.InRange(taken.Where(one => now - one.At < TimeSpan.FromMinutes(1)).Sum(one => one.Amount), 0, 120);
            Assert.InRange(bucket.Remaining(time.GetTimestamp()), 0, 60);
        }

        Assert.InRange(taken.Sum(one => one.Amount) / (time.GetUtcNow() - taken[0].At).TotalMinutes, 30, 62);
    }

    private static (string Limit, string Remaining, string Reset) Headers(HttpResponseMessage response, string unit) =>
        (response.Headers.GetValues("x-ratelimit-limit-" + unit).Single(), response.Headers.GetValues("x-ratelimit-remaining-" + unit).Single(), response.Headers.GetValues("x-ratelimit-reset-" + unit).Single());
}
