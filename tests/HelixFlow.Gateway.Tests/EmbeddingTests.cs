using System.Net;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary><c>POST /v1/embeddings</c> in front of a pool whose vectors a test chooses.</summary>
public sealed class EmbeddingTests
{
    private const string Path = "/v1/embeddings";

    [Theory]
    [InlineData("\"one\"", "one")]
    [InlineData("[\"one\"]", "one")]
    [InlineData("[\"one\",\"two\",\" \"]", "one|two| ")]
    [InlineData("[7,8]", "[7,8]")]
    [InlineData("[[7],[8,9]]", "[7]|[8,9]")]
    [InlineData("[\"one\",[8,9]]", "one|[8,9]")]
    public async Task Every_form_of_input_is_answered_in_order(string input, string expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        EmbedRequest? asked = null;
        server.Pool.Embeds = (request, _) => ValueTask.FromResult(Numbered(asked = request));

        JsonNode answer = await PostAsync(server, $$"""{"model":"m","input":{{input}},"user":"u"}""");

        Assert.Equal(expected, string.Join('|', asked!.Inputs.Select(Show)));
        Assert.Equal(("m", "p", 0u, Pooling.Unspecified, 0), (asked.Model, asked.Project, asked.Dimensions, asked.Pooling, asked.Priority));
        Assert.Equal(["object", "data", "model", "usage"], answer.AsObject().Select(property => property.Key));
        Assert.Equal(("list", "m"), ((string?)answer["object"], (string?)answer["model"]));
        Assert.Equal(Enumerable.Range(0, asked.Inputs.Count), answer["data"]!.AsArray().Select(item => (int)item!["index"]!));
        Assert.All(answer["data"]!.AsArray(), item => Assert.Equal("embedding", (string?)item!["object"]));
        Assert.Equal($$"""{"prompt_tokens":{{asked.Inputs.Count}},"total_tokens":{{asked.Inputs.Count}}}""", answer["usage"]!.ToJsonString());
    }

    [Fact]
    public async Task Base64_holds_the_same_floats()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        float[] vector = [1, -0.1f, float.Epsilon, 1f / 3, -0f, 1e30f, float.MaxValue];
        server.Pool.Embeds = (_, _) => ValueTask.FromResult(new EmbedResponse { Embeddings = { new Embedding { Values = { vector } } }, PromptTokens = 1 });

        JsonNode numbers = await PostAsync(server, """{"model":"m","input":"x","encoding_format":"float"}""");
        JsonNode bytes = await PostAsync(server, """{"model":"m","input":"x","encoding_format":"base64"}""");

