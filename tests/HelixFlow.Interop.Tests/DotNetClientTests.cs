using System.ClientModel;
using System.Text;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official .NET client against the server.</summary>
[Collection(nameof(SharedServer))]
public sealed class DotNetClientTests(SharedServer shared)
{
    private readonly OpenAIClientOptions _options = new() { Endpoint = new Uri(shared.Server.Address, "/v1"), NetworkTimeout = TimeSpan.FromMinutes(10) };

    [Fact]
    public async Task A_question_about_helixflow_is_answered_whole_and_streamed()
    {
        ChatClient client = Chat();
        ClientResult<ChatCompletion> whole = await client.CompleteChatAsync("What is HelixFlow?");
        var streamed = new StringBuilder();
        ChatFinishReason? reason = null;
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync("What is HelixFlow?"))
        {
            streamed.AppendJoin("", update.ContentUpdate.Select(part => part.Text));
            reason ??= update.FinishReason;
        }

        Assert.Contains("self-hosted platform for serving large language models", whole.Value.Content[0].Text, StringComparison.Ordinal);
        Assert.Equal(whole.Value.Content[0].Text, streamed.ToString());
        Assert.Equal(ChatFinishReason.Stop, reason);
        Assert.True(whole.Value.Usage.OutputTokenCount > 10);
    }

    [Fact]
    public async Task An_unseen_note_is_summarised_with_its_facts()
    {
        const string Note =
            "Hi all, the delivery of the new printers for the Hamburg office is delayed by two weeks because the supplier has no parts. " +
            "Maria Keller will call them on Monday and report back.";

        ClientResult<ChatCompletion> answer = await Chat().CompleteChatAsync("Summarize this note in one sentence: " + Note);

        string summary = answer.Value.Content[0].Text;
        foreach (string fact in (string[])["printers", "Hamburg", "two weeks", "Maria Keller", "Monday"])
        {
            Assert.Contains(fact, summary, StringComparison.Ordinal);
        }

        Assert.True(summary.Length < Note.Length);
    }

    [Fact]
    public async Task Models_are_listed_and_a_repeated_prompt_comes_from_the_cache()
    {
        ClientResult<OpenAIModelCollection> models = await new OpenAIClient(new ApiKeyCredential(Server.Key), _options).GetOpenAIModelClient().GetModelsAsync();
        Assert.Equal(Server.Model, Assert.Single(models.Value).Id);

        string prompt = "Summarize: " + string.Join(' ', Enumerable.Range(0, 60).Select(i => $"Item {i} is fine."));
        var few = new ChatCompletionOptions { MaxOutputTokenCount = 4 };
        await Chat().CompleteChatAsync([new UserChatMessage(prompt)], few);
        ClientResult<ChatCompletion> again = await Chat().CompleteChatAsync([new UserChatMessage(prompt)], few);

        Assert.True(again.Value.Usage.InputTokenDetails.CachedTokenCount > 64);
        Assert.Equal(ChatFinishReason.Length, again.Value.FinishReason);
    }

    [Fact]
    public async Task Errors_arrive_as_the_client_expects_them()
    {
        ClientResultException wrongModel = await Assert.ThrowsAsync<ClientResultException>(() => Chat("nope").CompleteChatAsync("x"));
        ClientResultException wrongKey = await Assert.ThrowsAsync<ClientResultException>(() =>
            new ChatClient(Server.Model, new ApiKeyCredential("wrong"), _options).CompleteChatAsync("x"));

        Assert.Equal(404, wrongModel.Status);
        Assert.Contains("model_not_found", wrongModel.Message, StringComparison.Ordinal);
        Assert.Equal(401, wrongKey.Status);
    }

    private ChatClient Chat(string model = Server.Model) => new(model, new ApiKeyCredential(Server.Key), _options);
}
