using System.Net;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>Reranking and scoring in front of a pool whose vectors lie on a circle: a text that is a number is its angle in degrees.</summary>
public sealed class RankingTests
{
    [Theory]
    [InlineData("/v1/rerank")]
    [InlineData("/rerank")]
    public async Task Documents_are_ordered_by_their_similarity_to_the_query(string path)
    {
        await using GatewayServer server = await StartAsync();

        JsonNode answer = await PostAsync(server, path, """{"model":"m","query":"10","documents":["100",{"text":"40"},"10","190","310"]}""");

        Assert.Equal(["id", "model", "results", "usage"], answer.AsObject().Select(property => property.Key));
        Assert.StartsWith("rerank-", (string?)answer["id"], StringComparison.Ordinal);
        Assert.Equal("m", (string?)answer["model"]);
        Assert.Equal("""{"prompt_tokens":6,"total_tokens":6}""", answer["usage"]!.ToJsonString());
        Assert.Equal([2, 1, 4, 0, 3], answer["results"]!.AsArray().Select(result => (int)result!["index"]!));
        double[] scores = [.. answer["results"]!.AsArray().Select(result => (double)result!["relevance_score"]!)];
        double[] expected = [1, Math.Sqrt(3) / 2, 0.5, 0, -1];
        Assert.All(expected.Zip(scores), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        Assert.All(answer["results"]!.AsArray(), result => Assert.Null(result!["document"]));
    }

    [Fact]
    public async Task The_best_are_shown_with_their_documents_when_asked_for_and_equals_keep_their_order()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode two = await PostAsync(server, "/v1/rerank", """{"model":"m","query":"0","documents":["90","5",{"text":"5","id":7}],"top_n":2,"return_documents":true}""");
        JsonNode all = await PostAsync(server, "/v1/rerank", """{"query":"0","documents":["90"],"top_n":9,"pooling":"mean"}""");

        Assert.Equal(["""{"text":"5"}""", """{"text":"5"}"""], two["results"]!.AsArray().Select(result => result!["document"]!.ToJsonString()));
        Assert.Equal([1, 2], two["results"]!.AsArray().Select(result => (int)result!["index"]!));
        Assert.Single(all["results"]!.AsArray());
        Assert.Equal("org/model", (string?)all["model"]); // the only one there is
    }

