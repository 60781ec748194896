using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official client speaks over WebSockets with a real server.</summary>
[Collection(nameof(SharedServer))]
public sealed class RealtimeTests(SharedServer shared)
{
    [Fact]
    public async Task The_javascript_client_gets_through_realtime_responses_and_chat_over_sockets()
    {
        JsonNode seen = await NodeScript.RunAsync("clients/realtime.mjs", shared.Server);

        Assert.Equal(("""["You are brief.","You are old."]""", 403), (seen["secrets"]!.ToJsonString(), (int)seen["forbidden"]!));
        Assert.Equal("You answer questions.", (string?)seen["instructions"]);
        Assert.Equal(
            """["response.created","response.output_item.added","conversation.item.added","response.content_part.added","response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","conversation.item.done","response.done"]""",
            seen["types"]!.ToJsonString());
        string answer = (string)seen["realtime"]![1]!;
        Assert.Contains("self-hosted", answer, StringComparison.Ordinal);
        Assert.Equal(new JsonArray("completed", answer, true, true).ToJsonString(), seen["realtime"]!.ToJsonString());
        Assert.Equal("""["incomplete","max_output_tokens",null,"b"]""", seen["cut"]!.ToJsonString());
        Assert.Equal("""["get_weather",true]""", seen["called"]!.ToJsonString());
        Assert.True((bool)seen["cancelled"]!);
        Assert.Equal("""[["unsupported_parameter","session.audio"]]""", seen["errors"]!.ToJsonString());
        Assert.Equal(1000, (int)seen["closed"]!);
        Assert.Equal(new JsonArray(answer, "next", true, true).ToJsonString(), seen["responses"]!.ToJsonString());
        Assert.Equal("[true]", seen["responseErrors"]!.ToJsonString());
        Assert.Equal(new JsonArray(answer, true, "messages", answer).ToJsonString(), seen["chat"]!.ToJsonString());
        Assert.Equal("[]", seen["violations"]!.ToJsonString());
    }
}
