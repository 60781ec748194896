using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using HelixFlow.Cli.Bench.Load;
using HelixFlow.Cli.Commands;
using HelixFlow.Cli.Tests.Pull;
using HelixFlow.TestKit.Formats;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Cli.Tests.Bench;

public sealed class BenchCommandTests : IDisposable
{
    private readonly TempFolder _data = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Theory]
    [InlineData("--rate 0", "--rate: '0' is no rate above 0")]
    [InlineData("--rate 1 x", "--rate: 'x' is no rate above 0")]
    [InlineData("--rate 1 --concurrency 2", "exclude one another")]
    [InlineData("--concurrency 0", "must be at least 1")]
    [InlineData("--limit ttft=5", "is not like ttft=500ms")]
    [InlineData("--limit speed=5s", "is none of ttft, tpot and e2e")]
    [InlineData("--duration 5", "is not like 500ms, 60s or 5m")]
    [InlineData("--turns 2", "between 0 and 1")]
    [InlineData("--turns x", "x")]
    [InlineData("--prompt-tokens 0", "at least 1")]
    [InlineData("--prefix-tokens -1", "at least 0")]
    [InlineData("--requests many", "many")]
    [InlineData("--url ftp://x", "is not an http or https address")]
    [InlineData("--endpoint words", "words")]
    public async Task Options_of_serve_that_make_no_sense_are_refused(string arguments, string reason)
    {
        Assert.NotEqual(0, await InvokeAsync(["bench", "serve", .. arguments.Split(' ')]));
        Assert.Contains(reason, _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("engine --sequences 0", "must be at least 1")]
    [InlineData("engine --prompt 0", "must be at least 1")]
    [InlineData("compare m.gguf --peer other", "other")]
    [InlineData("compare m.gguf --rounds 0", "must be at least 1")]
    [InlineData("compare no-such-model", "no-such-model")]
    public async Task Other_arguments_that_make_no_sense_are_refused(string arguments, string reason)
    {
        Assert.NotEqual(0, await InvokeAsync(["bench", .. arguments.Split(' '), "--data", _data.FullPath]));
        Assert.Contains(reason, _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("serve")]
    [InlineData("engine")]
    [InlineData("compare")]
    public async Task The_help_has_examples(string command)
    {
        Assert.Equal(0, await InvokeAsync("bench", command, "--help"));
        Assert.Contains("Examples:", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains($"helixflow bench {command} ", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sweep_measures_a_server_and_writes_all_its_reports()
    {
        await using TestServer server = await TestServer.StartAsync(ServeAsync);
        string csv = _data["requests.csv"];
        string svg = _data["load.svg"];

        int code = await InvokeAsync(
            "bench", "serve", "--url", server.Address.AbsoluteUri, "--api-key", "secret", "--rate", "400", "inf", "--requests", "20", "--output-tokens", "5", "--prefix-tokens", "10",
            "--turns", "0.5", "--limit", "ttft=1h", "--csv", csv, "--svg", svg, "--json", "--ignore-eos", "--temperature", "0");

        Assert.Equal(0, code);
        JsonObject[] lines = [.. _output.ToString().TrimEnd().Split('\n').Select(line => JsonNode.Parse(line)!.AsObject())];
        Assert.Equal(["400", "\"inf\""], lines.Select(line => line["request_rate"]!.ToJsonString()));
        Assert.All(lines, line =>
        {
            Assert.Equal("first-model", (string)line["model_id"]!);
            Assert.Equal((20, 0, 100), ((int)line["completed"]!, (int)line["failed"]!, (int)line["total_output_tokens"]!));
            Assert.Equal((double)line["request_throughput"]!, (double)line["request_goodput"]!);
        });
        Assert.Equal(41, (await File.ReadAllLinesAsync(csv)).Length);
        Assert.Equal("svg", XDocument.Load(svg).Root!.Name.LocalName);

        // Two questions to calibrate, and for each run two to warm up and its own; all with the key.
        RecordedRequest[] asked = [.. server.Requests.Where(request => request.Path == "/v1/chat/completions")];
        Assert.Equal(2 + (2 * (2 + 20)), asked.Length);
        Assert.All(asked, request => Assert.Equal("Bearer secret", request.Authorization));
    }

    [Fact]
    public async Task Users_of_a_closed_loop_are_measured_with_tables()
    {
        await using TestServer server = await TestServer.StartAsync(ServeAsync);

        Assert.Equal(0, await InvokeAsync("bench", "serve", "--url", server.Address.AbsoluteUri, "--concurrency", "1", "3", "--requests", "9", "--output-tokens", "4", "--warm-up", "0", "--endpoint", "completions"));

        Assert.Contains("first-model, 3 users", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("9 of 9 requests completed", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("first-model, by load", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains(server.Requests, request => request.Path == "/v1/completions");
    }

    [Fact]
    public async Task Failures_are_counted_by_kind()
    {
        int count = 0;
        await using TestServer server = await TestServer.StartAsync(async context =>
        {
            // After the two questions that calibrate: refusals, objects instead of streams, and answers.
            int number = Interlocked.Increment(ref count);
            if (number <= 2 || number % 3 == 0)
            {
                await ServeAsync(context);
            }
            else if (number % 3 == 1)
            {
                context.Response.StatusCode = 429;
                await context.Response.WriteAsync("""{"error":{"message":"queue full"}}""");
            }
            else
            {
                await context.Response.WriteAsJsonAsync(new { choices = Array.Empty<int>() });
            }
        });

        Assert.Equal(0, await InvokeAsync("bench", "serve", "--url", server.Address.AbsoluteUri, "--model", "m", "--rate", "inf", "--requests", "30", "--warm-up", "0", "--json", "--connections", "1"));

        JsonObject json = JsonNode.Parse(_output.ToString())!.AsObject();
        Assert.Equal((10, 20), ((int)json["completed"]!, (int)json["failed"]!));
        Assert.Equal((10, 10), ((int)json["errors"]!["http 429"]!, (int)json["errors"]!["not streamed"]!));
    }

    [Fact]
    public async Task A_server_that_refuses_or_is_not_there_is_told()
    {
        Uri address;
        await using (TestServer server = await TestServer.StartAsync(context =>
        {
            context.Response.StatusCode = 401;
            return context.Response.WriteAsync("""{"error":{"message":"wrong key"}}""");
        }))
        {
            address = server.Address;
            Assert.Equal(1, await InvokeAsync("bench", "serve", "--url", address.AbsoluteUri, "--model", "m"));
            Assert.Contains("http 401: wrong key", _error.ToString(), StringComparison.Ordinal);
        }

        Assert.Equal(1, await InvokeAsync("bench", "serve", "--url", address.AbsoluteUri));
        Assert.Contains("does not answer", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_are_what_the_api_wants()
    {
        JsonObject? body = null;
        await using TestServer server = await TestServer.StartAsync(async context =>
        {
            body = (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(Answer(words: 1, tokens: 1));
        });
        using OpenAiTarget target = await OpenAiTarget.ConnectAsync(new OpenAiTargetOptions { Url = server.Address, Model = "m" }, CancellationToken.None);
        var trace = new RequestTrace(new PlannedRequest(0, TimeSpan.Zero, 3, [20, 10, 5], 8, 33));

        await target.SendAsync(trace, new LoadClock(TimeProvider.System), CancellationToken.None);

        Assert.True(trace.IsCompleted, trace.ErrorMessage);
        Assert.Equal(["max_completion_tokens", "messages", "model", "stream", "stream_options"], body!.Select(property => property.Key).Order());
        Assert.Equal(33, (int)body!["max_completion_tokens"]!);
        Assert.True((bool)body["stream_options"]!["include_usage"]!);
        Assert.Equal(["user", "assistant", "user"], body["messages"]!.AsArray().Select(message => (string)message!["role"]!));
        Assert.Equal([28, 10, 5], body["messages"]!.AsArray().Select(message => ((string)message!["content"]!).Split(' ').Length));
    }

    public void Dispose()
    {
        _data.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    /// <summary>An OpenAI server of the smallest kind: one token a word, five words an answer at most, and a comment between them.</summary>
    private static async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path == "/v1/models")
        {
            await context.Response.WriteAsync("""{"data":[{"id":"first-model"}]}""");
            return;
        }

        JsonObject body = (await JsonNode.ParseAsync(context.Request.Body))!.AsObject();
        string prompt = body["prompt"]?.ToString() ?? string.Join(' ', body["messages"]!.AsArray().Select(message => (string)message!["content"]!));
        int words = (int)(body["max_completion_tokens"] ?? body["max_tokens"])!;
        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync(": hello\n\n");
        await context.Response.Body.FlushAsync();
        await context.Response.WriteAsync(Answer(Math.Min(5, words), prompt.Split(' ').Length));
    }

    private static string Answer(int words, int tokens) =>
        string.Concat(Enumerable.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n", words))
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        + string.Create(CultureInfo.InvariantCulture, $"data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{tokens},\"completion_tokens\":{words}}}}}\n\n")
        + "data: [DONE]\n\n";

    private async Task<int> InvokeAsync(params string[] arguments)
    {
        var root = new RootCommand { BenchCommand.Create() };
        int code = await root.Parse(arguments).InvokeAsync(new InvocationConfiguration { Output = _output, Error = _error });
        TestContext.Current.TestOutputHelper?.WriteLine($"{_output}{_error}");
        return code;
    }
}
