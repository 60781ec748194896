using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Agents;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents;

public sealed class AgentJobTests
{
    private const string TwoTimesThree = """{"expression":"2 * 3"}""";

    [Fact]
    public async Task It_calls_tools_until_it_knows_the_answer()
    {
        ScriptedModel model = AgentRuns.Model([("calculator", TwoTimesThree)], [("calculator", """{"expression":"6 + 1"}"""), ("current_time", "")]);
        (RunRecord run, JsonElement output) = await AgentRuns.RunAsync(model, Input("What is it?", "calculator", "current_time"));

        Assert.Equal("answered", output.Text("stop_reason"));
        Assert.EndsWith("day", output.Text("answer"), StringComparison.Ordinal); // the script repeats the last result: the time
        Assert.Equal(["calculator ok: 6", "calculator ok: 7"], output.Outcomes()[..2]);
        Assert.Equal((3, 3), (output.GetProperty("turns").GetInt32(), output.GetProperty("calls").GetInt32()));
        Assert.Equal(
            ["turn/1", "turn/1/call/1", "turn/2", "turn/2/call/1", "turn/2/call/2", "turn/3"],
            output.GetProperty("transcript").EnumerateArray().Select(static entry => entry.Text("address")));
        Assert.Equal("2 3 1", string.Join(' ', run.Usage.ModelCalls - 1, run.Usage.ModelCalls, run.Attempt));
        ModelCall last = model.Calls.Last();
        Assert.Equal(["system", "user", "assistant", "tool", "assistant", "tool", "tool"], last.Messages.Select(static message => message.Role));
        Assert.Equal(["call_1_1", "call_2_1", "call_2_2"], last.Messages.SelectMany(static message => message.Calls ?? []).Select(static call => call.Id));
        Assert.Equal(["call_1_1", "call_2_1", "call_2_2"], last.Messages.Where(static message => message.Role == "tool").Select(static message => message.CallId));
    }

    [Fact]
    public async Task Steps_have_the_effect_classes_of_their_tools()
    {
        await using var host = new AgentHost();
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model([("calculator", TwoTimesThree), ("current_time", "{}")]), Input("Go.", "calculator", "current_time"));
        Dictionary<string, EffectClass> steps = (await host.Journal.StepsAsync("p", run.Id, AgentHost.Token)).ToDictionary(static step => step.Address, static step => step.Class);