        Assert.Equal(vector, numbers["data"]![0]!["embedding"]!.AsArray().Select(value => (float)value!));
        byte[] decoded = Convert.FromBase64String((string)bytes["data"]![0]!["embedding"]!);
        Assert.Equal(vector, decoded.Chunk(4).Select(four => BitConverter.Int32BitsToSingle(four[0] | (four[1] << 8) | (four[2] << 16) | (four[3] << 24))));
    }

    [Fact]
    public async Task Further_fields_reach_the_pool()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var asked = new List<EmbedRequest>();
        server.Pool.Embeds = (request, _) =>
        {
            asked.Add(request);
            return ValueTask.FromResult(Numbered(request));
        };

        await PostAsync(server, """{"model":"m","input":"x","dimensions":12,"pooling":"mean","priority":-3,"unknown":{}}""");
        await PostAsync(server, """{"model":"m","input":"x","pooling":"last","dimensions":null,"encoding_format":null,"user":null}""");

        Assert.Equal((12u, Pooling.Mean, -3), (asked[0].Dimensions, asked[0].Pooling, asked[0].Priority));
        Assert.Equal((0u, Pooling.Last, 0), (asked[1].Dimensions, asked[1].Pooling, asked[1].Priority));
    }

    [Theory]
    [InlineData("""{"model":"m"}""", "input", "missing_required_parameter")]
    [InlineData("""{"input":"x"}""", "model", "missing_required_parameter")]
    [InlineData("""{"model":1,"input":"x"}""", "model", "invalid_type")]
    [InlineData("""{"model":"m","input":""}""", "input", "invalid_value")]
    [InlineData("""{"model":"m","input":["a",""]}""", "input[1]", "invalid_value")]
    [InlineData("""{"model":"m","input":[]}""", "input", "empty_array")]
    [InlineData("""{"model":"m","input":[[1],[]]}""", "input[1]", "empty_array")]
    [InlineData("""{"model":"m","input":5}""", "input", "invalid_type")]
    [InlineData("""{"model":"m","input":{"text":"x"}}""", "input", "invalid_type")]
    [InlineData("""{"model":"m","input":[true]}""", "input[0]", "invalid_type")]
    [InlineData("""{"model":"m","input":["a",5]}""", "input[1]", "invalid_type")]
    [InlineData("""{"model":"m","input":[1,"a"]}""", "input[1]", "invalid_type")]
    [InlineData("""{"model":"m","input":[1,-2]}""", "input[1]", "invalid_type")]
    [InlineData("""{"model":"m","input":[1.5]}""", "input[0]", "invalid_type")]
    [InlineData("""{"model":"m","input":[[1],[2,99999999999]]}""", "input[1][1]", "invalid_type")]
    [InlineData("""{"model":"m","input":"x","encoding_format":"hex"}""", "encoding_format", "invalid_value")]
    [InlineData("""{"model":"m","input":"x","encoding_format":1}""", "encoding_format", "invalid_type")]
    [InlineData("""{"model":"m","input":"x","dimensions":0}""", "dimensions", "decimal_below_min_value")]
    [InlineData("""{"model":"m","input":"x","dimensions":1.5}""", "dimensions", "invalid_type")]
    [InlineData("""{"model":"m","input":"x","pooling":"max"}""", "pooling", "invalid_value")]
    [InlineData("""{"model":"m","input":"x","user":1}""", "user", "invalid_type")]
    [InlineData("[]", null, null)]
    public async Task A_wrong_body_is_a_400_that_names_the_field(string body, string? param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, body);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, param, code);
    }

    [Fact]
    public async Task An_empty_text_is_refused_in_openais_words()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync(Path, """{"model":"m","input":""}""");

        Assert.Equal("Invalid 'input': input cannot be an empty string.", (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!["message"]);
    }

    [Fact]
    public async Task As_many_inputs_as_openai_takes_go_out_in_bounded_batches_and_come_back_in_order()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var sizes = new List<int>();
        int running = 0;
        int most = 0;
        server.Pool.Embeds = async (request, _) =>
        {
            lock (sizes)
            {
                sizes.Add(request.Inputs.Count);
                most = Math.Max(most, ++running);
            }

            for (int i = request.Inputs.Count % 3; i > 0; i--)
            {
                await Task.Yield(); // so that later batches overtake earlier ones
            }

            Interlocked.Decrement(ref running);
            return Numbered(request);
        };
        string[] inputs = [.. Enumerable.Range(0, 2048).Select(i => i == 100 ? $"{i}:{new string('x', 70_000)}" : $"{i}:")];

        JsonNode answer = await PostAsync(server, new JsonObject { ["model"] = "m", ["input"] = new JsonArray([.. inputs.Select(text => (JsonNode)text)]) }.ToJsonString());
        using HttpResponseMessage tooMany = await server.PostAsync(Path, $$"""{"model":"m","input":[{{string.Join(',', Enumerable.Repeat("\"x\"", 2049))}}]}""");

        Assert.Equal(Enumerable.Range(0, 2048).Select(i => (float)i), answer["data"]!.AsArray().Select(item => (float)item!["embedding"]![0]!));
        Assert.Equal(Enumerable.Range(0, 2048), answer["data"]!.AsArray().Select(item => (int)item!["index"]!));
        Assert.Equal(2048, (int)answer["usage"]!["total_tokens"]!);
        Assert.Equal(2048, sizes.Sum());
        Assert.InRange(most, 1, 4);
        Assert.InRange(sizes.Max(), 2, 32);
        Assert.Contains(1, sizes); // the long text is a batch of its own
        await RequestTests.AssertErrorAsync(tooMany, HttpStatusCode.BadRequest, "input", "array_above_max_length");
    }

    [Theory]
    [InlineData("\"x\"", InferenceError.ContextLengthExceeded, "inputs[0]", HttpStatusCode.BadRequest, "input", "context_length_exceeded")]
    [InlineData("[[1],[2]]", InferenceError.InvalidArgument, "inputs[1]", HttpStatusCode.BadRequest, "input[1]", null)]
    [InlineData("\"x\"", InferenceError.InvalidArgument, "dimensions", HttpStatusCode.BadRequest, "dimensions", null)]
    [InlineData("\"x\"", InferenceError.ModelNotFound, "model", HttpStatusCode.NotFound, "model", "model_not_found")]
    [InlineData("\"x\"", InferenceError.Overloaded, null, HttpStatusCode.TooManyRequests, null, "engine_overloaded")]
    [InlineData("\"x\"", InferenceError.Unavailable, null, HttpStatusCode.ServiceUnavailable, null, "unavailable")]
    [InlineData("\"x\"", InferenceError.Internal, null, HttpStatusCode.InternalServerError, null, null)]
    public async Task Refusals_of_the_pool_are_errors_of_the_api(string input, InferenceError error, string? field, HttpStatusCode status, string? param, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Embeds = (_, _) => throw new InferenceException(error, $"{field} is wrong", field);

        using HttpResponseMessage response = await server.PostAsync(Path, $$"""{"model":"m","input":{{input}}}""");

        Assert.Contains(param is null ? "" : $"{param} is wrong", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await RequestTests.AssertErrorAsync(response, status, param, code);
    }

    [Fact]
    public async Task The_first_failure_ends_the_other_batches_and_names_the_input_by_its_place_in_the_list()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        int cancelled = 0;
        server.Pool.Embeds = async (request, token) =>
        {
            if (request.Inputs[0].Text == "32")
            {
                throw new InferenceException(InferenceError.ContextLengthExceeded, "inputs[3] has 9 tokens; the model takes at most 8.", "inputs[3]");
            }

            using CancellationTokenRegistration ended = token.Register(() => Interlocked.Increment(ref cancelled));
            await Task.Delay(Timeout.Infinite, token);
            return new EmbedResponse();
        };

        using HttpResponseMessage response = await server.PostAsync(Path, $$"""{"model":"m","input":[{{string.Join(',', Enumerable.Range(0, 128).Select(i => $"\"{i}\""))}}]}""");

        string text = await response.Content.ReadAsStringAsync();
        Assert.Contains("input[35] has 9 tokens", text, StringComparison.Ordinal);
        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, "input[35]", "context_length_exceeded");
        Assert.InRange(cancelled, 0, 3);
    }

    [Fact]
    public async Task A_client_that_leaves_ends_the_work()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Pool.Embeds = async (_, token) =>
        {
            asked.TrySetResult();
            using CancellationTokenRegistration ended = token.Register(() => left.TrySetResult());
            await Task.Delay(Timeout.Infinite, token);
            return new EmbedResponse();
        };
        using var leaving = new CancellationTokenSource();
        using var content = new StringContent("""{"model":"m","input":"x"}""", System.Text.Encoding.UTF8, "application/json");
        Task<HttpResponseMessage> request = server.Client.PostAsync(Path, content, leaving.Token);
        await asked.Task.WaitAsync(TimeSpan.FromMinutes(5));

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await left.Task.WaitAsync(TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Metrics_count_inputs_tokens_and_responses()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Embeds = (request, _) => ValueTask.FromResult(Numbered(request));
        await PostAsync(server, """{"model":"m","input":["a","b","c"]}""");

        string metrics = await server.Client.GetStringAsync("/metrics");

        Assert.Contains("helixflow_embedding_inputs_total{model_name=\"m\"} 3\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_embedding_tokens_total{model_name=\"m\"} 3\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_embedding_batch_seconds_count{model_name=\"m\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("helixflow_http_requests_total{path=\"/v1/embeddings\",status=\"200\"} 1\n", metrics, StringComparison.Ordinal);
    }

    /// <summary>A vector of one value for each input: the number that its text begins with, 0 without one.</summary>
    internal static EmbedResponse Numbered(EmbedRequest request) => new()
    {
        PromptTokens = (uint)request.Inputs.Count,
        Embeddings = { request.Inputs.Select(input => new Embedding { Values = { int.TryParse(input.Text.Split(':')[0], out int number) ? number : 0 } }) },
    };

    private static string Show(EmbedInput input) => input.Tokens is { } tokens ? $"[{string.Join(',', tokens.Ids)}]" : input.Text;

    private static async Task<JsonNode> PostAsync(GatewayServer server, string body)
    {
        using HttpResponseMessage response = await server.PostAsync(Path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!;
    }
}
