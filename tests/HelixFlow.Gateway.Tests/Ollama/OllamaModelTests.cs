using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Ollama;

/// <summary>What Ollama's clients are told of models, embeddings, and the calls that are refused.</summary>
public sealed class OllamaModelTests
{
    private static readonly ModelDescription Described = new()
    {
        Name = "org/m", Created = 5, ContextLength = 64, Architecture = "qwen3", Weights = "Q4_0", Parameters = 1_720_574_976, Chat = true, Reasoning = true,
        SizeBytes = 77, EmbeddingSize = 8, BlockCount = 2, FileFormat = "gguf",
    };

    [Fact]
    public async Task Models_are_listed_with_what_nodes_know()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode model = JsonNode.Parse(await server.Client.GetStringAsync("/api/tags"))!["models"]![0]!;

        Assert.Equal(("org/m", "org/m", "1970-01-01T00:00:05Z", 77), ((string?)model["name"], (string?)model["model"], (string?)model["modified_at"], (int)model["size"]!));
        Assert.Matches("^[0-9a-f]{64}$", (string?)model["digest"]);
        Assert.Equal("""{"parent_model":"","format":"gguf","family":"qwen3","families":["qwen3"],"parameter_size":"1.7B","quantization_level":"Q4_0"}""", model["details"]!.ToJsonString());
        string before = (string)model["digest"]!;
        server.Pool.Models = [new ModelDescription(Described) { Created = 6 }];
        Assert.NotEqual(before, (string?)JsonNode.Parse(await server.Client.GetStringAsync("/api/tags"))!["models"]![0]!["digest"]);
    }

    [Fact]
    public async Task A_model_is_shown_with_its_capabilities()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode shown = await PostAsync(server, "/api/show", """{"name":"org/m:latest"}""");

        Assert.Equal(
            """{"general.architecture":"qwen3","general.parameter_count":1720574976,"qwen3.context_length":64,"qwen3.embedding_length":8,"qwen3.block_count":2}""",
            shown["model_info"]!.ToJsonString());
        Assert.Equal(["completion", "tools", "thinking"], shown["capabilities"]!.AsArray().Select(capability => (string?)capability));
        Assert.Equal("FROM org/m\n", (string?)shown["modelfile"]);
        server.Pool.Models = [new ModelDescription { Name = "base" }];
        Assert.Equal(["completion"], (await PostAsync(server, "/api/show", """{"model":"base"}"""))["capabilities"]!.AsArray().Select(capability => (string?)capability));
    }

    [Fact]
    public async Task Loaded_models_are_told_with_where_they_lie()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.State = new NodeState
        {
            Models =
            {
                new ModelState { Name = "a", Phase = ModelPhase.Resident, MemoryBytes = 90, DeviceIds = { "cpu:0" }, Description = Described },
                new ModelState { Name = "b", Phase = ModelPhase.Resident, MemoryBytes = 91, DeviceIds = { "cuda:0" }, Description = Described },
                new ModelState { Name = "c", Phase = ModelPhase.Loading, Description = Described },
            },
        };

        JsonArray models = JsonNode.Parse(await server.Client.GetStringAsync("/api/ps"))!["models"]!.AsArray();

        Assert.Equal([0, 91], models.Select(model => (int)model!["size_vram"]!));
        Assert.All(models, model => Assert.Equal(("9999-12-31T23:59:59Z", 64), ((string?)model!["expires_at"], (int)model["context_length"]!)));
    }

    [Fact]
    public async Task Texts_are_embedded_and_long_ones_are_cut()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Embeds = (request, _) => request.TruncateTokens == 0 && request.Inputs.Any(input => input.Text.Length > 4)
            ? throw new InferenceException(InferenceError.ContextLengthExceeded, "too long", "inputs[0]")
            : ValueTask.FromResult(new EmbedResponse { PromptTokens = 5, Embeddings = { request.Inputs.Select(input => new Embedding { Values = { Math.Min(input.Text.Length, 4), request.TruncateTokens } }) } });

        JsonNode answer = await PostAsync(server, "/api/embed", """{"model":"org/m","input":["ab","abcdefg"],"dimensions":2}""");

        Assert.Equal("[[2,-1],[4,-1]]", answer["embeddings"]!.ToJsonString());
        Assert.Equal(("org/m", 5), ((string?)answer["model"], (int)answer["prompt_eval_count"]!));
        Assert.True((long)answer["total_duration"]! >= 0);
        Assert.Equal("[[2,-1]]", (await PostAsync(server, "/api/embed", """{"model":"org/m","input":"ab"}"""))["embeddings"]!.ToJsonString());
        Assert.Equal("[]", (await PostAsync(server, "/api/embed", """{"model":"org/m"}"""))["embeddings"]!.ToJsonString());
        Assert.Equal("""{"embedding":[3,-1]}""", (await PostAsync(server, "/api/embeddings", """{"model":"org/m","prompt":"abc"}""")).ToJsonString());
        Assert.Equal("""{"embedding":[]}""", (await PostAsync(server, "/api/embeddings", """{"model":"org/m"}""")).ToJsonString());
        await AssertErrorAsync(await server.PostAsync("/api/embed", """{"model":"org/m","input":"abcdefg","truncate":false}"""), 400, "too long");
    }

    [Fact]
    public async Task The_version_is_the_servers_own()
    {
        await using GatewayServer server = await StartAsync();

        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+$", (string?)JsonNode.Parse(await server.Client.GetStringAsync("/api/version"))!["version"]);
    }

    [Fact]
    public async Task Pulling_what_is_served_succeeds_and_anything_else_is_refused()
    {
        await using GatewayServer server = await StartAsync();

        using HttpResponseMessage served = await server.PostAsync("/api/pull", """{"model":"org/m"}""");

        Assert.Equal("{\"status\":\"success\"}\n", await served.Content.ReadAsStringAsync());
        Assert.Equal("success", (string?)(await PostAsync(server, "/api/pull", """{"model":"org/m","stream":false}"""))["status"]);
        await AssertErrorAsync(await server.PostAsync("/api/pull", """{"model":"llama3.2"}"""), 404, "this server cannot pull 'llama3.2'");
    }

    [Fact]
    public async Task What_would_change_models_is_refused()
    {
        await using GatewayServer server = await StartAsync();
        foreach (string path in (string[])["create", "copy", "push"])
        {
            await AssertErrorAsync(await server.PostAsync("/api/" + path, """{"model":"x"}"""), 403, $"/api/{path} is not supported");
        }

        await AssertErrorAsync(await server.Client.DeleteAsync("/api/delete"), 403, "/api/delete is not supported");
    }

    [Fact]
    public async Task Keys_paths_and_sizes_are_answered_in_ollamas_form_and_any_content_type_is_taken()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 1000 });

        await AssertErrorAsync(await server.Client.GetAsync("/api/nothing"), 404, "/api/nothing");
        await AssertErrorAsync(await server.Client.GetAsync("/api/chat"), 405, "/api/chat");
        await AssertErrorAsync(await server.PostAsync("/api/chat", $$"""{"model":"{{new string('m', 2000)}}"}"""), 413, "larger than 1000 bytes");
        using HttpResponseMessage form = await server.Client.PostAsync("/api/show", new StringContent("""{"model":"org/model"}""", Encoding.UTF8, "application/x-www-form-urlencoded"));
        Assert.Equal(HttpStatusCode.OK, form.StatusCode);
        Assert.Equal("application/problem+json", (await server.Client.GetAsync("/api/v1/nothing")).Content.Headers.ContentType!.MediaType);
        server.Client.DefaultRequestHeaders.Authorization = null;
        await AssertErrorAsync(await server.Client.GetAsync("/api/tags"), 401, "API key");
    }

    private static async Task<GatewayServer> StartAsync()
    {
        GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Models = [Described];
        return server;
    }

    private static async Task<JsonNode> PostAsync(GatewayServer server, string path, string body)
    {
        using HttpResponseMessage response = await server.PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private static async Task AssertErrorAsync(HttpResponseMessage response, int status, string message)
    {
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(["error"], body.AsObject().Select(property => property.Key));
        Assert.Contains(message, (string)body["error"]!, StringComparison.Ordinal);
    }
}
