using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>Requests that cannot start yet, for example because their model is being loaded.</summary>
public sealed class HeldRequestTests
{
    private static GatewayOptions Impatient => new() { HeldCommentInterval = TimeSpan.FromMilliseconds(20) };

    [Fact]
    public async Task A_streamed_request_gets_comments_while_it_is_held_and_then_its_answer()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(Impatient);
        server.Pool.Script = HoldThen(AnswerAsync);

        string body = await (await server.PostAsync("/v1/chat/completions", Body(stream: true))).Content.ReadAsStringAsync();

        string[] lines = body.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(lines, line => line.StartsWith(": loading m, 50", StringComparison.Ordinal));
        Assert.True(Array.FindIndex(lines, line => line[0] == ':') < Array.FindIndex(lines, line => line.StartsWith("data:", StringComparison.Ordinal)));
        Assert.Equal("data: [DONE]", lines[^1]);
    }

    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    public async Task A_request_that_fails_after_its_comments_began_is_told_so_in_the_stream(string path)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(Impatient);
        server.Pool.Script = HoldThen(FailAsync);

        HttpResponseMessage response = await server.PostAsync(path, Body(stream: true));
        string last = (await response.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        JsonElement error = JsonElement.Parse(last["data: ".Length..]).GetProperty("error");
        Assert.Equal("model_unavailable", error.GetProperty("code").GetString());
    }

    [Theory]
    [InlineData(true, "/v1/chat/completions")]
    [InlineData(false, "/v1/chat/completions")]
    [InlineData(true, "/v1/completions")]
    [InlineData(false, "/v1/completions")]
    public async Task A_request_that_fails_before_any_comment_has_a_status_of_its_own(bool stream, string path)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(new GatewayOptions { HeldCommentInterval = TimeSpan.FromHours(1) });
        server.Pool.Script = HoldThen(FailAsync);

        HttpResponseMessage response = await server.PostAsync(path, Body(stream));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task A_request_that_is_not_streamed_just_waits()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(Impatient);
        server.Pool.Script = HoldThen(AnswerAsync);

        HttpResponseMessage response = await server.PostAsync("/v1/chat/completions", Body(stream: false));

        JsonElement answer = JsonElement.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal("hi", answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    private static string Body(bool stream) =>
        $$"""{"model":"m","stream":{{(stream ? "true" : "false")}},"prompt":"x","messages":[{"role":"user","content":"x"}]}""";

    private static Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> HoldThen(Func<IAsyncEnumerable<GenerateEvent>> rest) =>
        (_, token) => Hold(rest, token);

    private static async IAsyncEnumerable<GenerateEvent> Hold(Func<IAsyncEnumerable<GenerateEvent>> rest, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Both ways of waiting: progress that comes often, and silence.
        for (int i = 0; i < 6; i++)
        {
            yield return new GenerateEvent { Waiting = new Waiting { Reason = "loading m", Progress = 0.5f } };
            await Task.Delay(i == 5 ? 70 : 10, cancellationToken);
        }

        await foreach (GenerateEvent next in rest())
        {
            yield return next;
        }
    }

    private static async IAsyncEnumerable<GenerateEvent> AnswerAsync()
    {
        yield return ScriptedPool.Prompt();
        await Task.Yield();
        yield return ScriptedPool.Token("hi");
        yield return ScriptedPool.Finish();
        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 1 } };
    }

    private static async IAsyncEnumerable<GenerateEvent> FailAsync()
    {
        await Task.Yield();
        throw new InferenceException(InferenceError.ModelUnavailable, "The model 'm' could not be loaded: the file is damaged.", "model");
#pragma warning disable CS0162 // an iterator needs a yield
        yield break;
#pragma warning restore CS0162
    }
}
