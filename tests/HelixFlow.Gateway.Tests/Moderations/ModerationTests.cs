using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Files;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Moderations;

/// <summary>/v1/moderations.</summary>
public sealed class ModerationTests
{
    private const string Moderations = "/v1/moderations";

    [Fact]
    public async Task A_verdict_becomes_categories_and_scores()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (request, _) => Verdict(request.Chat.MessagesJson.Contains("bad", StringComparison.Ordinal) ? "\n\nunsafe\nS10,S1,S6" : "safe", 0.9);

        JsonElement answer = await FileClient.JsonAsync(await server.PostAsync(Moderations, """{"input":["good","bad \"}"]}"""));

        Assert.StartsWith("modr-", answer.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("guard", answer.GetProperty("model").GetString());
        JsonElement[] results = [.. answer.GetProperty("results").EnumerateArray()];
        Assert.Equal([false, true], results.Select(static result => result.GetProperty("flagged").GetBoolean()));
        Assert.DoesNotContain(results[0].GetProperty("categories").EnumerateObject(), static category => category.Value.GetBoolean());
        Assert.All(results[0].GetProperty("category_scores").EnumerateObject(), static score => Assert.Equal(0.1, score.Value.GetDouble(), 1e-5));
        Assert.Equal(
            ["hate", "illicit", "illicit/violent", "violence"],
            results[1].GetProperty("categories").EnumerateObject().Where(static category => category.Value.GetBoolean()).Select(static category => category.Name));
        Assert.Equal(0.9, results[1].GetProperty("category_scores").GetProperty("hate").GetDouble(), 1e-5);
        Assert.Equal(0, results[1].GetProperty("category_scores").GetProperty("sexual").GetDouble());
        Assert.Equal(0f, server.Pool.Request!.Sampling.Temperature);
    }

    [Theory]
    [InlineData("""{"input":"a","model":"omni-moderation-latest"}""", 1)]
    [InlineData("""{"input":"a","model":"guard"}""", 1)]
    [InlineData("""{"input":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}""", 1)]
    [InlineData("""{"input":["a","b","c"]}""", 3)]
    public async Task Every_form_of_input_is_answered(string body, int results)
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = static (_, _) => Verdict("safe", 1);

        JsonElement answer = await FileClient.JsonAsync(await server.PostAsync(Moderations, body));

        Assert.Equal(results, answer.GetProperty("results").GetArrayLength());
    }

    [Theory]
    [InlineData("{}", 400)]
    [InlineData("""{"input":[]}""", 400)]
    [InlineData("""{"input":5}""", 400)]
    [InlineData("""{"input":[5]}""", 400)]
    [InlineData("""{"input":[{"type":"image_url","image_url":{"url":"data:"}}]}""", 400)]
    [InlineData("""{"input":[{"type":"text","text":"a"},"b"]}""", 400)]
    [InlineData("""{"input":"a","model":"other"}""", 404)]
    public async Task Wrong_fields_are_refused(string body, int status)
    {
        await using GatewayServer server = await StartAsync();

        Assert.Equal(status, (await FileClient.ErrorAsync(await server.PostAsync(Moderations, body))).Status);
    }

    /// <summary>Its answers are held to schemas/openapi/gateway.json by the script.</summary>
    [Fact]
    public async Task The_official_client_reads_the_verdicts()
    {
        await using GatewayServer server = await StartAsync();
        server.Pool.Script = (request, _) => Verdict(request.Chat.MessagesJson.Contains("bad", StringComparison.Ordinal) ? "\n\nunsafe\nS10,S11" : "safe", 0.9);

        JsonNode seen = await ClientScript.RunAsync("moderations.mjs", "openai", new Uri(server.Client.BaseAddress!, "/v1"));

        Assert.Equal("""[[false,[]],[true,["hate","self-harm"]]]""", seen["several"]!.ToJsonString());
        Assert.Equal("""[[true,["hate","self-harm"]]]""", seen["parts"]!.ToJsonString());
        Assert.Equal("""[400,"input[0].type"]""", seen["image"]!.ToJsonString());
        Assert.Equal(3, (int)seen["checked"]!);
    }

    [Fact]
    public async Task Without_a_model_the_answer_says_what_to_configure()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        (int status, string message, _, string? code) = await FileClient.ErrorAsync(await server.PostAsync(Moderations, """{"input":"a"}"""));

        Assert.Equal((404, "moderation_model_not_configured"), (status, code));
        Assert.Contains("--moderation-model", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_verdict_is_an_error_and_not_a_guess()
    {
        await using GatewayServer server = await StartAsync();

        (int status, _, _, string? code) = await FileClient.ErrorAsync(await server.PostAsync(Moderations, """{"input":"a"}"""));

        Assert.Equal((500, "moderation_failed"), (status, code));
    }

    private static Task<GatewayServer> StartAsync() => GatewayServer.StartAsync(new GatewayOptions { ModerationModel = "guard" });

    private static IAsyncEnumerable<GenerateEvent> Verdict(string text, double probability)
    {
        bool isUnsafe = text.Contains("unsafe", StringComparison.Ordinal);
        GenerateEvent token = ScriptedPool.Token(text);
        token.Token.Tokens.Add(new TokenLogprob { Id = 1, Text = "\n\n", Logprob = 0 });
        token.Token.Tokens.Add(new TokenLogprob
        {
            Id = 2,
            Text = isUnsafe ? "unsafe" : " safe",
            Logprob = (float)Math.Log(probability),
            Top = { new TokenLogprob { Id = 2, Text = isUnsafe ? "unsafe" : " safe", Logprob = (float)Math.Log(probability) }, new TokenLogprob { Id = 3, Text = isUnsafe ? "safe" : "uns", Logprob = (float)Math.Log(1 - probability) }, new TokenLogprob { Id = 4, Text = "Hello", Logprob = -9 } },
        });
        return new[] { ScriptedPool.Prompt(), token, ScriptedPool.Finish() }.ToAsyncEnumerable();
    }
}
