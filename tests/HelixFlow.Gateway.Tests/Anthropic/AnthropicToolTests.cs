using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests.Anthropic;

/// <summary>The official client's runner of tools, whose accumulator throws when the order or the shape of events is not Anthropic's.</summary>
public sealed class AnthropicToolTests
{
    [Fact]
    public async Task The_official_client_runs_tools()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (request, _) =>
            request.Chat.MessagesJson.Contains("\"tool\"", StringComparison.Ordinal) ? ScriptedAnswers.Words("It is ", "21 degrees.") : ScriptedAnswers.Calls();

        JsonNode seen = await ClientScript.RunAsync("anthropic-tools.mjs", "@anthropic-ai/sdk", server.Client.BaseAddress!);

        foreach (string form in (string[])["whole", "streamed"])
        {
            Assert.Equal("It is 21 degrees.", (string?)seen[form]!["final"]);
            Assert.Equal(["""get_weather({"city":"Rome"})""", "get_time({})"], seen[form]!["ran"]!.AsArray().Select(call => (string?)call));
            Assert.Equal(["tool_use", "end_turn"], seen[form]!["stops"]!.AsArray().Select(reason => (string?)reason));
            Assert.Equal("Hm, hm.", (string?)seen[form]!["thinking"]);
            Assert.Equal(2, seen[form]!["ids"]!.AsArray().Select(id => (string?)id).Distinct().Count());
        }

        // What came back with the results: the calls under their ids, and the reasoning, whose signature was found right.
        string chat = server.Pool.Request!.Chat.MessagesJson;
        Assert.Contains("\"reasoning_content\":\"Hm, hm.\"", chat, StringComparison.Ordinal);
        Assert.All(seen["streamed"]!["ids"]!.AsArray(), id => Assert.Contains($"\"tool_call_id\":\"{id}\"", chat, StringComparison.Ordinal));
    }
}
