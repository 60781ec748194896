using System.Net.Http.Json;
using OpenAI;
using OpenAI.Chat;

namespace HelixFlow.Interop.Tests;

/// <summary>A client that leaves in the middle of a stream, and what the official .NET client reads from one token's data.</summary>
[Collection(nameof(SharedServer))]
public sealed class CancellationTests(SharedServer shared)
{
    // Many streams, so that running to the end would take far longer than leaving does.
    private const int Streams = 16;
    private const int Tokens = 900;

    // A machine may let the clients wait until the server has run to the end all the same, but not every time.
    private const int Rounds = 10;

    [Fact]
    public async Task A_client_that_leaves_stops_the_generation_and_frees_its_blocks()
    {
        Server server = shared.Server;
        await server.WaitUntilIdleAsync();
        double generated = Streams * Tokens;
        for (int round = 0; round < Rounds && generated == Streams * Tokens; round++)
        {
            double before = await server.GaugeAsync("helixflow_generated_tokens_total");
            await Task.WhenAll(Enumerable.Range(0, Streams).Select(_ => LeaveEarlyAsync()));
            await server.WaitUntilIdleAsync();
            generated = await server.GaugeAsync("helixflow_generated_tokens_total") - before;
        }

        // Running to the end would also leave the server idle: the count tells the two apart.
        Assert.InRange(generated, 1, (Streams * Tokens) - 1);

        async Task LeaveEarlyAsync()
        {
            using HttpClient client = server.CreateClient();
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = JsonContent.Create(new
                {
                    model = Server.Model,
                    stream = true,
                    ignore_eos = true,
                    max_completion_tokens = Tokens,
                    messages = new[] { new { role = "user", content = "Hello" } },
                }),
            };
            using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

            // The first event names the role and may come before any token; by the eighth line there are tokens.
            for (int line = 0; line < 8; line++)
            {
                Assert.NotNull(await reader.ReadLineAsync());
            }
        }
    }

    [Fact]
    public async Task Log_probabilities_reach_the_dotnet_client_best_first()
    {
        var client = new ChatClient(Server.Model, new System.ClientModel.ApiKeyCredential(Server.Key), new OpenAIClientOptions { Endpoint = new Uri(shared.Server.Address, "/v1"), NetworkTimeout = TimeSpan.FromMinutes(10) });
        var options = new ChatCompletionOptions { IncludeLogProbabilities = true, TopLogProbabilityCount = 3, Temperature = 0, MaxOutputTokenCount = 5 };

        ChatCompletion answer = await client.CompleteChatAsync([new UserChatMessage("What is HelixFlow?")], options);

        Assert.Equal(5, answer.ContentTokenLogProbabilities.Count);
        Assert.Equal(answer.Content[0].Text, string.Concat(answer.ContentTokenLogProbabilities.Select(token => token.Token)));
        foreach (ChatTokenLogProbabilityDetails token in answer.ContentTokenLogProbabilities)
        {
            Assert.Equal(3, token.TopLogProbabilities.Count);
            Assert.Equal(token.Token, token.TopLogProbabilities[0].Token);
            Assert.True(token.TopLogProbabilities[0].LogProbability >= token.TopLogProbabilities[2].LogProbability);
        }
    }
}
