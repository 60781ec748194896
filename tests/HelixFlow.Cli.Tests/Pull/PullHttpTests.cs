using System.Globalization;
using HelixFlow.Cli.Pull;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Cli.Tests.Pull;

public sealed class PullHttpTests
{
    private static readonly RetryPolicy Retry = new();

    [Fact]
    public async Task Token_goes_to_the_hub_and_not_to_the_host_it_redirects_to()
    {
        await using TestServer network = await TestServer.StartAsync(static context => context.Response.WriteAsync("weights"));
        await using TestServer hub = await TestServer.StartAsync(context =>
        {
            context.Response.Redirect(new Uri(network.Address, "signed?key=1").AbsoluteUri);
            return Task.CompletedTask;
        });
        using var http = new PullHttp(hub.Address, "hf_secret", Retry, TimeProvider.System);

        using HttpResponseMessage response = await http.GetAsync(new Uri(hub.Address, "file"), null, null, CancellationToken.None);

        Assert.Equal("weights", await response.Content.ReadAsStringAsync());
        Assert.Equal("Bearer hf_secret", hub.Requests.Single().Authorization);
        Assert.Equal("", network.Requests.Single().Authorization);
    }

    [Fact]
    public async Task Token_follows_a_relative_redirect_of_the_hub()
    {
        await using TestServer hub = await TestServer.StartAsync(static context =>
        {
            if (context.Request.Path == "/old")
            {
                context.Response.StatusCode = 307;
                context.Response.Headers.Location = "/new";
            }

            return Task.CompletedTask;
        });
        using var http = new PullHttp(hub.Address, "hf_secret", Retry, TimeProvider.System);

        using HttpResponseMessage response = await http.GetAsync(new Uri(hub.Address, "old"), null, null, CancellationToken.None);

        Assert.Equal(["/old", "/new"], hub.Requests.Select(static r => r.Path));
        Assert.All(hub.Requests, static r => Assert.Equal("Bearer hf_secret", r.Authorization));
    }

    [Theory]
    [InlineData("https://hub.example/a", "http://hub.example/a", "from https to the unprotected")]
    [InlineData("https://hub.example/a", "file:///etc/passwd", "redirects to nowhere usable")]
    [InlineData("https://hub.example/a", null, "redirects to nowhere usable")]
    public void Unsafe_redirects_are_refused(string from, string? to, string reason)
    {
        PullException error = Assert.Throws<PullException>(
            () => PullHttp.Redirected(new Uri(from), to is null ? null : new Uri(to, UriKind.RelativeOrAbsolute)));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirects_in_a_circle_end()
    {
        await using TestServer server = await TestServer.StartAsync(static context =>
        {
            context.Response.Redirect("/again");
            return Task.CompletedTask;
        });

        PullException error = await FailAsync<PullException>(server, token: null);

        Assert.Contains("redirects more than 10 times", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, null, "set HF_TOKEN")]
    [InlineData(403, null, "set HF_TOKEN")]
    [InlineData(403, "hf_secret", "the token in HF_TOKEN (or --token) has no access")]
    [InlineData(404, null, "check the repository, the revision and the file name")]
    [InlineData(400, null, "answered 400")]
    public async Task Refusals_say_what_helps(int status, string? token, string reason)
    {
        await using TestServer server = await TestServer.StartAsync(context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });

        PullException error = await FailAsync<PullException>(server, token);

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_secret", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(408)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task Overload_is_worth_another_try(int status)
    {
        await using TestServer server = await TestServer.StartAsync(context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = DateTimeOffset.UnixEpoch.AddSeconds(40).ToString("R", CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });

        TransientException error = await FailAsync<TransientException>(server, token: null, new FixedTime(DateTimeOffset.UnixEpoch.AddSeconds(10)));

        Assert.Equal(TimeSpan.FromSeconds(30), error.RetryAfter);
    }

    [Fact]
    public void Waits_double_up_to_a_limit_and_vary()
    {
        var steady = new RetryPolicy { Jitter = static () => 1 };
        Assert.Equal([1, 2, 4, 8, 16, 30, 30], Enumerable.Range(1, 7).Select(n => steady.DelayAfter(n, null).TotalSeconds));
        Assert.Equal(30, steady.DelayAfter(int.MaxValue, null).TotalSeconds);
        Assert.Equal(0.5, new RetryPolicy { Jitter = static () => 0 }.DelayAfter(1, null).TotalSeconds);
        Assert.Equal(20, steady.DelayAfter(1, TimeSpan.FromSeconds(20)).TotalSeconds);
        Assert.Equal(1, steady.DelayAfter(1, TimeSpan.FromSeconds(-20)).TotalSeconds);
        Assert.Throws<PullException>(() => steady.DelayAfter(1, TimeSpan.FromHours(1)));
    }

    private static Task<T> FailAsync<T>(TestServer server, string? token, TimeProvider? time = null)
        where T : Exception => Assert.ThrowsAsync<T>(async () =>
        {
            using var http = new PullHttp(server.Address, token, Retry, time ?? TimeProvider.System);
            await http.GetAsync(new Uri(server.Address, "file"), null, null, CancellationToken.None);
        });

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
