using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.VectorStores;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>The tool that the server itself answers: file_search.</summary>
public class FileSearchTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Function = """{"type":"function","name":"get_time","parameters":{"type":"object"}}""";

    [Fact]
    public async Task A_search_is_told_in_these_events_and_what_the_text_cites_becomes_annotations()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands while they sleep.", "Basalt is a dark volcanic rock.");
        List<GenerateRequest> asked = Say(server, Call("otters sleep"), ScriptedAnswers.Words("They hold hands", " 【", "1】", ". Basalt 【9】 is dark【2,1】"));

        List<JsonNode> events = await server.StreamAsync(Body(store, ",\"stream\":true"));

        Assert.Equal(
            [
                "response.created", "response.in_progress",
                "response.output_item.added", "response.file_search_call.in_progress", "response.file_search_call.searching", "response.file_search_call.completed", "response.output_item.done",
                "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.annotation.added", "response.output_text.delta",
                "response.output_text.annotation.added", "response.output_text.annotation.added", "response.output_text.done", "response.content_part.done", "response.output_item.done",
                "response.completed",
            ],
            ResponseClient.TypesOf(events));
        JsonNode call = events[6]["item"]!;
        Assert.Equal(["id", "type", "status", "queries", "results"], call.AsObject().Select(pair => pair.Key));
        Assert.Equal(("file_search_call", "completed", "otters sleep", null), ((string?)call["type"], (string?)call["status"], (string?)call["queries"]![0], call["results"]));
        Assert.Equal(("in_progress", 0), ((string?)events[2]["item"]!["status"], events[2]["item"]!["queries"]!.AsArray().Count));
        Assert.All(events[3..6], next => Assert.Equal(((string?)call["id"], 0), ((string?)next["item_id"], (int)next["output_index"]!)));

        JsonArray output = events[^1]["response"]!["output"]!.AsArray();
        Assert.Equal(call.ToJsonString(), output[0]!.ToJsonString());
        JsonNode part = output[1]!["content"]![0]!;
        Assert.Equal("They hold hands. Basalt 【9】 is dark", (string?)part["text"]);
        Assert.Equal(
            [("file_citation", "f0.txt", 15), ("file_citation", "f1.txt", 35), ("file_citation", "f0.txt", 35)],
            part["annotations"]!.AsArray().Select(one => ((string)one!["type"]!, (string)one["filename"]!, (int)one["index"]!)));
        Assert.Equal(part["annotations"]!.AsArray().Select(one => one!.ToJsonString()), events.Where(next => (string)next["type"]! == "response.output_text.annotation.added").Select(next => next["annotation"]!.ToJsonString()));
        Assert.Equal([0, 1, 2], events.Where(next => (string)next["type"]! == "response.output_text.annotation.added").Select(next => (int)next["annotation_index"]!));
        Assert.Equal((6, 11), ((int)events[^1]["response"]!["usage"]!["input_tokens"]!, (int)events[^1]["response"]!["usage"]!["output_tokens"]!));

        Assert.Equal(2, asked.Count);
        Assert.Equal("file_search", (string?)JsonNode.Parse(asked[0].Chat.ToolsJson)![0]!["function"]!["name"]);
        JsonArray messages = JsonNode.Parse(asked[1].Chat.MessagesJson)!.AsArray();
        Assert.Equal(["user", "assistant", "tool"], messages.Select(message => (string)message!["role"]!));
        Assert.Equal(("file_search", """{"queries":["otters sleep"]}"""), ((string?)messages[1]!["tool_calls"]![0]!["function"]!["name"], (string?)messages[1]!["tool_calls"]![0]!["function"]!["arguments"]));
        Assert.Contains("【1】 f0.txt\nOtters hold hands while they sleep.", (string?)messages[2]!["content"], StringComparison.Ordinal);
        Assert.Contains("【2】 f1.txt\nBasalt is", (string?)messages[2]!["content"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_are_shown_to_those_who_include_them_and_kept_for_what_follows()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("otters"), ScriptedAnswers.Words("Yes."), ScriptedAnswers.Words("Again", "【1】"));

        JsonNode first = await server.CreateAsync(Body(store, ",\"include\":[\"file_search_call.results\"]"));
        JsonNode second = await server.CreateAsync(Body(store, $",\"previous_response_id\":\"{first["id"]}\""));

        JsonNode result = Assert.Single(first["output"]![0]!["results"]!.AsArray())!;
        Assert.Equal(["attributes", "file_id", "filename", "score", "text"], result.AsObject().Select(pair => pair.Key));
        Assert.Equal(("f0.txt", "Otters hold hands."), ((string?)result["filename"], (string?)result["text"]));
        Assert.InRange((double)result["score"]!, 0.1, 1);
        Assert.Equal(["user", "assistant", "tool", "assistant", "user"], JsonNode.Parse(asked[2].Chat.MessagesJson)!.AsArray().Select(message => (string)message!["role"]!));
        Assert.Equal("f0.txt", (string?)second["output"]![0]!["content"]![0]!["annotations"]![0]!["filename"]); // of the first response's search

        string items = $"{ResponseClient.Path}/{second["id"]}/input_items";
        Assert.Null((await server.GetAsync(items + "?order=asc"))["data"]![1]!["results"]);
        Assert.Single((await server.GetAsync(items + "?order=asc&include[]=file_search_call.results"))["data"]![1]!["results"]!.AsArray());
    }

    [Fact]
    public async Task A_conversation_keeps_its_searches()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("otters"), ScriptedAnswers.Words("Yes."), ScriptedAnswers.Words("Again"));
        string conversation = (string)(await server.SendAsync(HttpMethod.Post, "/v1/conversations", "{}"))["id"]!;

        await server.CreateAsync(Body(store, $",\"conversation\":\"{conversation}\""));
        await server.CreateAsync(Body(store, $",\"conversation\":\"{conversation}\""));

        Assert.Contains("Otters hold hands.", asked[2].Chat.MessagesJson, StringComparison.Ordinal);
        JsonNode listed = (await server.GetAsync($"/v1/conversations/{conversation}/items?order=asc"))["data"]!;
        Assert.Equal(["message", "file_search_call", "message", "message", "message"], listed.AsArray().Select(item => (string)item!["type"]!));
        Assert.Null(listed[1]!["results"]);
        JsonNode item = await server.GetAsync($"/v1/conversations/{conversation}/items/{listed[1]!["id"]}?include=file_search_call.results");
        Assert.Single(item["results"]!.AsArray());
    }

    [Fact]
    public async Task A_function_beside_a_search_ends_the_response_and_its_result_goes_on_with_both()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Calls(("get_time", "{}"), ("file_search", """{"queries":["otters"]}"""), ("get_time", "{}")), ScriptedAnswers.Words("Late."));

        JsonNode first = await server.CreateAsync(Body(store, "", Function));
        JsonArray output = first["output"]!.AsArray();
        Assert.Equal(["function_call", "file_search_call", "function_call"], output.Select(item => (string)item!["type"]!));
        Assert.Equal(["completed", "completed", "completed"], output.Select(item => (string)item!["status"]!));
        Assert.Single(asked);

        string results = string.Join(',', output.Where(item => (string)item!["type"]! == "function_call").Select(item => $$"""{"type":"function_call_output","call_id":"{{item!["call_id"]}}","output":"12:00"}"""));
        JsonNode second = await server.CreateAsync($$"""{"model":"m","previous_response_id":"{{first["id"]}}","input":[{{results}}],"tools":[{{Tool(store)}},{{Function}}]}""");

        Assert.Equal("Late.", (string?)second["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal(["user", "assistant", "tool", "assistant", "tool", "tool"], JsonNode.Parse(asked[1].Chat.MessagesJson)!.AsArray().Select(message => (string)message!["role"]!));
    }

    [Fact]
    public async Task Searches_that_are_too_many_are_ignored_and_the_tool_is_withdrawn()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("one"), Calls(("file_search", """{"queries":["two"]}"""), ("file_search", """{"queries":["three"]}""")), ScriptedAnswers.Words("Done."));

        JsonNode response = await server.CreateAsync(Body(store, ",\"max_tool_calls\":2,\"tool_choice\":\"required\"", Function));

        Assert.Equal(["one", "two"], response["output"]!.AsArray().Where(item => (string)item!["type"]! == "file_search_call").Select(item => (string)item!["queries"]![0]!));
        Assert.Equal("Done.", (string?)response["output"]![2]!["content"]![0]!["text"]);
        Assert.Equal([2, 2, 1], asked.Select(request => JsonNode.Parse(request.Chat.ToolsJson)!.AsArray().Count));
        Assert.Equal([true, false, false], asked.Select(request => request.Chat.HasForcedTool));
        Assert.Equal("required", (string?)response["tool_choice"]);
        Assert.Equal(2, response["tools"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_model_that_only_searches_comes_to_an_end()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        server.Pool.Script = (request, _) => request.Chat.ToolsJson.Length > 0 ? Call("again") : ScriptedAnswers.Words("Enough.");

        JsonNode response = await server.CreateAsync(Body(store, ""));

        Assert.Equal(16, response["output"]!.AsArray().Count(item => (string)item!["type"]! == "file_search_call"));
        Assert.Equal(("completed", "Enough."), ((string?)response["status"], (string?)response["output"]![16]!["content"]![0]!["text"]));
    }

    [Fact]
    public async Task The_choice_of_the_tool_holds_until_it_was_called()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("otters"), ScriptedAnswers.Words("Yes."));

        await server.CreateAsync(Body(store, ",\"tool_choice\":{\"type\":\"file_search\"}", Function));

        Assert.Equal(("file_search", false), (asked[0].Chat.ForcedTool, asked[1].Chat.HasForcedTool));
    }

    [Fact]
    public async Task Without_the_tools_choice_the_model_is_not_told_of_it()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, ScriptedAnswers.Words("No."), ScriptedAnswers.Words("No."));

        await server.CreateAsync(Body(store, ",\"tool_choice\":\"none\""));
        await server.CreateAsync(Body(store, ",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"file_search\"}]}", Function));

        Assert.Equal("", asked[0].Chat.ToolsJson);
        Assert.Equal("file_search", (string?)Assert.Single(JsonNode.Parse(asked[1].Chat.ToolsJson)!.AsArray())!["function"]!["name"]);
    }

    [Theory]
    [InlineData("""{"queries":[]}""")]
    [InlineData("""{"queries":" """)]
    [InlineData("[]")]
    public async Task Arguments_that_ask_for_nothing_fail_and_the_model_is_told(string arguments)
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Calls(("file_search", arguments)), ScriptedAnswers.Words("Sorry."));

        List<JsonNode> events = await server.StreamAsync(Body(store, ",\"stream\":true"));

        Assert.Equal(
            ["response.file_search_call.in_progress", "response.file_search_call.searching", "response.output_item.done"], ResponseClient.TypesOf(events)[3..6]);
        Assert.Equal(("failed", "completed"), ((string?)events[5]["item"]!["status"], (string?)events[^1]["response"]!["status"]));
        Assert.Equal("The search gave no answer.", (string?)JsonNode.Parse(asked[1].Chat.MessagesJson)![2]!["content"]);
    }

    [Fact]
    public async Task A_store_that_is_deleted_meanwhile_fails_the_search_alone()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        var rounds = new Queue<IAsyncEnumerable<GenerateEvent>>([Call("otters"), ScriptedAnswers.Words("Sorry.")]);
        server.Pool.Script = (_, _) =>
        {
            server.Client.DeleteAsync($"{StoreClient.Stores}/{store}", CancellationToken.None).GetAwaiter().GetResult().Dispose();
            return rounds.Dequeue();
        };

        JsonNode response = await server.CreateAsync(Body(store, ""));

        Assert.Equal(("failed", "completed", "Sorry."), ((string?)response["output"]![0]!["status"], (string?)response["status"], (string?)response["output"]![1]!["content"]![0]!["text"]));
    }

    [Fact]
    public async Task Only_as_many_results_are_shown_to_the_model_as_its_context_has_room_for()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, [.. Enumerable.Range(0, 6).Select(i => $"otters number {i}")]);
        server.Pool.Models = [.. server.Pool.Models, new ModelDescription { Name = "m", ContextLength = 100, Chat = true }];
        server.Pool.Counts = request => new() { Tokens = 20 * (uint)request.Chat.MessagesJson.Split("otters number").Length };
        List<GenerateRequest> asked = Say(server, Call("otters"), ScriptedAnswers.Words("Yes."));

        JsonNode response = await server.CreateAsync(Body(store, ",\"max_output_tokens\":16,\"include\":[\"file_search_call.results\"]"));

        Assert.Equal(3, response["output"]![0]!["results"]!.AsArray().Count); // 20 · (3 + 1) + 16 ≤ 100
        Assert.Equal(4, asked[1].Chat.MessagesJson.Split("otters number").Length);
    }

    [Fact]
    public async Task All_rounds_together_write_no_more_than_was_asked_for()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("one"), Call("two"));

        JsonNode response = await server.CreateAsync(Body(store, ",\"max_output_tokens\":16"));

        Assert.Equal([16u, 7u], asked.Select(request => request.MaxTokens));
        Assert.Equal(("incomplete", "max_output_tokens"), ((string?)response["status"], (string?)response["incomplete_details"]!["reason"]));
    }

    [Fact]
    public async Task A_call_that_is_cut_is_not_searched()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        Say(server, new[]
        {
            ScriptedPool.Prompt(), new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Name = "file_search", Arguments = "{\"que" } } } },
            ScriptedPool.Finish(FinishReason.Length), new GenerateEvent { Usage = new Usage() },
        }.ToAsyncEnumerable());

        List<JsonNode> events = await server.StreamAsync(Body(store, ",\"stream\":true"));

        Assert.Equal(
            ["response.output_item.added", "response.file_search_call.in_progress", "response.output_item.done", "response.incomplete"], ResponseClient.TypesOf(events)[2..]);
        Assert.Equal("incomplete", (string?)events[^1]["response"]!["output"]![0]!["status"]);
    }

    [Fact]
    public async Task It_runs_in_the_background_too()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        server.Pool.Models = [.. server.Pool.Models, new ModelDescription { Name = "m", Chat = true }];
        Say(server, Call("otters"), ScriptedAnswers.Words("They do", "【1】."));

        List<JsonNode> events = await server.StreamAsync(Body(store, ",\"stream\":true,\"background\":true"));
        string id = (string)events[0]["response"]!["id"]!;

        JsonNode response = await server.WaitForAsync(id, "completed");
        Assert.Equal("They do.", (string?)response["output"]![1]!["content"]![0]!["text"]);
        Assert.Equal(events.Select(next => next.ToJsonString()), (await server.ResumeAsync(id)).Select(next => next.ToJsonString()));
    }

    [Fact]
    public async Task A_client_that_keeps_nothing_may_send_the_call_again()
    {
        await using GatewayServer server = await StartServerAsync();
        string store = await StoreAsync(server, "Otters hold hands.");
        List<GenerateRequest> asked = Say(server, Call("otters"), ScriptedAnswers.Words("Yes."), ScriptedAnswers.Words("And yes."), ScriptedAnswers.Words("And yes."));

        JsonNode first = await server.CreateAsync(Body(store, ",\"store\":false,\"include\":[\"file_search_call.results\"]"));
        string again = string.Join(',', first["output"]!.AsArray().Select(item => item!.ToJsonString()));
        await server.CreateAsync($$"""{"model":"m","store":false,"input":[{"role":"user","content":"otters?"},{{again}},{"role":"user","content":"Sure?"}]}""");
        await server.CreateAsync("""{"model":"m","input":[{"role":"user","content":"otters?"},{"type":"file_search_call","id":"fs_1","status":"completed","queries":["otters"],"results":null},{"role":"user","content":"Sure?"}]}""");

        Assert.Contains("Otters hold hands.", asked[2].Chat.MessagesJson, StringComparison.Ordinal);
        Assert.Equal("The search gave no answer.", (string?)JsonNode.Parse(asked[3].Chat.MessagesJson)![2]!["content"]);
    }

    [Theory]
    [InlineData("""{"type":"file_search"}""", "tools[0].vector_store_ids", "missing_required_parameter", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":[]}""", "tools[0].vector_store_ids", "empty_array", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":"vs_1"}""", "tools[0].vector_store_ids", "invalid_type", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_none"]}""", "tools", null, 404)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"],"max_num_results":51}""", "tools[0].max_num_results", "decimal_above_max_value", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"],"filters":{"type":"like","key":"a","value":"b"}}""", "tools[0].filters.type", "invalid_value", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"],"ranking_options":{"ranker":"best"}}""", "tools[0].ranking_options.ranker", "invalid_value", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"],"ranking_options":{"hybrid_search":{"text_weight":1}}}""", "tools[0].ranking_options.hybrid_search.embedding_weight", "missing_required_parameter", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"]},{"type":"file_search","vector_store_ids":["vs_2"]}""", "tools", "invalid_value", 400)]
    [InlineData("""{"type":"file_search","vector_store_ids":["vs_1"]},{"type":"function","name":"file_search"}""", "tools", "invalid_value", 400)]
    public async Task A_tool_that_cannot_be_is_refused_before_anything_runs(string tools, string param, string? code, int status)
    {
        await using GatewayServer server = await StartServerAsync();

        JsonNode error = await server.FailAsync(status, HttpMethod.Post, ResponseClient.Path, $$"""{"model":"m","input":"hi","stream":true,"tools":[{{tools}}]}""");

        Assert.Equal((param, code), ((string?)error["param"], (string?)error["code"]));
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task Filters_thresholds_and_numbers_of_results_are_kept_to_over_several_stores()
    {
        await using GatewayServer server = await StartServerAsync();
        string first = await StoreAsync(server, "otters sleep", "otters swim");
        string second = await StoreAsync(server, "otters eat fish");
        Say(server, Call("otters"), ScriptedAnswers.Words("Yes."), Call("otters"), ScriptedAnswers.Words("Yes."));

        JsonNode response = await server.CreateAsync(
            $$"""{"model":"m","input":"x","include":["file_search_call.results"],"tools":[{"type":"file_search","vector_store_ids":["{{first}}","{{second}}"],"max_num_results":2,"ranking_options":{"ranker":"auto","hybrid_search":{"embedding_weight":0,"text_weight":1} } }]}""");
        JsonNode none = await server.CreateAsync(
            $$"""{"model":"m","input":"x","include":["file_search_call.results"],"tools":[{"type":"file_search","vector_store_ids":["{{first}}"],"filters":{"type":"eq","key":"year","value":1} }]}""");

        Assert.Equal(2, response["output"]![0]!["results"]!.AsArray().Count);
        Assert.Equal(1, (double)response["output"]![0]!["results"]![1]!["score"]!);
        Assert.Equal("""{"embedding_weight":0,"text_weight":1}""", response["tools"]![0]!["ranking_options"]!["hybrid_search"]!.ToJsonString());
        Assert.Empty(none["output"]![0]!["results"]!.AsArray());
    }

    private static async Task<string> StoreAsync(GatewayServer server, params string[] texts)
    {
        StoreClient.Embed(server.Pool);
        JsonElement store = await StoreClient.CreateAsync(server);
        for (int i = 0; i < texts.Length; i++)
        {
            await StoreClient.AddAsync(server, StoreClient.IdOf(store), await StoreClient.UploadAsync(server, texts[i], $"f{i}.txt"));
        }

        return StoreClient.IdOf(store);
    }

    private static List<GenerateRequest> Say(GatewayServer server, params IAsyncEnumerable<GenerateEvent>[] rounds)
    {
        var asked = new List<GenerateRequest>();
        server.Pool.Script = (request, _) =>
        {
            asked.Add(request);
            return rounds[asked.Count - 1];
        };
        return asked;
    }

    private static IAsyncEnumerable<GenerateEvent> Call(string query) => Calls(("file_search", JsonSerializer.Serialize(new { queries = new[] { query } })));

    // The arguments of each come in two pieces.
    private static IAsyncEnumerable<GenerateEvent> Calls(params (string Name, string Arguments)[] calls) => calls
        .SelectMany((call, i) => new[]
        {
            new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Index = (uint)i, Name = call.Name, Arguments = call.Arguments[..1] } } } },
            new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Index = (uint)i, Arguments = call.Arguments[1..] } } } },
        })
        .Prepend(ScriptedPool.Prompt()).Append(ScriptedPool.Finish()).Append(new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 9 } }).ToAsyncEnumerable();

    private static string Tool(string store) => $$"""{"type":"file_search","vector_store_ids":["{{store}}"]}""";

    private static string Body(string store, string more, string? tool = null) =>
        $$"""{"model":"m","input":"otters?","tools":[{{Tool(store)}}{{(tool is null ? "" : "," + tool)}}]{{more}}}""";
}
