using System.ClientModel;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI.Responses;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official clients use responses, conversations and stored chat completions of a real server.</summary>
[Collection(nameof(SharedServer))]
public sealed class ResponsesTests(SharedServer shared)
{
    private const string Question = "What is HelixFlow?";

    [Fact]
    public async Task The_javascript_client_gets_through_responses_conversations_and_stored_completions()
    {
        JsonNode seen = await shared.RunAsync("clients/responses.mjs");

        string answer = (string)seen["whole"]!["text"]!;
        Assert.Contains("HelixFlow is a self-hosted", answer, StringComparison.Ordinal);
        Assert.Equal(("completed", "b", true), ((string?)seen["whole"]!["status"], (string?)seen["whole"]!["metadata"]!["a"], (bool)seen["same"]!));
        Assert.Equal((int)seen["whole"]!["usage"]!["input_tokens"]! + (int)seen["whole"]!["usage"]!["output_tokens"]!, (int)seen["whole"]!["usage"]!["total_tokens"]!);
        Assert.Equal(("max_output_tokens", 2), ((string?)seen["cut"], (int)seen["logprobs"]!));
        Assert.Equal(
            """["response.created","response.in_progress","response.output_item.added","response.content_part.added","response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","response.completed"]""",
            seen["types"]!.ToJsonString());
        Assert.Equal(answer, (string?)seen["deltas"]);
        Assert.Equal(new JsonArray("completed", answer).ToJsonString(), seen["final"]!.ToJsonString());
        Assert.EndsWith((string)seen["resumed"]!, answer, StringComparison.Ordinal);
        Assert.NotEmpty((string)seen["resumed"]!);
        Assert.Equal("[5,true]", seen["numbers"]!.ToJsonString());
        Assert.Equal("boolean", (string?)seen["parsed"]);
        Assert.Equal("""["user","assistant","user"]""", seen["inputs"]!.ToJsonString());
        Assert.Equal((int)seen["whole"]!["usage"]!["input_tokens"]!, (int)seen["tokens"]!["input_tokens"]!);
        Assert.Equal(("queued", """["completed",true]"""), ((string?)seen["background"], seen["later"]!.ToJsonString()));
        Assert.Equal(new JsonArray("response.completed", answer).ToJsonString(), seen["followed"]!.ToJsonString());
        Assert.True((bool)seen["cancelled"]!);
        Assert.Equal(404, (int)seen["deleted"]!["status"]!);
        CheckConversation(seen);
        CheckStored(seen);
        Assert.Equal((400, "tools[0].type"), ((int)seen["errors"]!["tool"]!["status"]!, (string?)seen["errors"]!["tool"]!["param"]));
        Assert.Equal((404, "model_not_found"), ((int)seen["errors"]!["model"]!["status"]!, (string?)seen["errors"]!["model"]!["code"]));
        Assert.Equal((400, "context_length_exceeded"), ((int)seen["errors"]!["context"]!["status"]!, (string?)seen["errors"]!["context"]!["code"]));
    }

    [Fact]
    public async Task The_dotnet_client_creates_streams_resumes_continues_and_deletes()
    {
        var client = new ResponsesClient(new ApiKeyCredential(Server.Key), new ResponsesClientOptions { Endpoint = new Uri(shared.Server.Address, "/v1") });

        ClientResult<ResponseResult> whole = await client.CreateResponseAsync(Server.Model, Question);
        var streamed = new StringBuilder();
        string? id = null;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(Server.Model, Question))
        {
            streamed.Append((update as StreamingResponseOutputTextDeltaUpdate)?.Delta);
            id = (update as StreamingResponseCompletedUpdate)?.Response.Id ?? id;
        }

        var resumed = new List<int>();
        await foreach (StreamingResponseUpdate update in await client.GetResponseStreamingAsync(new GetResponseOptions(id!) { StartingAfter = 3, StreamingEnabled = true }))
        {
            resumed.Add(update.SequenceNumber);
        }

        ClientResult<ResponseResult> next = await client.CreateResponseAsync(Server.Model, "And?", whole.Value.Id);
        var roles = new List<MessageRole>();
        await foreach (ResponseItem item in client.GetResponseInputItemsAsync(next.Value.Id))
        {
            roles.Add(Assert.IsAssignableFrom<MessageResponseItem>(item).Role);
        }

        Assert.Equal(ResponseStatus.Completed, whole.Value.Status);
        Assert.Contains("self-hosted", whole.Value.GetOutputText(), StringComparison.Ordinal);
        Assert.Equal(whole.Value.GetOutputText(), streamed.ToString());
        Assert.Equal(Enumerable.Range(4, resumed.Count), resumed);
        Assert.Equal([MessageRole.User, MessageRole.Assistant, MessageRole.User], roles);
        Assert.Equal(whole.Value.GetOutputText(), (await client.GetResponseAsync(whole.Value.Id)).Value.GetOutputText());
        await client.DeleteResponseAsync(whole.Value.Id);
        Assert.Equal(404, (await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(whole.Value.Id))).Status);
    }

    private static void CheckConversation(JsonNode seen)
    {
        Assert.Equal("""["user","user","assistant"]""", seen["conversation"]!.ToJsonString());
        Assert.Equal(("Hello", "b", 3), ((string?)seen["item"], (string?)seen["updated"], (int)seen["left"]!));
        Assert.Equal("[true,404]", seen["gone"]!.ToJsonString());
    }

    private static void CheckStored(JsonNode seen)
    {
        Assert.Equal("[true]", seen["listed"]!.ToJsonString());
        Assert.True((bool)seen["stored"]!);
        Assert.Equal("x", (string?)seen["relabelled"]);
        Assert.Equal("""["Hello"]""", seen["messages"]!.ToJsonString());
        Assert.Equal("""[true,"not_found"]""", seen["dropped"]!.ToJsonString());
    }
}
