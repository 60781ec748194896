using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official client against vector stores.</summary>
[Collection(nameof(SharedServer))]
public sealed class VectorStoreClientTests(SharedServer shared)
{
    [Fact]
    public async Task The_javascript_client_fills_and_searches_vector_stores()
    {
        JsonNode seen = await NodeScript.RunAsync("clients/vectors.mjs", shared.Server);

        Assert.Equal("[]", seen["violations"]!.ToJsonString());
        Assert.True((int)seen["responses"]! > 30);
        Assert.Equal(("handbook", "vector_store"), ((string?)seen["store"]!["name"], (string?)seen["store"]!["object"]));
        Assert.Equal("completed", (string?)seen["otters"]!["status"]);
        Assert.Equal("completed", (string?)seen["basalt"]!["status"]);
        Assert.Equal("""["failed","unsupported_file"]""", seen["pdf"]!.ToJsonString());
        Assert.Contains("Basalt is a dark volcanic rock & very common.", (string?)seen["content"]![0], StringComparison.Ordinal);

        Assert.Equal("basalt.html", (string?)seen["words"]![0]![0]);
        Assert.Equal("""["basalt.html"]""", seen["filtered"]!.ToJsonString());
        Assert.Equal("otters.md", (string?)seen["same"]![0]![0]);
        Assert.InRange((double)seen["same"]![0]![1]!, 0.99, 1);
        Assert.Equal("""{"year":1900}""", seen["updated"]!.ToJsonString());
        Assert.Equal("[]", seen["filteredAgain"]!.ToJsonString());
        Assert.Equal((400, "rewrite_query"), ((int)seen["rewritten"]!["status"]!, (string?)seen["rewritten"]!["param"]));
        Assert.Equal((400, "filters.type"), ((int)seen["wrongFilter"]!["status"]!, (string?)seen["wrongFilter"]!["param"]));

        Assert.Equal("""["file_search_call","completed",true,["attributes,file_id,filename,score,text","attributes,file_id,filename,score,text"],"message"]""", seen["searched"]!.ToJsonString());
        Assert.Equal(("file_search", 2), ((string?)seen["tool"]!["type"], (int)seen["tool"]!["max_num_results"]!));
        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.file_search_call.in_progress", "response.file_search_call.searching",
                "response.file_search_call.completed", "response.output_item.done", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
            ],
            seen["streamed"]!.AsArray().Select(static type => (string)type!).Take(10));
        Assert.Null(seen["hidden"]);
        Assert.Equal("""[["message",null],["file_search_call",2],["message",null],["message",null]]""", seen["items"]!.ToJsonString());
        Assert.Equal(("response", "chat.completion"), ((string?)seen["file"], (string?)seen["chatFile"]));
        Assert.Equal((400, "input[0].content[0].file_id"), ((int)seen["pdfFile"]!["status"]!, (string?)seen["pdfFile"]!["param"]));
        Assert.Equal((404, "tools"), ((int)seen["noSuchStore"]!["status"]!, (string?)seen["noSuchStore"]!["param"]));

        Assert.Equal(("completed", 3), ((string?)seen["batch"]![0], (int)seen["batch"]![1]!["completed"]!));
        Assert.Equal(seen["expected"]!.ToJsonString(), seen["listed"]!.ToJsonString());
        Assert.Equal("completed", (string?)seen["cancelled"]); // it had ended
        Assert.Equal("[true]", seen["failed"]!.ToJsonString());

        Assert.Equal(("other", 6), ((string?)seen["changed"], (int)seen["now"]!["file_counts"]!["total"]!));
        Assert.True((bool)seen["removed"]!["deleted"]!);
        Assert.Equal(404, (int)seen["gone"]!["status"]!);
        Assert.Contains((string?)seen["store"]!["id"], seen["all"]!.AsArray().Select(static id => (string?)id));
        Assert.True((bool)seen["deleted"]!["deleted"]!);
        Assert.Equal(404, (int)seen["noStore"]!["status"]!);
        Assert.Equal((404, "moderation_model_not_configured"), ((int)seen["moderation"]!["status"]!, (string?)seen["moderation"]!["code"]));
    }
}
