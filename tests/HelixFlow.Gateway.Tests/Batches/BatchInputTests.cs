using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Batches;

namespace HelixFlow.Gateway.Tests.Batches;

/// <summary>What is told of a batch's input file.</summary>
public sealed class BatchInputTests
{
    private const string Url = "/v1/chat/completions";

    [Fact]
    public async Task Requests_are_found_where_they_stand()
    {
        string text = "\uFEFF" + Line("a") + "\r\n\n  \n" + Line("b") + "\n" + Line("ü");
        byte[] bytes = Encoding.UTF8.GetBytes(text);

        BatchInput input = await ReadAsync(bytes);

        Assert.Empty(input.Errors);
        Assert.Equal([(1, "a"), (4, "b"), (5, "ü")], input.Lines.Select(line => (line.Line, line.CustomId)));
        Assert.Equal("m", input.Model);
        foreach (BatchLine line in input.Lines)
        {
            Assert.Equal(line.CustomId, (string?)JsonNode.Parse(bytes.AsSpan((int)line.Start, line.Length))!["custom_id"]);
        }
    }

    [Theory]
    [InlineData("{", "invalid_json_line", null)]
    [InlineData("[]", "invalid_json_line", null)]
    [InlineData("""{"custom_id":"a"} {}""", "invalid_json_line", null)]
    [InlineData("""{"custom_id":"\ud800"}""", "invalid_json_line", null)]
    [InlineData("""{"custom_id":"b","custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}""", "invalid_json_line", null)]
    [InlineData("""{"method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}""", "missing_required_parameter", "custom_id")]
    [InlineData("""{"custom_id":7,"method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}""", "invalid_type", "custom_id")]
    [InlineData("""{"custom_id":"","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}""", "invalid_value", "custom_id")]
    [InlineData("""{"custom_id":"first","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}""", "duplicate_custom_id", "custom_id")]
    [InlineData("""{"custom_id":"b","url":"/v1/chat/completions","body":{"model":"m"}}""", "missing_required_parameter", "method")]
    [InlineData("""{"custom_id":"b","method":"GET","url":"/v1/chat/completions","body":{"model":"m"}}""", "invalid_method", "method")]
    [InlineData("""{"custom_id":"b","method":"POST","body":{"model":"m"}}""", "missing_required_parameter", "url")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}""", "invalid_url", "url")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/chat/completions"}""", "missing_required_parameter", "body")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":"x"}""", "invalid_type", "body")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{}}""", "missing_required_parameter", "body.model")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"other"}}""", "mismatched_model", "body.model")]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"m","stream":true}}""", "unsupported_value", "body.stream")]
    public async Task A_wrong_line_is_named_with_its_number(string line, string code, string? param)
    {
        BatchInput input = await ReadAsync(Encoding.UTF8.GetBytes(Line("first") + "\n\n" + line + "\n"));

        BatchError error = Assert.Single(input.Errors);
        Assert.Equal((code, param, 3), (error.Code, error.Param, error.Line));
    }

    [Fact]
    public async Task Text_that_is_not_utf8_is_no_json()
    {
        BatchError error = Assert.Single((await ReadAsync([(byte)'"', 0xff, (byte)'"'])).Errors);

        Assert.Equal(("invalid_json_line", 1), (error.Code, error.Line));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n \n\r\n")]
    public async Task An_empty_file_is_said_to_be_empty(string text)
    {
        BatchError error = Assert.Single((await ReadAsync(Encoding.UTF8.GetBytes(text))).Errors);

        Assert.Equal(("empty_file", null), (error.Code, error.Line));
    }

    [Fact]
    public async Task More_requests_than_allowed_are_refused()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 4).Select(i => Line($"{i}"))));

        Assert.Empty((await ReadAsync(bytes, most: 4)).Errors);
        Assert.Equal("too_many_tasks", Assert.Single((await ReadAsync(bytes, most: 3)).Errors).Code);
    }

    [Fact]
    public async Task A_line_that_is_too_long_is_passed_over_and_the_rest_still_read()
    {
        string text = Line("a") + "\n" + new string('x', 5000) + "\n" + Line("b") + "\n" + new string('y', 700_000);

        BatchInput input = await ReadAsync(Encoding.UTF8.GetBytes(text), longest: 200);

        Assert.Equal([("request_too_large", 2), ("request_too_large", 4)], input.Errors.Select(error => (error.Code, error.Line ?? 0)));
        Assert.Equal([(1, "a"), (3, "b")], input.Lines.Select(line => (line.Line, line.CustomId)));
    }

    [Fact]
    public async Task A_file_full_of_errors_is_not_read_to_its_end()
    {
        string text = string.Concat(Enumerable.Repeat("?\n", 10_000));

        Assert.Equal(BatchInput.MostErrors, (await ReadAsync(Encoding.UTF8.GetBytes(text))).Errors.Count);
    }

    [Fact]
    public async Task Whatever_a_file_holds_each_line_is_a_request_or_an_error()
    {
        string[] pieces =
            ["\n", "\r\n", " ", "{", "}", "\"", ",", ":", Line("a"), Line("b"), Line("c"), "\"custom_id\"", "null", "1e9", "\\", "ä", "\uFEFF", "{}", "[", Line("a").Replace("POST", "PUT", StringComparison.Ordinal)];
        for (int seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            var bytes = new List<byte>();
            for (int i = random.Next(30); i > 0; i--)
            {
                bytes.AddRange(random.Next(20) == 0 ? [(byte)random.Next(256)] : Encoding.UTF8.GetBytes(pieces[random.Next(pieces.Length)]));
            }

            BatchInput input = await ReadAsync([.. bytes], longest: random.Next(2) == 0 ? 60 : 1 << 20, chunk: 1 + random.Next(50));

            Assert.True(input.Lines.Count > 0 || input.Errors.Count > 0);
            Assert.Empty(input.Lines.Select(line => line.Line).Intersect(input.Errors.Select(error => error.Line ?? 0)));
            Assert.Equal(input.Lines.Count, input.Lines.Select(line => line.CustomId).Distinct().Count());
            foreach (BatchLine line in input.Lines)
            {
                JsonNode request = JsonNode.Parse([.. bytes.GetRange((int)line.Start, line.Length)])!;
                Assert.Equal((line.CustomId, "POST", Url), ((string?)request["custom_id"], (string?)request["method"], (string?)request["url"]));
                byte[] body = BatchBody.Of([.. bytes.GetRange((int)line.Start, line.Length)], -8);
                Assert.Equal(-8, (int)JsonNode.Parse(body)!["priority"]!);
            }
        }
    }

    [Theory]
    [InlineData("""{}""", """{"priority":-8}""")]
    [InlineData("""{ "model" : "m" }""", """{"priority":-8, "model" : "m" }""")]
    [InlineData("""{"priority":7,"model":"m"}""", """{"priority":-8,"model":"m"}""")]
    [InlineData("""{"a":{"priority":1},"priority":{"x":[1,2]}}""", """{"a":{"priority":1},"priority":-8}""")]
    [InlineData("""{"prior\u0069ty":"high"}""", """{"prior\u0069ty":-8}""")]
    public void A_body_keeps_all_but_its_priority(string body, string expected)
    {
        byte[] line = Encoding.UTF8.GetBytes($$"""{"custom_id":"body","x":{"body":1},"body": {{body}} ,"url":"u"}""");

        Assert.Equal(expected, Encoding.UTF8.GetString(BatchBody.Of(line, -8)));
    }

    [Fact]
    public void The_final_states_are_those_that_nothing_follows()
    {
        foreach (BatchStatus from in BatchLife.All)
        {
            Assert.Equal(BatchLife.IsFinal(from), !BatchLife.All.Any(to => BatchLife.MayBecome(from, to)));
            Assert.Equal(from, BatchLife.Parse(BatchLife.NameOf(from)));
            Assert.DoesNotContain(BatchLife.All, to => BatchLife.MayBecome(from, to) && BatchLife.MayBecome(to, from));
        }
    }

    private static string Line(string id) => $$$"""{"custom_id":"{{{id}}}","method":"POST","url":"{{{Url}}}","body":{"model":"m","messages":[]}}""";

    private static async Task<BatchInput> ReadAsync(byte[] bytes, int most = 100, int longest = 1 << 20, int chunk = 4096)
    {
        var input = new BatchInput(Url, most);
        await using var stream = new SlowStream(bytes, chunk);
        await BatchLines.ReadAsync(stream, longest, input, default);
        return input;
    }

    /// <summary>Gives a few bytes at a time.</summary>
    private sealed class SlowStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, chunk)], cancellationToken);
    }
}