        Assert.Equal((EffectClass.Recorded, EffectClass.Pure, EffectClass.Recorded), (steps["turn/1"], steps["turn/1/call/1"], steps["turn/1/call/2"]));
    }

    [Fact]
    public async Task What_cannot_be_called_is_told_to_the_model()
    {
        ScriptedModel model = AgentRuns.Model(
            [("abacus", "{}"), ("calculator", "{"), ("calculator", """{"expresion":"1"}"""), ("calculator", """{"expression":7}"""), ("calculator", "[]"), ("calculator", """{"expression":"1/0"}""")]);
        (_, JsonElement output) = await AgentRuns.RunAsync(model, Input("Try.", "calculator"));

        string[] outcomes = output.Outcomes();
        Assert.Equal("abacus not_made: There is no tool 'abacus'. There are: calculator.", outcomes[0]);
        Assert.StartsWith("calculator not_made: The arguments are no JSON", outcomes[1], StringComparison.Ordinal);
        Assert.Contains("'/expression' is missing", outcomes[2], StringComparison.Ordinal);
        Assert.Contains("'/expresion' is not known", outcomes[2], StringComparison.Ordinal);
        Assert.Contains("must be of type string", outcomes[3], StringComparison.Ordinal);
        Assert.Contains("must be of type object", outcomes[4], StringComparison.Ordinal);
        Assert.Equal("calculator error: The expression has no finite value.", outcomes[5]);
        Assert.All(model.Calls.Last().Messages.Where(static message => message.Role == "tool"), static message => Assert.StartsWith("Error: ", message.Content, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Documents_can_be_searched_and_queried()
    {
        ScriptedModel model = AgentRuns.Model(
            [("search_documents", """{"query":"capital of France"}"""), ("json_query", """{"path":"$.prices[?@ > 2]","document":"data"}"""), ("json_query", """{"path":"$[","json":"1"}"""), ("json_query", """{"path":"$"}""")]);
        JsonObject input = Input("Look.", "search_documents", "json_query");
        input["documents"] = new JsonArray(
            new JsonObject { ["name"] = "facts", ["text"] = "Rome is in Italy. The capital of France is Paris." }, new JsonObject { ["name"] = "data", ["text"] = """{"prices":[1,2,3,4]}""" });
        (_, JsonElement output) = await AgentRuns.RunAsync(model, input);

        Assert.Equal(
            [
                "search_documents ok: [1] facts: Rome is in Italy. The capital of France is Paris.", "json_query ok: [3,4]",
                "json_query error: At character 3 of the path: a name in quotes, a number, '*' or '?' must stand here.", "json_query error: Give 'json', or as 'document' one of: facts, data.",
            ],
            output.Outcomes());
    }

    [Fact]
    public async Task A_result_that_is_too_long_is_shortened()
    {
        ScriptedModel model = AgentRuns.Model([("json_query", """{"path":"$","document":"1"}""")]);
        JsonObject input = Input("Look.", "json_query");
        input["documents"] = new JsonArray(new JsonObject { ["text"] = $"\"{new string('x', 5000)}\"" });
        input["max_result_characters"] = 100;
        (_, JsonElement output) = await AgentRuns.RunAsync(model, input);

        Assert.EndsWith("x\n[shortened: 100 of 5004 characters]", output.Outcomes()[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_call_again_and_again_is_a_loop_that_ends()
    {
        ScriptedModel model = AgentRuns.Model((_, _) => [("calculator", TwoTimesThree)]);
        (_, JsonElement output) = await AgentRuns.RunAsync(model, Input("Never stop.", "calculator"));

        Assert.Equal("loop", output.Text("stop_reason"));
        Assert.Equal(["calculator ok", "calculator ok", "calculator ok", "calculator not_made"], output.Outcomes().Select(static outcome => outcome.Split(':')[0]));
        Assert.Equal("No more tools can be called. Answer now with what you know.", output.Text("answer"));
        Assert.Null(model.Calls.Last().Tools);
    }

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 2, 0)]
    [InlineData(3, 2, 1)]
    [InlineData(6, 3, 3)]
    [InlineData(7, 3, 4)]
    public async Task The_budget_of_steps_is_kept_and_leaves_room_for_an_answer(int most, int turns, int made)
    {
        int number = 0;
        ScriptedModel model = AgentRuns.Model((_, _) => [("calculator", $$"""{"expression":"{{number++}}"}"""), ("calculator", $$"""{"expression":"{{number++}}"}""")]);
        JsonObject input = Input("Count.", "calculator");
        input["budget"] = new JsonObject { ["max_steps"] = most };
        (_, JsonElement output) = await AgentRuns.RunAsync(model, input);

        Assert.Equal("max_steps", output.Text("stop_reason"));
        int ok = output.Outcomes().Count(static outcome => outcome.Contains(" ok:", StringComparison.Ordinal));
        Assert.Equal((turns, made), (output.GetProperty("turns").GetInt32(), ok));
        Assert.NotEmpty(output.Text("answer"));
    }

    [Fact]
    public async Task No_question_is_asked_that_the_budget_of_tokens_or_money_has_no_room_for()
    {
        foreach (string kind in (string[])["max_tokens", "max_cost"])
        {
            for (int most = 40; most <= 3000; most += 370)
            {
                int number = 0;
                ScriptedModel model = AgentRuns.Model((_, _) => [("calculator", $$"""{"expression":"{{number++}}"}""")], static _ => new string('w', 300));
                JsonObject input = Input("Count.", "calculator");
                input["budget"] = kind == "max_tokens" ? new JsonObject { ["max_tokens"] = most } : new JsonObject
                {
                    ["max_cost"] = most / 1000m, ["prices"] = new JsonObject { ["prompt_per_million"] = 1000, ["completion_per_million"] = 1000 },
                };
                (RunRecord run, JsonElement output) = await AgentRuns.RunAsync(model, input);

                Assert.Equal(kind, output.Text("stop_reason"));
                Assert.InRange(run.Usage.PromptTokens + run.Usage.CompletionTokens, 0, most);
                Assert.Equal(most > 40, run.Usage.ModelCalls > 0);
                if (kind == "max_cost")
                {
                    Assert.Equal((run.Usage.PromptTokens + run.Usage.CompletionTokens) / 1000m, output.GetProperty("cost").GetDecimal());
                }
            }
        }
    }

    [Fact]
    public async Task A_long_conversation_is_shortened_to_the_context_and_the_task_stays()
    {
        int number = 0;
        ScriptedModel model = AgentRuns.Model(
            (_, before) => before < 12 ? [("json_query", $$"""{"path":"$[{{number++}}]","document":"1"}""")] : [], static _ => "thinking", context: 2000);
        JsonObject input = Input("Read it all.", "json_query");
        input["documents"] = new JsonArray(new JsonObject { ["text"] = $"[{string.Join(',', Enumerable.Range(0, 12).Select(static i => $"\"value{i} {new string('y', 3000)}\""))}]" });
        input["max_answer_tokens"] = 100;
        (_, JsonElement output) = await AgentRuns.RunAsync(model, input); // the scripted model refuses what does not fit

        Assert.Equal("answered", output.Text("stop_reason"));
        ModelMessage task = model.Calls.Last().Messages[1];
        Assert.StartsWith("Read it all.\n\n[Earlier steps are left out", task.Content, StringComparison.Ordinal);
        Assert.Contains("json_query({\"path\":\"$[4]\",\"document\":\"1\"}) gave: [\"value4 yyy", task.Content, StringComparison.Ordinal);
        Assert.Contains(output.GetProperty("transcript").EnumerateArray(), static entry => entry.TryGetProperty("left_out", out JsonElement left) && left.GetInt32() >= 5);
        Assert.Equal(12, output.Outcomes().Count(static outcome => outcome.Contains("[shortened:", StringComparison.Ordinal) || outcome.Length > 3000)); // the transcript has it all
    }

    [Fact]
    public async Task An_answer_of_a_schema_is_asked_for_last_and_without_tools()
    {
        const string Schema = """{"properties":{"n":{"type":"integer"}},"required":["n"],"type":"object"}""";
        ScriptedModel model = AgentRuns.Model(static (_, before) => before == 0 ? [("calculator", TwoTimesThree)] : [], static call => call.Schema is null ? "It is six." : """{"n":6}""");
        JsonObject input = Input("How many?", "calculator");
        input["output_schema"] = JsonNode.Parse(Schema);
        (_, JsonElement output) = await AgentRuns.RunAsync(model, input);

        Assert.Equal((6, "answered"), (output.GetProperty("answer").GetProperty("n").GetInt32(), output.Text("stop_reason")));
        Assert.Equal([null, null, Schema], model.Calls.Select(static call => call.Schema));
        Assert.Null(model.Calls.Last().Tools);
        (_, output) = await AgentRuns.RunAsync(new ScriptedModel(4000, static _ => """{"n":7}"""), new JsonObject { ["goal"] = "?", ["output_schema"] = JsonNode.Parse(Schema) });
        Assert.Equal((7, 1), (output.GetProperty("answer").GetProperty("n").GetInt32(), output.GetProperty("turns").GetInt32())); // without tools at once
    }

    [Fact]
    public async Task The_first_turn_can_be_made_to_call_a_tool()
    {
        ScriptedModel model = AgentRuns.Model([("calculator", TwoTimesThree)]);
        JsonObject input = Input("Go.", "calculator");
        input["tool_choice"] = "required";
        await AgentRuns.RunAsync(model, input);
        Assert.Equal(["", null], model.Calls.Select(static call => call.ForcedTool));
    }

    [Fact]
    public async Task After_a_failure_nothing_that_was_recorded_is_done_again()
    {
        ScriptedModel undisturbed = Counting(), model = Counting();
        (_, JsonElement expected) = await AgentRuns.RunAsync(undisturbed, Input("Count.", "calculator"));
        model.FailAfter = 3;
        (RunRecord run, JsonElement output) = await AgentRuns.RunAsync(model, Input("Count.", "calculator"));

        Assert.True(run.Attempt > 1);
        Assert.Equal(expected.GetRawText(), output.GetRawText());
        Assert.Equal(undisturbed.Calls.Count, model.Calls.Count);
    }

    [Theory]
    [InlineData("""{"goal":"x","tools":[{"type":"builtin","name":"hammer"}]}""", "unknown_tool")]
    [InlineData("""{"goal":"x","tools":[{"type":"builtin","name":"calculator"},{"type":"builtin","name":"calculator"}]}""", "duplicate_tool")]
    [InlineData("""{"goal":"x","tool_choice":"calculator"}""", "unknown_tool")]
    [InlineData("""{"messages":[{"role":"assistant","content":"x"}]}""", "no_task")]
    [InlineData("""{"goal":"x","budget":{"max_cost":1}}""", "unknown_price")]
    [InlineData("""{"goal":"x","model":"other"}""", "unknown_model")]
    public async Task What_cannot_be_done_fails_at_once_and_says_why(string input, string code)
    {
        await using var host = new AgentHost();
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model(), JsonNode.Parse(input)!.AsObject());

        Assert.Equal((RunState.Dead, code, 1), (run.State, run.Error?.Code, run.Attempt));
    }

    [Fact]
    public async Task A_long_task_leaves_less_for_the_answer()
    {
        ScriptedModel model = AgentRuns.Model((_, _) => [], context: 1000);
        (RunRecord run, _) = await AgentRuns.RunAsync(model, new JsonObject { ["goal"] = new string('x', 2800) });

        Assert.Equal(RunState.Succeeded, run.State);
        Assert.InRange(Assert.Single(model.Calls).MaxTokens, 125, 300); // 700 tokens are the goal's
    }

    [Fact]
    public async Task A_task_that_no_context_can_hold_fails_and_says_why()
    {
        await using var host = new AgentHost();
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model((_, _) => [], context: 300), new JsonObject { ["goal"] = new string('x', 4000) });

        Assert.Equal((RunState.Dead, "context_too_small"), (run.State, run.Error?.Code));
    }

    [Fact]
    public async Task The_operators_prices_count_where_the_job_has_none()
    {
        var options = new ToolOptions { Prices = new Dictionary<string, ModelPrice> { ["scripted"] = new() { PromptPerMillion = 1_000_000, CompletionPerMillion = 2_000_000 } } };
        (RunRecord run, JsonElement output) = await AgentRuns.RunAsync(AgentRuns.Model(), Input("Hello."), options);

        Assert.Equal(run.Usage.PromptTokens + (2 * run.Usage.CompletionTokens), output.GetProperty("cost").GetDecimal());
    }

    private static ScriptedModel Counting() =>
        AgentRuns.Model(static (_, before) => before < 4 ? [("calculator", $$"""{"expression":"{{before}} + 1"}"""), ("calculator", $$"""{"expression":"{{before}} + 2"}""")] : []);

    private static JsonObject Input(string goal, params string[] tools)
    {
        var input = new JsonObject { ["goal"] = goal };
        if (tools.Length > 0)
        {
            input["tools"] = new JsonArray([.. tools.Select(AgentRuns.Tool)]);
        }

        return input;
    }
}
