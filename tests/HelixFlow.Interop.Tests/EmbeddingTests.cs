using System.ClientModel;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Formats;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Models;
using OpenAI;
using OpenAI.Embeddings;

namespace HelixFlow.Interop.Tests;

/// <summary>Embeddings, ranking and tokenising as official clients see them, and vectors beside llama.cpp's.</summary>
[Collection(nameof(SharedServer))]
public sealed class EmbeddingTests(SharedServer shared)
{
    [Fact]
    public async Task The_official_javascript_client_embeds_ranks_and_tokenises()
    {
        JsonNode seen = await shared.RunAsync("clients/embeddings.mjs");

        Assert.Empty(seen["invalid"]!.AsArray().Select(problem => (string?)problem));
        Assert.Equal([0, 1, 2], Numbers(seen["indices"]));
        foreach (string form in (string[])["floats", "base64", "raw"])
        {
            Assert.Equal(Vectors(seen["byDefault"]), Vectors(seen[form])); // computed anew each time, and the same to the bit
        }

        Assert.All(Vectors(seen["byDefault"]), vector => Assert.Equal(1, Cosine(vector, vector), 1e-4));
        Assert.Equal((int)seen["usage"]!["prompt_tokens"]!, (int)seen["usage"]!["total_tokens"]!);
        Assert.Equal(Server.Model, (string?)seen["model"]);
        CheckTokens(seen);
        Assert.Equal(16, (int)seen["cut"]!["size"]!);
        Assert.InRange((double)seen["cut"]!["off"]!, 0, 1e-4);
        Assert.InRange((double)seen["mean"]!, -1, 0.9999);
        CheckRanking(seen);
        Assert.Equal((300, true), ((int)seen["many"]!["count"]!, (bool)seen["many"]!["ordered"]!));
        Assert.InRange((double)seen["many"]!["least"]!, 0.999, 1.001);
        CheckErrors(seen["errors"]!);
        Assert.Equal([404, 400, 404, 400, 401], Numbers(seen["statuses"]));
        await shared.Server.WaitUntilIdleAsync();
    }

