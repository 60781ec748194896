using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Batch;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Files;
using OpenAI.Responses;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official .NET client through a proxy that holds every answer and event to the API's description.</summary>
[Collection(nameof(SharedServer))]
public sealed class DotNetSurfaceTests(SharedServer shared, ITestOutputHelper output)
{
    private const string Question = "What is HelixFlow?";

    private static readonly BinaryData _parameters = BinaryData.FromString(
        """{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]}},"required":["city"],"additionalProperties":false}""");

    [Fact]
    public async Task Whatever_the_client_gets_is_described()
    {
        await using ContractProxy proxy = await ContractProxy.StartAsync(shared.Server);
        var options = new OpenAIClientOptions { Endpoint = proxy.Address, NetworkTimeout = TimeSpan.FromMinutes(10), RetryPolicy = new ClientRetryPolicy(0) };
        var key = new ApiKeyCredential(Server.Key);

        await CheckChatAsync(new ChatClient(Server.Model, key, options));
        await CheckResponsesAsync(new ResponsesClient(key, new ResponsesClientOptions { Endpoint = proxy.Address, NetworkTimeout = TimeSpan.FromMinutes(10) }));
        await CheckEmbeddingsAsync(new EmbeddingClient(Server.Model, key, options));
        await CheckBatchesAsync(new OpenAIFileClient(key, options), new BatchClient(key, new BatchClientOptions { Endpoint = proxy.Address, NetworkTimeout = options.NetworkTimeout }));

        output.WriteLine(await proxy.EndAsync());
        await shared.Server.WaitUntilIdleAsync();
    }

    private static async Task CheckChatAsync(ChatClient client)
    {
        var forced = new ChatCompletionOptions { Tools = { ChatTool.CreateFunctionTool("weather", "The weather of a city.", _parameters, true) }, ToolChoice = ChatToolChoice.CreateRequiredChoice() };
        ChatCompletion called = await client.CompleteChatAsync(["How warm is it in Rome?"], forced);
        var streamed = new StringBuilder();
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync([new UserChatMessage("How warm is it in Rome?")], forced))
        {
            streamed.AppendJoin("", update.ToolCallUpdates.Where(part => part.Index == 0).Select(part => part.FunctionArgumentsUpdate));
        }

        var shaped = new ChatCompletionOptions { ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("place", _parameters, jsonSchemaIsStrict: true) };
        ChatCompletion place = await client.CompleteChatAsync([new UserChatMessage("Where?")], shaped);
        ChatCompletion answered = await client.CompleteChatAsync(
            [new UserChatMessage("How warm is it in Rome?"), new AssistantChatMessage(called), .. called.ToolCalls.Select(call => new ToolChatMessage(call.Id, "21"))],
            new ChatCompletionOptions { MaxOutputTokenCount = 8, IncludeLogProbabilities = true, TopLogProbabilityCount = 2, Seed = 1, StoredOutputEnabled = true, Metadata = { ["a"] = "b" } });

        Assert.Equal(ChatFinishReason.ToolCalls, called.FinishReason);
        Assert.All(called.ToolCalls, call => Assert.Equal("weather", call.FunctionName));
        foreach (string text in (string[])[called.ToolCalls[0].FunctionArguments.ToString(), streamed.ToString(), place.Content[0].Text])
        {
            Assert.Contains((string?)JsonNode.Parse(text)!["city"], (string[])["Rome", "Oslo"]);
        }

        Assert.NotEmpty(answered.ContentTokenLogProbabilities);
    }

    private static async Task CheckResponsesAsync(ResponsesClient client)
    {
        ResponseResult whole = await client.CreateResponseAsync(Server.Model, Question);
        var text = new StringBuilder();
        List<int> numbers = [];
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(Server.Model, Question))
        {
            numbers.Add(update.SequenceNumber);
            text.Append((update as StreamingResponseOutputTextDeltaUpdate)?.Delta);
        }

        var forced = new CreateResponseOptions(Server.Model, [ResponseItem.CreateUserMessageItem("How warm is it in Rome?")])
        {
            Tools = { ResponseTool.CreateFunctionTool("weather", _parameters, strictModeEnabled: true) },
            ToolChoice = ResponseToolChoice.CreateRequiredChoice(),
        };
        ResponseResult called = await client.CreateResponseAsync(forced);

        Assert.Equal(whole.GetOutputText(), text.ToString());
        Assert.Equal(Enumerable.Range(0, numbers.Count), numbers);
        Assert.Equal("weather", Assert.IsType<FunctionCallResponseItem>(called.OutputItems[0]).FunctionName);
    }

    private static async Task CheckEmbeddingsAsync(EmbeddingClient client)
    {
        OpenAIEmbeddingCollection vectors = await client.GenerateEmbeddingsAsync(["a cat", "a cat"], new EmbeddingGenerationOptions { Dimensions = 16 });
        Assert.Equal(vectors[0].ToFloats().ToArray(), vectors[1].ToFloats().ToArray());
    }

    private static async Task CheckBatchesAsync(OpenAIFileClient files, BatchClient batches)
    {
        string lines = string.Concat(Enumerable.Range(0, 3).Select(i => $$$"""
            {"custom_id":"r{{{i}}}","method":"POST","url":"/v1/chat/completions","body":{"model":"{{{Server.Model}}}","max_completion_tokens":4,"messages":[{"role":"user","content":"Hello"}]}}

            """));
        OpenAIFile input = await files.UploadFileAsync(new MemoryStream(Encoding.UTF8.GetBytes(lines)), "input.jsonl", FileUploadPurpose.Batch);
        using var body = BinaryContent.Create(BinaryData.FromString($$"""{"input_file_id":"{{input.Id}}","endpoint":"/v1/chat/completions","completion_window":"24h"}"""));

        CreateBatchOperation operation = await batches.CreateBatchAsync(body, waitUntilCompleted: false);
        JsonNode batch = await ReadAsync(batches, operation.BatchId);
        while ((string?)batch["status"] is not ("completed" or "failed" or "expired" or "cancelled"))
        {
            await Task.Delay(50);
            batch = await ReadAsync(batches, operation.BatchId);
        }

        string results = (await files.DownloadFileAsync((string)batch["output_file_id"]!)).Value.ToString();
        Assert.Equal(("completed", 3), ((string?)batch["status"], (int)batch["request_counts"]!["completed"]!));
        Assert.Equal(["r0", "r1", "r2"], results.Trim().Split('\n').Select(line => (string?)JsonNode.Parse(line)!["custom_id"]));
    }

    private static async Task<JsonNode> ReadAsync(BatchClient batches, string id) =>
        JsonNode.Parse((await batches.GetBatchAsync(id, new RequestOptions())).GetRawResponse().Content.ToString())!;
}