    [Theory]
    [InlineData("""{"model":"m","documents":["a"]}""", "query", "missing_required_parameter")]
    [InlineData("""{"model":"m","query":"","documents":["a"]}""", "query", "invalid_value")]
    [InlineData("""{"model":"m","query":["a"],"documents":["a"]}""", "query", "invalid_type")]
    [InlineData("""{"model":"m","query":"a"}""", "documents", "missing_required_parameter")]
    [InlineData("""{"model":"m","query":"a","documents":"a"}""", "documents", "invalid_type")]
    [InlineData("""{"model":"m","query":"a","documents":[]}""", "documents", "empty_array")]
    [InlineData("""{"model":"m","query":"a","documents":["a",""]}""", "documents[1]", "invalid_value")]
    [InlineData("""{"model":"m","query":"a","documents":["a",5]}""", "documents[1]", "invalid_type")]
    [InlineData("""{"model":"m","query":"a","documents":[{}]}""", "documents[0].text", "missing_required_parameter")]
    [InlineData("""{"model":"m","query":"a","documents":[{"text":""}]}""", "documents[0].text", "invalid_value")]
    [InlineData("""{"model":"m","query":"a","documents":["a"],"top_n":0}""", "top_n", "decimal_below_min_value")]
    [InlineData("""{"model":"m","query":"a","documents":["a"],"return_documents":1}""", "return_documents", "invalid_type")]
    [InlineData("""{"model":"m","query":"a","documents":["a"],"rank_fields":["b"]}""", "rank_fields", "unsupported_value")]
    [InlineData("""{"model":"m","query":"a","documents":["a"],"max_tokens_per_doc":5}""", "max_tokens_per_doc", "unsupported_value")]
    [InlineData("""{"model":"m","query":"a","documents":["a"],"pooling":"max"}""", "pooling", "invalid_value")]
    public async Task A_wrong_rerank_is_a_400_that_names_the_field(string body, string param, string code)
    {
        await using GatewayServer server = await StartAsync();
        foreach (string path in (string[])["/v1/rerank", "/rerank"])
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);
            await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, param, code);
        }
    }

    [Fact]
    public async Task More_documents_than_are_taken_are_refused()
    {
        await using GatewayServer server = await StartAsync();
        string documents = string.Join(',', Enumerable.Repeat("\"1\"", 2048));

        JsonNode answer = await PostAsync(server, "/rerank", $$"""{"query":"1","documents":[{{documents}}]}""");
        using HttpResponseMessage response = await server.PostAsync("/rerank", $$"""{"query":"1","documents":[{{documents}},"1"]}""");

        Assert.Equal(2048, answer["results"]!.AsArray().Count);
        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, "documents", "array_above_max_length");
    }

    [Fact]
    public async Task A_model_that_ranks_reads_each_document_with_the_query()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Kind = ModelKind.Rank;
        var asked = new List<EmbedRequest>();
        server.Pool.Embeds = (request, _) =>
        {
            asked.Add(request);
            return ValueTask.FromResult(new EmbedResponse
            {
                PromptTokens = 9,
                Embeddings = { request.Inputs.Select(input => new Embedding { Values = { input.Pair.Second.Length / 10f } }) },
            });
        };

        JsonNode ranked = await PostAsync(server, "/v1/rerank", """{"query":"q","documents":["bb","cccc","d"],"truncate_prompt_tokens":-1}""");
        JsonNode scored = await PostAsync(server, "/v1/score", """{"model":"org/model","text_1":["q","r"],"text_2":["bb","c"]}""");

        Assert.Equal([1, 0, 2], ranked["results"]!.AsArray().Select(result => (int)result!["index"]!));
        Assert.Equal(0.4, (double)ranked["results"]![0]!["relevance_score"]!, 1e-6);
        Assert.Equal("""{"prompt_tokens":9,"total_tokens":9}""", ranked["usage"]!.ToJsonString());
        Assert.Equal(["q", "q", "q"], asked[0].Inputs.Select(input => input.Pair.First));
        Assert.Equal(-1, asked[0].TruncateTokens);
        Assert.Equal([0.2, 0.1], scored["data"]!.AsArray().Select(item => Math.Round((double)item!["score"]!, 6)));
        Assert.Equal([("q", "bb"), ("r", "c")], asked[1].Inputs.Select(input => (input.Pair.First, input.Pair.Second)));
    }

    [Theory]
    [InlineData("/v1/score", "\"0\"", "\"60\"", new[] { 0.5 })]
    [InlineData("/score", "\"0\"", "[\"60\",\"0\",\"180\"]", new[] { 0.5, 1, -1 })]
    [InlineData("/v1/score", "[\"0\"]", "[\"60\",\"90\"]", new[] { 0.5, 0 })]
    [InlineData("/v1/score", "[\"0\",\"90\"]", "[\"60\",\"90\"]", new[] { 0.5, 1 })]
    public async Task Pairs_are_scored_in_their_order(string path, string first, string second, double[] expected)
    {
        await using GatewayServer server = await StartAsync();

        JsonNode answer = await PostAsync(server, path, $$"""{"model":"m","text_1":{{first}},"text_2":{{second}}}""");

        Assert.Equal(["id", "object", "created", "model", "data", "usage"], answer.AsObject().Select(property => property.Key));
        Assert.Equal(("list", "m"), ((string?)answer["object"], (string?)answer["model"]));
        Assert.Equal(Enumerable.Range(0, expected.Length), answer["data"]!.AsArray().Select(item => (int)item!["index"]!));
        Assert.All(expected.Zip(answer["data"]!.AsArray()), pair => Assert.Equal(pair.First, (double)pair.Second!["score"]!, 1e-6));
        Assert.All(answer["data"]!.AsArray(), item => Assert.Equal("score", (string?)item!["object"]));
    }

    [Theory]
    [InlineData("""{"model":"m","text_2":"b"}""", "text_1", "missing_required_parameter")]
    [InlineData("""{"model":"m","text_1":"a"}""", "text_2", "missing_required_parameter")]
    [InlineData("""{"model":"m","text_1":5,"text_2":"b"}""", "text_1", "invalid_type")]
    [InlineData("""{"model":"m","text_1":[],"text_2":"b"}""", "text_1", "empty_array")]
    [InlineData("""{"model":"m","text_1":"","text_2":"b"}""", "text_1", "invalid_value")]
    [InlineData("""{"model":"m","text_1":"a","text_2":["b",""]}""", "text_2[1]", "invalid_value")]
    [InlineData("""{"model":"m","text_1":["a","b"],"text_2":"b"}""", "text_2", "invalid_value")]
    [InlineData("""{"model":"m","text_1":["a","b"],"text_2":["b","c","d"]}""", "text_2", "invalid_value")]
    public async Task A_wrong_score_is_a_400_that_names_the_field(string body, string param, string code)
    {
        await using GatewayServer server = await StartAsync();

        using HttpResponseMessage response = await server.PostAsync("/score", body);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, param, code);
    }

    [Theory]
    [InlineData("/rerank", """{"model":"m","query":"a","documents":["b","c"]}""", 0, "query")]
    [InlineData("/rerank", """{"model":"m","query":"a","documents":["b","c"]}""", 2, "documents[1]")]
    [InlineData("/score", """{"model":"m","text_1":"a","text_2":["b","c"]}""", 0, "text_1")]
    [InlineData("/score", """{"model":"m","text_1":"a","text_2":["b","c"]}""", 2, "text_2[1]")]
    public async Task A_refusal_names_the_text_by_its_field(string path, string body, int input, string param)
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Embeds = (_, _) => throw new InferenceException(InferenceError.ContextLengthExceeded, $"inputs[{input}] is too long", $"inputs[{input}]");

        using HttpResponseMessage response = await server.PostAsync(path, body);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, param, "context_length_exceeded");
    }

    private static async Task<GatewayServer> StartAsync()
    {
        GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Embeds = (request, _) => ValueTask.FromResult(new EmbedResponse
        {
            PromptTokens = (uint)request.Inputs.Count,
            Embeddings = { request.Inputs.Select(input => OnCircle(double.TryParse(input.Text, out double angle) ? angle : 0)) },
        });
        return server;
    }

    private static Embedding OnCircle(double degrees)
    {
        (double y, double x) = Math.SinCos(degrees * Math.PI / 180);
        return new Embedding { Values = { (float)x, (float)y } };
    }

    private static async Task<JsonNode> PostAsync(GatewayServer server, string path, string body)
    {
        using HttpResponseMessage response = await server.PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!;
    }
}
