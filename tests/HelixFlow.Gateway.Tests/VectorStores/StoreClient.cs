using System.Text.Json;
using HelixFlow.Gateway.Tests.Files;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.VectorStores;

/// <summary>Makes vector stores and reads what becomes of their files, as clients do.</summary>
internal static class StoreClient
{
    public const string Stores = "/v1/vector_stores";
    private const int Dimensions = 32;

    /// <summary>Lets a pool count words as tokens, and make vectors in which each word has its places.</summary>
    public static void Embed(ScriptedPool pool)
    {
        pool.Models = [new ModelDescription { Name = "org/embedder", ContextLength = 8192, Kind = ModelKind.Embed, EmbeddingSize = Dimensions }];
        pool.Tokenizes = Tokenize;
        pool.Embeds = (request, _) => ValueTask.FromResult(Embed(request));
    }

    public static TokenizeResponse Tokenize(TokenizeRequest request) =>
        new() { TokenIds = { Enumerable.Range(0, request.Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length) } };

    public static EmbedResponse Embed(EmbedRequest request) => new() { Embeddings = { request.Inputs.Select(static input => new Embedding { Values = { VectorOf(input.Text) } }) } };

    public static float[] VectorOf(string text)
    {
        float[] vector = new float[Dimensions];
        foreach (string word in text.Split(' ', '\n', '.'))
        {
            var random = new Random(word.Aggregate(17, static (hash, c) => unchecked((hash * 31) + c)));
            for (int i = 0; i < Dimensions; i++)
            {
                vector[i] += (float)(random.NextDouble() - 0.5);
            }
        }

        return vector;
    }

    public static async Task<string> UploadAsync(GatewayServer server, string text, string filename = "notes.txt") =>
        IdOf(await FileClient.UploadAsync(server.Client, text, "assistants", filename));

    public static async Task<JsonElement> CreateAsync(GatewayServer server, string body = "{}") => await FileClient.JsonAsync(await server.PostAsync(Stores, body));

    /// <summary>A store with a file for each text, all read.</summary>
    public static async Task<JsonElement> FilledAsync(GatewayServer server, params string[] texts)
    {
        var files = new List<string>();
        foreach (string text in texts)
        {
            files.Add(await UploadAsync(server, text));
        }

        JsonElement store = await CreateAsync(server, $$"""{"name":"filled","file_ids":{{JsonSerializer.Serialize(files)}}}""");
        return await UntilAsync(server, $"{Stores}/{IdOf(store)}", static now => now.GetProperty("status").GetString() == "completed");
    }

    /// <summary>Adds a file and waits until it has been read or has failed.</summary>
    public static async Task<JsonElement> AddAsync(GatewayServer server, string store, string file, string more = "")
    {
        JsonElement added = await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/files", $$"""{"file_id":"{{file}}"{{more}}}"""));
        Assert.Equal("in_progress", added.GetProperty("status").GetString());
        return await UntilAsync(server, $"{Stores}/{store}/files/{file}", static now => now.GetProperty("status").GetString() != "in_progress");
    }

    public static async Task<JsonElement> SearchAsync(GatewayServer server, string store, string body) =>
        (await FileClient.JsonAsync(await server.PostAsync($"{Stores}/{store}/search", body))).GetProperty("data");

    public static string IdOf(JsonElement thing) => thing.GetProperty("id").GetString()!;

    public static async Task<JsonElement> UntilAsync(GatewayServer server, string path, Func<JsonElement, bool> condition)
    {
        for (int round = 0; round < 6000; round++)
        {
            JsonElement now = await FileClient.GetAsync(server.Client, path);
            if (condition(now))
            {
                return now;
            }

            await Task.Delay(10);
        }

        throw new TimeoutException($"{path} does not go on: {await FileClient.GetAsync(server.Client, path)}\n{string.Join('\n', server.Log.Lines.TakeLast(10))}");
    }
}
