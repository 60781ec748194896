using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using HelixFlow.Gateway.Idempotency;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>Requests that come twice under one idempotency key.</summary>
public sealed class IdempotencyTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Whole = """{"model":"m","messages":[{"role":"user","content":"x"}]}""";
    private const string Streamed = """{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}""";

    [Theory]
    [InlineData(Whole)]
    [InlineData(Streamed)]
    public async Task The_same_request_gets_the_same_answer_and_is_carried_out_once(string body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        int runs = Count(server);

        using HttpResponseMessage first = await PostAsync(server, body, "a");
        string answer = await first.Content.ReadAsStringAsync();
        using HttpResponseMessage again = await PostAsync(server, body, "a");

        Assert.Equal(answer, await again.Content.ReadAsStringAsync());
        Assert.Equal(first.Content.Headers.ContentType, again.Content.Headers.ContentType);
        Assert.False(first.Headers.Contains("idempotency-replayed"));
        Assert.Equal("true", again.Headers.GetValues("idempotency-replayed").Single());
        Assert.NotEqual(first.Headers.GetValues("x-request-id").Single(), again.Headers.GetValues("x-request-id").Single());
        Assert.Equal(1, Count(server) - runs);
        using HttpResponseMessage other = await PostAsync(server, body, "b");
        Assert.NotEqual(answer, await other.Content.ReadAsStringAsync());
        using HttpResponseMessage elsewhere = await PostAsync(server, body.Replace("messages\":[{\"role\":\"user\",\"content\":\"x\"}]", "prompt\":\"x\"", StringComparison.Ordinal), "a", "/v1/completions");
        Assert.Equal(HttpStatusCode.OK, elsewhere.StatusCode);
        Assert.Equal(3, Count(server) - runs);
    }

    [Fact]
    public async Task Another_body_under_the_key_is_refused()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using HttpResponseMessage first = await PostAsync(server, Whole, "a");
        await first.Content.ReadAsStringAsync();

        using HttpResponseMessage second = await PostAsync(server, Streamed, "a");

        await RequestTests.AssertErrorAsync(second, HttpStatusCode.UnprocessableEntity, null, "idempotency_key_reused");
        Assert.Equal("false", second.Headers.GetValues("x-should-retry").Single());
        await RequestTests.AssertErrorAsync(await PostAsync(server, Whole, new string('k', 256)), HttpStatusCode.BadRequest, null, "invalid_header");
    }

    [Fact]
    public async Task A_request_in_flight_is_a_conflict_and_one_whose_client_left_was_never_made()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = server.Pool.Hang;
        using (HttpResponseMessage running = await PostAsync(server, Streamed, "a", completion: HttpCompletionOption.ResponseHeadersRead))
        {
            using HttpResponseMessage second = await PostAsync(server, Streamed, "a");
            await RequestTests.AssertErrorAsync(second, HttpStatusCode.Conflict, null, "idempotency_key_in_use");
            Assert.Equal("true", second.Headers.GetValues("x-should-retry").Single());
            Assert.Equal("1000", second.Headers.GetValues("retry-after-ms").Single());
        }

        await server.Pool.Left.Task.WaitAsync(TimeSpan.FromSeconds(60));
        server.Pool.Script = new ScriptedPool().Script;
        HttpStatusCode status = HttpStatusCode.Conflict;
        for (int attempt = 0; attempt < 1000 && status == HttpStatusCode.Conflict; attempt++) // the handler ends a moment after the generation
        {
            await Task.Yield();
            using HttpResponseMessage again = await PostAsync(server, Streamed, "a");
            status = again.StatusCode;
        }

        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_failed_answer_is_not_kept(bool stream)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = FailAsync;
        using HttpResponseMessage failed = await PostAsync(server, stream ? Streamed : Whole, "a");
        Assert.Contains("\"error\"", await failed.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        server.Pool.Script = new ScriptedPool().Script;

        using HttpResponseMessage again = await PostAsync(server, stream ? Streamed : Whole, "a");

        Assert.False(again.Headers.Contains("idempotency-replayed"));
        Assert.Contains("Hello", await again.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_go_with_their_age_and_for_room()
    {
        var time = new ManualTime();
        var requests = new IdempotentRequests(new GatewayOptions { IdempotencyBytes = 10_100 }, time);
        Run("a", 4000);
        time.Advance(TimeSpan.FromHours(1));
        Run("b", 4000);
        Assert.Equal(IdempotencyOutcome.Mismatch, requests.Begin(Name("a"), "other"u8, out _));
        Assert.Equal(IdempotencyOutcome.Answered, requests.Begin(Name("a"), "body"u8, out _));
        Assert.Equal(IdempotencyOutcome.Answered, requests.Begin(Name("b"), "body"u8, out RecordedAnswer? answer));
        Assert.Equal(4000, answer!.Body.Length);
        Run("c", 100); // makes the oldest go
        Assert.Equal(IdempotencyOutcome.Begun, requests.Begin(Name("a"), "body"u8, out _));
        Assert.Equal(IdempotencyOutcome.InFlight, requests.Begin(Name("a"), "body"u8, out _));
        requests.End(Name("a"), null);
        time.Advance(TimeSpan.FromHours(24));
        Assert.Equal(IdempotencyOutcome.Begun, requests.Begin(Name("b"), "body"u8, out _));
        Assert.Equal(IdempotencyOutcome.Begun, requests.Begin(Name("c"), "body"u8, out _));

        void Run(string key, int length)
        {
            Assert.Equal(IdempotencyOutcome.Begun, requests.Begin(Name(key), "body"u8, out _));
            requests.End(Name(key), new RecordedAnswer(200, [], new byte[length]));
        }

        static IdempotencyName Name(string key) => new("p", Chat, key);
    }

    // How often the pool has been asked; from here on.
    private static int Count(GatewayServer server)
    {
        if (server.Pool.Script.Target is Counter counter)
        {
            return counter.Runs;
        }

        server.Pool.Script = new Counter(server.Pool.Script).RunAsync;
        return 0;
    }

    private static Task<HttpResponseMessage> PostAsync(
        GatewayServer server, string body, string key, string path = Chat, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead) => server.Client.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json"), Headers = { { "Idempotency-Key", key } } }, completion);

    private static async IAsyncEnumerable<GenerateEvent> FailAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        await Task.Yield();
        yield return ScriptedPool.Token("Beg");
        yield return new GenerateEvent { Finish = new Finish { Reason = FinishReason.Error, Error = "The engine failed." } };
    }

    private sealed class Counter(Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> inner)
    {
        public int Runs { get; private set; }

        public IAsyncEnumerable<GenerateEvent> RunAsync(GenerateRequest request, CancellationToken cancellationToken)
        {
            Runs++;
            return inner(request, cancellationToken);
        }
    }
}
