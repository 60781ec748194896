using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace HelixFlow.Gateway.Tests;

/// <summary>What is around the bodies: headers, codings, types, methods, origins.</summary>
public sealed class HttpTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Body = """{"model":"m","messages":[{"role":"user","content":"x"}]}""";

    [Fact]
    public async Task Every_answer_has_openais_headers()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach (HttpResponseMessage response in (HttpResponseMessage[])[await server.PostAsync(Chat, Body), await server.PostAsync(Chat, "{"), await server.Client.GetAsync("/v1/nothing")])
        {
            Assert.StartsWith("req_", response.Headers.GetValues("x-request-id").Single(), StringComparison.Ordinal);
            Assert.True(long.Parse(response.Headers.GetValues("openai-processing-ms").Single(), System.Globalization.CultureInfo.InvariantCulture) >= 0);
            Assert.Equal("2020-10-01", response.Headers.GetValues("openai-version").Single());
            Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal(!response.IsSuccessStatusCode, response.Headers.TryGetValues("x-should-retry", out IEnumerable<string>? retry) && retry.Single() == "false");
        }

        using HttpResponseMessage known = await server.Client.GetAsync("/v1/models");
        Assert.Equal(("default", "p"), (known.Headers.GetValues("openai-organization").Single(), known.Headers.GetValues("openai-project").Single()));
    }

    [Fact]
    public async Task A_clients_own_id_is_checked_and_logged_with_what_it_says_of_itself()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        await RequestTests.AssertErrorAsync(await GetAsync(server, new string('x', 513)), HttpStatusCode.BadRequest, null, "invalid_header");
        using HttpResponseMessage response = await GetAsync(server, "mine-7");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains(server.Log.Lines, line => line.Message.Contains("mine-7, organization org-1, project proj_1", StringComparison.Ordinal));

        static Task<HttpResponseMessage> GetAsync(GatewayServer server, string id) => server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "/v1/models")
        {
            Headers = { { "X-Client-Request-Id", id }, { "OpenAI-Organization", "org-1" }, { "OpenAI-Project", "proj_1" } },
        });
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("x-gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("BR")]
    [InlineData("identity")]
    public async Task A_packed_body_is_unpacked(string coding)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await PostAsync(server, Pack(Encoding.UTF8.GetBytes(Body), coding), coding);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("""[{"role":"user","content":"x"}]""", server.Pool.Request!.Chat.MessagesJson);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task A_packed_body_may_not_unpack_to_more_than_any_body_may_have(string coding)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 100_000 });
        byte[] bomb = Pack(Encoding.UTF8.GetBytes($$"""{"model":"{{new string('m', 10_000_000)}}"}"""), coding);
        Assert.InRange(bomb.Length, 1, 50_000);

        using HttpResponseMessage response = await PostAsync(server, bomb, coding);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.RequestEntityTooLarge, null, "request_too_large");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task A_damaged_packed_body_is_refused(string coding)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        byte[] packed = Pack(Encoding.UTF8.GetBytes(Body), coding);
        foreach (byte[] damaged in (byte[][])[[1, 2, 3, 4, 5, 6, 7, 8, 9], packed[..(packed.Length / 2)], []])
        {
            using HttpResponseMessage response = await PostAsync(server, damaged, coding);

            await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, null, null);
        }
    }

    [Theory]
    [InlineData("zstd")]
    [InlineData("gzip, br")]
    [InlineData("compress")]
    public async Task Other_codings_are_refused_and_the_known_ones_named(string coding)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await PostAsync(server, Encoding.UTF8.GetBytes(Body), coding);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.UnsupportedMediaType, null, "unsupported_content_encoding");
        Assert.Equal("gzip, deflate, br", response.Headers.GetValues("Accept-Encoding").Single());
    }

    [Theory]
    [InlineData(null, HttpStatusCode.OK)]
    [InlineData("application/json", HttpStatusCode.OK)]
    [InlineData("application/json; charset=UTF-8", HttpStatusCode.OK)]
    [InlineData("application/json; charset=\"utf-8\"", HttpStatusCode.OK)]
    [InlineData("application/vnd.x+json", HttpStatusCode.OK)]
    [InlineData("application/json; charset=utf-16", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/x-www-form-urlencoded", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("text/plain", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("nonsense", HttpStatusCode.UnsupportedMediaType)]
    public async Task The_type_of_a_body_is_checked(string? type, HttpStatusCode expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(Body)) };
        if (type is not null)
        {
            request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        using HttpResponseMessage response = await server.Client.SendAsync(request);

        Assert.Equal(expected, response.StatusCode);
    }

    [Theory]
    [InlineData("*/*", true)]
    [InlineData("application/json", true)]
    [InlineData("text/event-stream", true)]
    [InlineData("application/*;q=0.1, text/html", true)]
    [InlineData("%%%", true)]
    [InlineData("text/html", false)]
    [InlineData("application/json;q=0, text/plain", false)]
    public async Task A_client_that_takes_neither_json_nor_events_is_refused(string accept, bool served)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent(Body, Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Accept", accept);

        using HttpResponseMessage response = await server.Client.SendAsync(request);

        Assert.Equal(served ? HttpStatusCode.OK : HttpStatusCode.NotAcceptable, response.StatusCode);
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_duplicate_fields_and_depth_are_refused_and_a_byte_order_mark_is_not()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        byte[] broken = Encoding.Latin1.GetBytes("""{"model":"m","messages":[{"role":"user","content":"ä"}]}""");
        string deep = string.Concat(Enumerable.Repeat("[", 100)) + string.Concat(Enumerable.Repeat("]", 100));

        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync(Chat, '\uFEFF' + Body)).StatusCode);
        await RequestTests.AssertErrorAsync(await PostAsync(server, broken, "identity"), HttpStatusCode.BadRequest, null, null);
        await RequestTests.AssertErrorAsync(await server.PostAsync(Chat, Body.Replace("}]}", "}],\"model\":\"n\"}", StringComparison.Ordinal)), HttpStatusCode.BadRequest, null, null);
        await RequestTests.AssertErrorAsync(await server.PostAsync(Chat, Body.Replace("}]}", $"}}],\"x\":{deep}}}", StringComparison.Ordinal)), HttpStatusCode.BadRequest, null, null);
        await RequestTests.AssertErrorAsync(await server.PostAsync(Chat, ""), HttpStatusCode.BadRequest, null, null);
    }

    [Fact]
    public async Task Head_is_get_without_a_body_and_options_names_the_methods()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage head = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/v1/models"));
        using HttpResponseMessage options = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Options, Chat));

        Assert.Equal((HttpStatusCode.OK, ""), (head.StatusCode, await head.Content.ReadAsStringAsync()));
        Assert.Equal("application/json", head.Content.Headers.ContentType!.MediaType);
        Assert.Equal(HttpStatusCode.NoContent, options.StatusCode);
        Assert.Equal(["GET", "POST"], options.Content.Headers.Allow);
    }

    [Theory]
    [InlineData("https://app.example", "https://app.example", true)]
    [InlineData("*", "https://anywhere.example", true)]
    [InlineData("https://app.example", "https://other.example", false)]
    public async Task Browsers_of_allowed_origins_may_call_and_read_the_headers(string allowed, string origin, bool may)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { AllowedOrigins = [allowed], RequestsPerMinute = 5 });
        using var preflight = new HttpRequestMessage(HttpMethod.Options, Chat)
        {
            Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization,content-type,x-stainless-lang" } },
        };

        using HttpResponseMessage asked = await server.Client.SendAsync(preflight);
        using var wrong = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent("{", Encoding.UTF8, "application/json"), Headers = { { "Origin", origin } } };
        using HttpResponseMessage answered = await server.Client.SendAsync(wrong);

        Assert.Equal(HttpStatusCode.NoContent, asked.StatusCode);
        Assert.Equal(may, asked.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.Equal(may, answered.Headers.Contains("Access-Control-Allow-Origin"));
        if (may)
        {
            Assert.Contains("x-stainless-lang", asked.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.Ordinal);
            Assert.Equal("600", asked.Headers.GetValues("Access-Control-Max-Age").Single());
            Assert.Contains("x-ratelimit-remaining-requests", answered.Headers.GetValues("Access-Control-Expose-Headers").Single(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_client_that_stops_in_the_middle_of_its_body_is_told_and_dropped()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {Chat} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"));

        using var reader = new StreamReader(socket.GetStream());
        string answer = await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(2));

        Assert.StartsWith("HTTP/1.1 408", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"request_timeout\"", answer, StringComparison.Ordinal);
        Assert.Contains("x-should-retry: true", answer, StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Pack(byte[] bytes, string coding)
    {
        using var packed = new MemoryStream();
        using (Stream stream = coding.ToLowerInvariant() switch
        {
            "gzip" or "x-gzip" => new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true),
            "deflate" => new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true),
            "br" => new BrotliStream(packed, CompressionLevel.Optimal, leaveOpen: true),
            _ => packed,
        })
        {
            stream.Write(bytes);
            stream.Flush();
            if (stream == packed)
            {
                return packed.ToArray();
            }
        }

        return packed.ToArray();
    }

    private static Task<HttpResponseMessage> PostAsync(GatewayServer server, byte[] body, string coding)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.TryAddWithoutValidation("Content-Encoding", coding);
        return server.Client.PostAsync(Chat, content);
    }
}
