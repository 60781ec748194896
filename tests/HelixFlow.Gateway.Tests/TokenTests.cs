using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>Tokenising and detokenising, and what the endpoints outside /v1 share with those inside.</summary>
public sealed class TokenTests
{
    [Theory]
    [InlineData("/tokenize")]
    [InlineData("/v1/tokenize")]
    public async Task A_text_is_tokenised_as_a_generation_would_run_it(string path)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        TokenizeRequest? asked = null;
        server.Pool.Tokenizes = request =>
        {
            asked = request;
            return new TokenizeResponse { TokenIds = { 5, 6 }, ContextLength = 64, Texts = { request.WithTexts ? ["<s>", "Ġé"] : [] } };
        };

        using HttpResponseMessage plain = await server.PostAsync(path, """{"model":"m","prompt":"é"}""");
        Assert.Equal(("m", "é", false, false), (asked!.Model, asked.Text, asked.WithoutSpecial, asked.WithTexts));
        using HttpResponseMessage bare = await server.PostAsync(path, """{"prompt":"","add_special_tokens":false,"return_token_strs":true}""");

        Assert.Equal("""{"count":2,"max_model_len":64,"tokens":[5,6],"token_strs":null}""", await plain.Content.ReadAsStringAsync());
        Assert.Equal("""{"count":2,"max_model_len":64,"tokens":[5,6],"token_strs":["<s>","Ġé"]}""", await bare.Content.ReadAsStringAsync());
        Assert.Equal(("org/model", "", true), (asked.Model, asked.Text, asked.WithoutSpecial));
    }

    [Fact]
    public async Task A_conversation_is_tokenised_through_the_template()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var asked = new List<TokenizeRequest>();
        server.Pool.Tokenizes = request =>
        {
            asked.Add(request);
            return new TokenizeResponse { TokenIds = { 1 }, ContextLength = 64 };
        };

        await server.PostAsync("/tokenize", """{"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}""");
        await server.PostAsync(
            "/tokenize",
            """{"model":"m","messages":[{"role":"user","content":"a"}],"add_generation_prompt":false,"add_special_tokens":true,"tools":[{"type":"function"}],"chat_template_kwargs":{"k":1}}""");

        Assert.Equal("""[{"role":"system","content":"ab"}]""", asked[0].Chat.MessagesJson);
        Assert.Equal((false, false, "", ""), (asked[0].WithoutGenerationPrompt, asked[0].WithSpecial, asked[0].Chat.ToolsJson, asked[0].Chat.TemplateVariablesJson));
        Assert.Equal((true, true), (asked[1].WithoutGenerationPrompt, asked[1].WithSpecial));
        Assert.Equal(("""[{"type":"function"}]""", """{"k":1}"""), (asked[1].Chat.ToolsJson, asked[1].Chat.TemplateVariablesJson));
    }

    [Theory]
    [InlineData("""{"model":"m"}""", "prompt", "missing_required_parameter")]
    [InlineData("""{"model":"m","prompt":["a"]}""", "prompt", "invalid_type")]
    [InlineData("""{"model":"m","prompt":"a","messages":[{"role":"user","content":"a"}]}""", "prompt", "invalid_value")]
    [InlineData("""{"model":"m","messages":[]}""", "messages", "empty_array")]
    [InlineData("""{"model":"m","messages":[{"role":"king","content":"a"}]}""", "messages[0].role", "invalid_value")]
    [InlineData("""{"model":"m","prompt":"a","add_special_tokens":"no"}""", "add_special_tokens", "invalid_type")]
    [InlineData("""{"model":"m","prompt":"a","return_token_strs":1}""", "return_token_strs", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"a"}],"add_generation_prompt":1}""", "add_generation_prompt", "invalid_type")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"a"}],"chat_template":"x"}""", "chat_template", "unsupported_value")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"a"}],"continue_final_message":true}""", "continue_final_message", "unsupported_value")]
    public async Task A_wrong_body_is_a_400_that_names_the_field(string body, string param, string code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        using HttpResponseMessage response = await server.PostAsync("/tokenize", body);

        await RequestTests.AssertErrorAsync(response, HttpStatusCode.BadRequest, param, code);
    }

    [Fact]
    public async Task Token_ids_become_text()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        DetokenizeRequest? asked = null;
        server.Pool.Detokenizes = request =>
        {
            asked = request;
            return request.TokenIds.Contains(9)
                ? throw new InferenceException(InferenceError.InvalidArgument, "Token 9 is not in the model's vocabulary.", "token_ids[1]")
                : new DetokenizeResponse { Text = "<s>é\n" };
        };

        foreach (string path in (string[])["/detokenize", "/v1/detokenize"])
        {
            using HttpResponseMessage response = await server.PostAsync(path, """{"tokens":[1,2]}""");
            Assert.Equal("""{"prompt":"<s>é\n"}""", await response.Content.ReadAsStringAsync());
            Assert.Equal("org/model", asked!.Model);
            Assert.Equal([1, 2], asked.TokenIds);
        }

        await RequestTests.AssertErrorAsync(await server.PostAsync("/detokenize", """{"model":"m","tokens":[1,9]}"""), HttpStatusCode.BadRequest, "tokens[1]", null);
        await RequestTests.AssertErrorAsync(await server.PostAsync("/detokenize", """{"model":"m"}"""), HttpStatusCode.BadRequest, "tokens", "missing_required_parameter");
        await RequestTests.AssertErrorAsync(await server.PostAsync("/detokenize", """{"model":"m","tokens":[1,"a"]}"""), HttpStatusCode.BadRequest, "tokens[1]", "invalid_type");
    }

    [Theory]
    [InlineData("/v1/embeddings")]
    [InlineData("/v1/rerank")]
    [InlineData("/rerank")]
    [InlineData("/v1/score")]
    [InlineData("/score")]
    [InlineData("/v1/tokenize")]
    [InlineData("/tokenize")]
    [InlineData("/v1/detokenize")]
    [InlineData("/detokenize")]
    public async Task Keys_methods_sizes_and_types_are_checked_alike(string path)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { MaxBodyBytes = 1000 });
        using var large = new StringContent($$"""{"model":"{{new string('m', 2000)}}"}""", Encoding.UTF8, "application/json");

        await RequestTests.AssertErrorAsync(await server.Client.GetAsync(path), HttpStatusCode.MethodNotAllowed, null, "method_not_supported");
        await RequestTests.AssertErrorAsync(await server.Client.PostAsync(path, large), HttpStatusCode.RequestEntityTooLarge, null, "request_too_large");
        await RequestTests.AssertErrorAsync(await server.Client.PostAsync(path, new StringContent("{}", Encoding.UTF8, "text/plain")), HttpStatusCode.UnsupportedMediaType, null, "unsupported_content_type");
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "narrow");
        await RequestTests.AssertErrorAsync(await server.PostAsync(path, "{}"), HttpStatusCode.Forbidden, null, "insufficient_permissions");
        server.Client.DefaultRequestHeaders.Authorization = null;
        await RequestTests.AssertErrorAsync(await server.PostAsync(path, "{}"), HttpStatusCode.Unauthorized, null, null);
    }

    [Fact]
    public async Task Mutated_bodies_never_fail_inside()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Embeds = (request, _) => ValueTask.FromResult(EmbeddingTests.Numbered(request));
        server.Pool.Tokenizes = _ => new TokenizeResponse { TokenIds = { 1 } };
        server.Pool.Detokenizes = _ => new DetokenizeResponse { Text = "x" };
        var random = new Random(21);
        (string Path, string Body)[] valid =
        [
            ("/v1/embeddings", """{"model":"m","input":["hé",[1,2]],"encoding_format":"base64","dimensions":3,"user":"u","pooling":"mean","priority":1}"""),
            ("/rerank", """{"model":"m","query":"é","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}"""),
            ("/score", """{"model":"m","text_1":["a","é"],"text_2":["c","d"]}"""),
            ("/tokenize", """{"model":"m","messages":[{"role":"user","content":"é"}],"add_generation_prompt":false,"return_token_strs":true}"""),
            ("/detokenize", """{"model":"m","tokens":[1,2,3]}"""),
        ];
        for (int round = 0; round < 2000; round++)
        {
            (string path, string text) = valid[round % valid.Length];
            byte[] body = Encoding.UTF8.GetBytes(text);
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                body[random.Next(body.Length)] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:0a-.\\ "[random.Next(13)];
            }

            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage response = await server.Client.PostAsync(path, content);

            Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{response.StatusCode} for {Encoding.UTF8.GetString(body)}");
            JsonNode.Parse(await response.Content.ReadAsStringAsync());
        }
    }
}
