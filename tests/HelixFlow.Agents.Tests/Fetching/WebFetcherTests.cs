using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using HelixFlow.Agents.Fetching;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class WebFetcherTests
{
    private const string Page = "<title>A page</title><p>It says something.";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_page_is_read_and_says_where_it_was()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        string agent = "", cookie = "";
        web.Redirect("a.site.test", "/", $"http://b.site.test:{web.Port}/there?x=1#part", StatusCodes.Status301MovedPermanently);
        web.Page("b.site.test", "/there?x=1", context =>
        {
            agent = context.Request.Headers.UserAgent.ToString();
            cookie = context.Request.Headers.Cookie.ToString();
            context.Response.Headers.SetCookie = "id=7";
            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync(Page);
        });
        using WebFetcher fetcher = web.Fetcher();
        FetchResult result = await fetcher.FetchAsync(web.Url("a.site.test", "/"), Token);
        FetchResult again = await fetcher.FetchAsync(web.Url("b.site.test", "/there?x=1"), Token);

        Assert.True(result.Failure is null, result.Reason);
        Assert.Equal((web.Url("b.site.test", "/there?x=1"), "A page", "It says something."), (result.Page!.Url, result.Page.Title, result.Page.Text));
        Assert.StartsWith("HelixFlow/", agent, StringComparison.Ordinal);
        Assert.Equal((result.Page.Sha256, ""), (again.Page!.Sha256, cookie));
        Assert.Equal(1, web.Asked.Count(static page => page == "b.site.test/robots.txt"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task A_small_answer_that_unpacks_to_gigabytes_is_cut_off(string encoding)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("bomb.site.test", "/", async context =>
        {
            context.Response.ContentType = "text/plain";
            context.Response.Headers.ContentEncoding = encoding;
            await using Stream packed = encoding switch
            {
                "gzip" => new GZipStream(context.Response.Body, CompressionLevel.Fastest),
                "br" => new BrotliStream(context.Response.Body, CompressionLevel.Fastest),
                _ => new ZLibStream(context.Response.Body, CompressionLevel.Fastest),
            };
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 4096 && !context.RequestAborted.IsCancellationRequested; i++)
            {
                await packed.WriteAsync(zeros, context.RequestAborted);
            }
        });

        await FailsAsync(web, "http://bomb.site.test", "/", FetchFailure.TooLarge);
    }

    [Fact]
    public async Task A_body_without_end_is_cut_off_and_the_connection_with_it()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        var gone = new TaskCompletionSource();
        web.Page("endless.site.test", "/", async context =>
        {
            context.Response.ContentType = "text/html";
            context.RequestAborted.Register(() => gone.TrySetResult());
            byte[] line = Encoding.ASCII.GetBytes(new string('x', 8192));
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(line, context.RequestAborted);
            }
        });

        await FailsAsync(web, "http://endless.site.test", "/", FetchFailure.TooLarge);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(120), Token);
    }

    [Fact]
    public async Task A_body_that_drips_ends_with_the_time_that_a_page_has()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        RawServer slow = web.Raw("slow.site.test", static async (stream, token) =>
        {
            await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", token);
            await Task.Delay(Timeout.Infinite, token);
        });
        using var fetcher = new WebFetcher(web.Options(timeLimit: TimeSpan.FromMilliseconds(700)), TimeProvider.System);
        FetchResult result = await fetcher.FetchAsync($"http://slow.site.test:{slow.Port}/", Token);

        // On a machine under load robots.txt may take that long already, and then nothing may be read.
        Assert.True(result.Failure is FetchFailure.TooSlow or FetchFailure.Robots, result.Reason);
    }

    [Fact]
    public async Task A_body_that_comes_too_slowly_is_given_up_before_the_time_is_over()
    {
        var time = new ManualTime();
        using var client = new GuardedClient(new FetchOptions { TimeLimit = TimeSpan.FromHours(1), MinimumRate = 100, RateGrace = TimeSpan.FromSeconds(10) }, time);
        using var enough = new DrippingStream(time, bytes: 100, count: 40);
        using var slow = new DrippingStream(time, bytes: 99, count: 40);
        var request = new PageRequest("*/*", 1 << 20);

        Assert.Equal(4000, (await client.ReadAsync(enough, request, Token)).Length);
        Assert.Equal(FetchFailure.TooSlow, (await Assert.ThrowsAsync<FetchException>(() => client.ReadAsync(slow, request, Token))).Failure);
        Assert.Equal(11, slow.Reads); // the first one after the grace
    }

    [Theory]
    [InlineData("http://127.0.0.1:{0}/")]
    [InlineData("http://localhost:{0}/")]
    [InlineData("http://canary.test:{0}/")]
    [InlineData("http://CANARY.test.:{0}/x")]
    [InlineData("http://2130706433:{0}/")]
    [InlineData("http://0x7f000001:{0}/")]
    [InlineData("http://0177.0.0.1:{0}/")]
    [InlineData("http://127.1:{0}/")]
    [InlineData("http://0.0.0.0:{0}/")]
    [InlineData("http://[::1]:{0}/")]
    [InlineData("http://[::ffff:127.0.0.1]:{0}/")]
    [InlineData("http://[::127.0.0.1]:{0}/")]
    [InlineData("http://169.254.169.254:{0}/latest/meta-data/")]
    [InlineData("https://canary.test:{0}/")]
    public async Task Nothing_inside_is_reached_neither_directly_nor_by_a_redirect(string target)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Name("localhost", IPAddress.Loopback, IPAddress.IPv6Loopback);
        web.Name("canary.test.", IPAddress.Loopback);
        string inside = string.Format(null, target, web.Canary.Port);
        web.Redirect("a.site.test", "/", inside);
        web.Redirect("robots.site.test", "/robots.txt", inside);
        web.Page("robots.site.test", "/", Page);
        using WebFetcher fetcher = web.Fetcher();
        FetchResult direct = await fetcher.FetchAsync(inside, Token);
        FetchResult redirected = await fetcher.FetchAsync(web.Url("a.site.test", "/"), Token);
        FetchResult robots = await fetcher.FetchAsync(web.Url("robots.site.test", "/"), Token);

        Assert.True(direct.Failure is FetchFailure.RefusedAddress or FetchFailure.Unreachable, direct.Reason); // what is no number to this system is a name, and unknown
        Assert.Equal(direct.Failure, redirected.Failure);
        Assert.Equal(FetchFailure.Robots, robots.Failure);
        Assert.DoesNotContain("127.0.0.1", direct.Reason!.Replace(new Uri(inside).Host, "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(0, web.Canary.Contacts);
    }

    [Fact]
    public async Task A_name_that_means_another_address_later_leads_nowhere()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        var good = IPAddress.Parse("127.0.0.2");
        RawServer server = web.Raw("rebind.test", static (stream, token) => RawServer.WriteAsync(
            stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>a", token), good);
        int lookups = 0;
        var options = new FetchOptions
        {
            Allowed = ["127.0.0.2"],
            HostDelay = TimeSpan.Zero,
            Resolve = (_, _) => Task.FromResult<IPAddress[]>(Interlocked.Increment(ref lookups) <= 2 ? [good] : [IPAddress.Loopback]),
        };
        using var fetcher = new WebFetcher(options, TimeProvider.System);
        FetchResult before = await fetcher.FetchAsync($"http://rebind.test:{server.Port}/", Token);
        FetchResult after = await fetcher.FetchAsync($"http://rebind.test:{server.Port}/", Token);

        Assert.Equal("a", before.Page?.Text);
        Assert.Equal(FetchFailure.RefusedAddress, after.Failure);
        Assert.Equal(3, lookups); // one for each connection: what was judged is what is connected to
    }

    [Fact]
    public async Task Of_a_name_with_many_addresses_only_the_allowed_ones_are_tried()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        var good = IPAddress.Parse("127.0.0.2");
        RawServer server = web.Raw("both.test", static (stream, token) => RawServer.WriteAsync(
            stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>a", token), good);
        using var trap = new TcpListener(IPAddress.Loopback, server.Port);
        trap.Start();
        web.Name("both.test", IPAddress.Loopback, IPAddress.IPv6Loopback, good);
        using var fetcher = new WebFetcher(new FetchOptions { Allowed = ["127.0.0.2/32"], HostDelay = TimeSpan.Zero, Resolve = web.ResolveAsync }, TimeProvider.System);

        Assert.Equal("a", (await fetcher.FetchAsync($"http://both.test:{server.Port}/", Token)).Page?.Text);
        Assert.False(trap.Pending());
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("ftp://a.site.test/")]
    [InlineData("gopher://127.0.0.1:70/")]
    [InlineData("data:text/html,x")]
    [InlineData("javascript:alert(1)")]
    [InlineData("http://user:secret@a.site.test/")]
    [InlineData("/relative")]
    [InlineData("http://")]
    [InlineData("")]
    public async Task What_is_no_address_of_http_is_refused(string address)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        using WebFetcher fetcher = web.Fetcher();
        FetchResult result = await fetcher.FetchAsync(address, Token);

        Assert.Equal(FetchFailure.BadAddress, result.Failure);
        Assert.DoesNotContain("secret", result.Reason, StringComparison.Ordinal);
        if (Uri.IsWellFormedUriString(address, UriKind.Absolute))
        {
            web.Redirect("a.site.test", "/", address);
            Assert.Equal(FetchFailure.BadAddress, (await fetcher.FetchAsync(web.Url("a.site.test", "/"), Token)).Failure);
        }
    }

    [Fact]
    public async Task Redirects_in_a_circle_and_without_end_are_left()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Redirect("a.site.test", "/", web.Url("b.site.test", "/"));
        web.Redirect("b.site.test", "/", web.Url("a.site.test", "/"));
        for (int i = 0; i < 20; i++)
        {
            web.Redirect("c.site.test", $"/{i}", $"/{i + 1}");
        }

        await FailsAsync(web, "http://a.site.test", "/", FetchFailure.Redirects);
        await FailsAsync(web, "http://c.site.test", "/0", FetchFailure.Redirects);
        Assert.Equal(6, web.Asked.Count(static page => page.StartsWith("c.site.test/", StringComparison.Ordinal) && !page.EndsWith("robots.txt", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_robots_may_not_read_is_not_asked_for_also_after_a_redirect()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("a.site.test", "/robots.txt", "User-agent: HelixFlow\nDisallow: /private\n\nUser-agent: *\nAllow: /", "text/plain");
        web.Page("a.site.test", "/private/x", Page);
        web.Redirect("a.site.test", "/open", "/private/x");
        web.Page("down.site.test", "/robots.txt", static context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        web.Page("down.site.test", "/", Page);

        await FailsAsync(web, "http://a.site.test", "/private/x", FetchFailure.Robots);
        await FailsAsync(web, "http://a.site.test", "/open", FetchFailure.Robots);
        await FailsAsync(web, "http://down.site.test", "/", FetchFailure.Robots);
        Assert.DoesNotContain("a.site.test/private/x", web.Asked);
        Assert.DoesNotContain("down.site.test/", web.Asked);
    }

    [Fact]
    public async Task A_host_that_asks_for_a_pause_gets_a_short_one_and_a_second_request()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        int asked = 0;
        web.Page("busy.site.test", "/", context =>
        {
            if (Interlocked.Increment(ref asked) == 1)
            {
                context.Response.StatusCode = 429;
                context.Response.Headers.RetryAfter = "0";
                return Task.CompletedTask;
            }

            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync(Page);
        });
        web.Page("always.site.test", "/", static context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "0";
            return Task.CompletedTask;
        });
        web.Page("long.site.test", "/", static context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "3600";
            return Task.CompletedTask;
        });
        using WebFetcher fetcher = web.Fetcher();

        Assert.Equal("It says something.", (await fetcher.FetchAsync(web.Url("busy.site.test", "/"), Token)).Page?.Text);
        await FailsAsync(web, "http://always.site.test", "/", FetchFailure.RateLimited);
        await FailsAsync(web, "http://long.site.test", "/", FetchFailure.RateLimited);
        Assert.Equal((2, 1), (web.Asked.Count(static page => page == "always.site.test/"), web.Asked.Count(static page => page == "long.site.test/")));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: {0}\r\n\r\n", FetchFailure.TooLarge)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 500\r\n\r\n<p>a", FetchFailure.Unreachable)]
    [InlineData("SSH-2.0-OpenSSH_9.9\r\n", FetchFailure.BadAnswer)]
    [InlineData("", FetchFailure.Unreachable)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", FetchFailure.BadAnswer)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: compress\r\nContent-Length: 4\r\n\r\nnope", FetchFailure.ContentType)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", FetchFailure.ContentType)]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", FetchFailure.Empty)]
    [InlineData("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", FetchFailure.HttpStatus)]
    [InlineData("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", FetchFailure.HttpStatus)]
    public async Task A_broken_answer_is_a_failure_with_a_name(string answer, FetchFailure failure)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        RawServer server = web.Raw("raw.site.test", (stream, token) => RawServer.WriteAsync(stream, answer.Replace("{0}", new string('x', 100_000), StringComparison.Ordinal), token));
        using WebFetcher fetcher = web.Fetcher();
        FetchResult result = await fetcher.FetchAsync($"http://raw.site.test:{server.Port}/", Token);

        Assert.True(failure == result.Failure, $"{result.Failure}: {result.Reason}");
    }

    [Fact]
    public async Task Whatever_a_server_sends_is_a_page_or_a_failure()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        string[] pieces =
        [
            "HTTP/1.1 ", "HTTP/2 ", "200", "302", "429", "103", "999", " OK", "\r\n", "\n", "\r", "\r\n\r\n", "Content-Type: ", "text/html", "; charset=", "utf-16", "\"", "/", "Content-Length: ",
            "5", "-1", "99999999999999999999", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "ffffffffffffffff\r\n", "Location: ", "http://[", "http://a:99999/", "//", "Retry-After: ", "Mon, 01 Jan 0001 00:00:00 GMT",
            "Content-Encoding: ", "gzip", "br", ", ", "<p>text", "\0", "\u00ff\u00fe", ": ", " ",
        ];
        string answer = "";
        RawServer server = web.Raw("fuzz.site.test", (stream, token) => RawServer.WriteAsync(stream, answer, token));
        using WebFetcher fetcher = web.Fetcher();
        var random = new Random(17);
        int pages = 0, rounds = 600;
        for (int round = 0; round < rounds; round++)
        {
            string start = (round % 4) switch { 0 => "", 1 => "HTTP/1.1 200 OK\r\n", 2 => "HTTP/1.1 200 OK\r\nContent-Type: text/html", _ => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" };
            answer = start + string.Concat(Enumerable.Range(0, random.Next(0, 20)).Select(_ => pieces[random.Next(pieces.Length)]));
            FetchResult result = await fetcher.FetchAsync($"http://fuzz.site.test:{server.Port}/{round}", Token);

            Assert.True(result.Page is null != result.Failure is null);
            pages += result.Page is null ? 0 : 1;
        }

        Assert.InRange(pages, 1, rounds - 1);
        Assert.Equal(0, web.Canary.Contacts);
    }

    [Fact]
    public async Task Headers_without_end_and_a_reset_are_failures()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        RawServer endless = web.Raw("endless.site.test", static async (stream, token) =>
        {
            await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\n", token);
            while (true)
            {
                await RawServer.WriteAsync(stream, "X-More: and more\r\n", token);
            }
        });
        RawServer reset = web.Raw("reset.site.test", static (stream, _) =>
        {
            stream.Socket.LingerState = new LingerOption(true, 0);
            stream.Socket.Close();
            return Task.CompletedTask;
        });
        using WebFetcher fetcher = web.Fetcher();

        Assert.Equal(FetchFailure.TooLarge, (await fetcher.FetchAsync($"http://endless.site.test:{endless.Port}/", Token)).Failure);
        Assert.Equal(FetchFailure.Unreachable, (await fetcher.FetchAsync($"http://reset.site.test:{reset.Port}/", Token)).Failure);
        Assert.Equal(FetchFailure.Unreachable, (await fetcher.FetchAsync("http://nobody.site.test/", Token)).Failure);
    }

    [Fact]
    public async Task A_host_is_asked_one_page_at_a_time()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        int now = 0, most = 0;
        for (int i = 0; i < 8; i++)
        {
            web.Page("one.site.test", $"/{i}", async context =>
            {
                most = Math.Max(most, Interlocked.Increment(ref now));
                await Task.Yield();
                Interlocked.Decrement(ref now);
                context.Response.ContentType = "text/html";
                await context.Response.WriteAsync(Page);
            });
        }

        using WebFetcher fetcher = web.Fetcher();
        FetchResult[] results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => fetcher.FetchAsync(web.Url("one.site.test", $"/{i}"), Token)));

        Assert.All(results, static result => Assert.NotNull(result.Page));
        Assert.Equal(1, most);
        Assert.Equal(9, web.Asked.Count);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("User-agent: *\nCrawl-delay: 5\n", 5)]
    [InlineData("User-agent: *\nCrawl-delay: 9000\n", 20)]
    public async Task A_host_rests_between_two_pages(string robots, int seconds)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        var time = new ManualTime();
        web.Page("calm.site.test", "/robots.txt", robots, "text/plain");
        web.Page("calm.site.test", "/1", Page);
        web.Page("calm.site.test", "/2", Page);
        using var fetcher = new WebFetcher(web.Options(hostDelay: TimeSpan.FromSeconds(1)), time);
        Assert.NotNull((await fetcher.FetchAsync(web.Url("calm.site.test", "/1"), Token)).Page);
        Task<FetchResult> second = fetcher.FetchAsync(web.Url("calm.site.test", "/2"), Token);
        await time.ArmedAsync(3); // the time limits of robots.txt and of the first page, and the rest

        time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.False(second.IsCompleted);
        Assert.DoesNotContain("calm.site.test/2", web.Asked);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.NotNull((await second).Page);
    }

    [Fact]
    public async Task Who_gives_up_ends_the_request()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Token);
        web.Page("never.site.test", "/", async context =>
        {
            await gone.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        using WebFetcher fetcher = web.Fetcher();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetcher.FetchAsync(web.Url("never.site.test", "/"), gone.Token));
    }

    private static async Task FailsAsync(TestWeb web, string host, string path, FetchFailure failure)
    {
        using WebFetcher fetcher = web.Fetcher();
        FetchResult result = await fetcher.FetchAsync($"{host}:{web.Port}{path}", Token);
        Assert.True(failure == result.Failure, $"{result.Failure}: {result.Reason}");
        Assert.Null(result.Page);
        Assert.NotEmpty(result.Reason!);
        Assert.Equal(0, web.Canary.Contacts);
    }

    /// <summary>Gives some bytes with each read, and each read takes a second.</summary>
    private sealed class DrippingStream(ManualTime time, int bytes, int count) : Stream
    {
        public int Reads { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Reads == count)
            {
                return ValueTask.FromResult(0);
            }

            Reads++;
            time.Advance(TimeSpan.FromSeconds(1));
            return ValueTask.FromResult(bytes);
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