    [Fact]
    public async Task The_official_dotnet_client_embeds()
    {
        var client = new EmbeddingClient(Server.Model, new ApiKeyCredential(Server.Key), new OpenAIClientOptions { Endpoint = new Uri(shared.Server.Address, "/v1"), NetworkTimeout = TimeSpan.FromMinutes(10) });

        OpenAIEmbeddingCollection three = (await client.GenerateEmbeddingsAsync(["a cat", "a cat", "an invoice from March"])).Value;
        OpenAIEmbedding cut = (await client.GenerateEmbeddingAsync("a cat", new EmbeddingGenerationOptions { Dimensions = 16, EndUserId = "u" })).Value;
        ClientResultException refusal = await Assert.ThrowsAsync<ClientResultException>(() => client.GenerateEmbeddingsAsync(["x", ""]));

        Assert.Equal([0, 1, 2], three.Select(embedding => embedding.Index));
        Assert.Equal(1, Cosine(three[0].ToFloats().ToArray(), three[1].ToFloats().ToArray()), 1e-4);
        Assert.InRange(Cosine(three[0].ToFloats().ToArray(), three[2].ToFloats().ToArray()), -1, 0.999);
        Assert.True(three.Usage.InputTokenCount > 3);
        Assert.Equal(16, cut.ToFloats().Length);
        Assert.Equal(400, refusal.Status);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen3")]
    public async Task Served_vectors_are_those_of_llama_cpp(string family)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        string folder = Directory.CreateTempSubdirectory("helixflow-embed-").FullName;
        try
        {
            string path = Path.Combine(folder, "random.gguf");
            RandomModel.Write("tiny", family, TensorType.F32, path);
            using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
            using LlamaCppContext theirs = model.CreateContext(new LlamaCppContextOptions { ContextLength = 1024, FloatCache = true, FlashAttention = false });
            int[] ids = [.. Enumerable.Range(0, 150).Select(i => 100 + (i * 7919 % (model.VocabularySize - 200)))];
            float[] states = theirs.HiddenStates(ids);
            await using Server server = await Server.StartAsync(arguments: ["--model", path]);
            using HttpClient client = server.CreateClient();

            foreach (string pooling in (string[])["last", "mean"])
            {
                float[] numbers = await EmbedAsync(client, ids, pooling, "float");
                float[] bytes = await EmbedAsync(client, ids, pooling, "base64");
                float[] expected = Pool(states, numbers.Length, pooling == "last");

                Assert.Equal(1, Cosine(numbers, expected), 1e-4); // the server keeps keys and values in 16 bits
                Assert.Equal(1, Cosine(bytes, expected), 1e-4);
                Assert.Equal(numbers, bytes);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<float[]> EmbedAsync(HttpClient client, int[] ids, string pooling, string format)
    {
        using HttpResponseMessage response = await client.PostAsJsonAsync("/v1/embeddings", new { model = "random", input = ids, pooling, encoding_format = format });
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        JsonNode vector = JsonNode.Parse(text)!["data"]![0]!["embedding"]!;
        return format == "float"
            ? [.. vector.AsArray().Select(value => (float)value!)]
            : [.. Convert.FromBase64String((string)vector!).Chunk(4).Select(four => BitConverter.ToSingle(four))];
    }

    private static float[] Pool(float[] states, int hidden, bool last)
    {
        double[] sum = new double[hidden];
        for (int i = last ? states.Length - hidden : 0; i < states.Length; i++)
        {
            sum[i % hidden] += states[i];
        }

        double length = Math.Sqrt(sum.Sum(value => value * value));
        return [.. sum.Select(value => (float)(value / length))];
    }

    private static void CheckTokens(JsonNode seen)
    {
        JsonNode tokens = seen["tokens"]!;
        Assert.Equal((int)tokens["count"]!, (int)tokens["ids"]!);
        Assert.Equal((int)tokens["count"]!, (int)tokens["texts"]!);
        Assert.Equal(1024, (int)tokens["most"]!);
        Assert.Equal("HelixFlow serves language models.", (string?)seen["back"]);
        Assert.Equal(1, (double)seen["sameFromTokens"]!, 1e-4);
        Assert.All(seen["sameFromTokenLists"]!.AsArray(), value => Assert.Equal(1, (double)value!, 1e-4));
        int[] whole = Numbers(seen["chat"]!["whole"]);
        int[] bare = Numbers(seen["chat"]!["bare"]);
        Assert.Equal((int)seen["chatUsage"]!, whole.Length);
        Assert.True(bare.Length < whole.Length);
        Assert.Equal(bare, whole.Take(bare.Length));
    }

    private static void CheckRanking(JsonNode seen)
    {
        Assert.Equal(2, seen["ranked"]!.AsArray().Count);
        Assert.Equal(1, (int)seen["ranked"]![0]!["index"]!);
        Assert.Equal("HelixFlow serves language models.", (string?)seen["ranked"]![0]!["document"]!["text"]);
        Assert.Equal(1, (double)seen["ranked"]![0]!["relevance_score"]!, 1e-4);
        Assert.Equal([0, 1, 2], seen["plainRanked"]!.AsArray().Select(result => (int)result!["index"]!).Order());
        double[] scores = [.. seen["plainRanked"]!.AsArray().Select(result => (double)result!["relevance_score"]!)];
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.All(seen["scored"]!.AsArray().Zip(seen["expectedScores"]!.AsArray()), pair => Assert.Equal((double)pair.First!, (double)pair.Second!, 1e-4));
        Assert.All(seen["pairs"]!.AsArray(), score => Assert.Equal(1, (double)score!, 1e-4));
    }

    private static void CheckErrors(JsonNode errors)
    {
        foreach ((string name, int status, string? code, string param) in ((string, int, string?, string)[])
            [("empty", 400, "invalid_value", "input"), ("emptyOfList", 400, "invalid_value", "input[1]"), ("dimensions", 400, null, "dimensions"), ("model", 404, "model_not_found", "model"),
             ("context", 400, "context_length_exceeded", "input[1]"), ("vocabulary", 400, null, "input[1]")])
        {
            JsonNode error = errors[name]!;
            Assert.Equal((status, code, param, "invalid_request_error"), ((int)error["status"]!, (string?)error["code"], (string?)error["param"], (string?)error["type"]));
        }
    }

    private static int[] Numbers(JsonNode? array) => [.. array!.AsArray().Select(value => (int)value!)];

    private static float[][] Vectors(JsonNode? array) => [.. array!.AsArray().Select(vector => vector!.AsArray().Select(value => (float)value!).ToArray())];

    private static double Cosine(float[] first, float[] second) => first.Zip(second, (a, b) => (double)a * b).Sum();
}
