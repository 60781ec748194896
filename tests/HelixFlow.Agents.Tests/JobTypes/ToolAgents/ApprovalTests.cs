using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Agents.Tests.Journal;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents;

public sealed class ApprovalTests
{
    private const string First = "turn/1/call/1/approval";
    private const string Second = "turn/1/call/2/approval";

    [Fact]
    public async Task A_call_waits_for_its_approval_and_holds_no_worker_meanwhile()
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("calculator", """{"expression":"1+1"}"""), ("current_time", "{}")]);
        using var tools = AgentRuns.Tools(new ToolOptions());
        string id = await AgentRuns.RequestAsync(host, model, Input("""{"tools":["calculator"]}"""), tools);

        RunRecord run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));
        Assert.Null(run.Worker);
        QuestionRecord question = Assert.Single(await host.Journal.QuestionsAsync("p", id, AgentHost.Token));
        Assert.Equal((First, "calculator", "1+1"), (question.Address, question.Question.Text("tool"), question.Question.GetProperty("arguments").Text("expression")));
        Assert.Null(question.Answer);
        JournalEvent.Asked asked = Assert.Single((await host.Journal.EventsAsync("p", id, 0, 1000, AgentHost.Token)).Select(static happened => happened.Event).OfType<JournalEvent.Asked>());
        Assert.Equal("1+1", asked.Question.GetProperty("arguments").Text("expression"));
        Assert.Contains(await host.Journal.StepsAsync("p", id, AgentHost.Token), static step => step.Address == "turn/1/call/2"); // the other call did not wait
        Assert.Equal(AnswerOutcome.NotAsked, await AnswerAsync(host, id, Second, """{"decision":"approve"}"""));
        Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, First, """{"decision":"approve","by":"Ann"}"""));
        Assert.Equal(AnswerOutcome.Answered, await AnswerAsync(host, id, First, """{"decision":"reject","by":"Bob"}"""));

        run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
        var output = JsonElement.Parse(await host.OutputAsync(run.Id));
        Assert.Equal("calculator ok: 2", output.Outcomes()[0]);
        Assert.Equal("Ann", output.GetProperty("transcript")[1].Text("by"));
        Assert.Equal(AnswerOutcome.UnknownRun, await AnswerAsync(host, "job_0", First, "{}"));
        Assert.Equal(2, model.Calls.Count); // no turn was asked for twice
        await Ledger.CheckAsync(host.Database, AgentHost.Token);
    }

    [Fact]
    public async Task A_rejected_call_is_not_made_and_the_model_is_told_why()
    {
        (JsonElement output, ScriptedModel model) = await RunAsync("""{"effects":["pure"]}""", [(First, """{"decision":"reject","reason":"too dear","by":"Ann"}""")], ("calculator", """{"expression":"1+1"}"""));

        Assert.Equal("calculator rejected: too dear", Assert.Single(output.Outcomes()));
        Assert.Equal("Error: a person has not allowed this call: too dear", model.Calls.Last().Messages[^1].Content);
    }

    [Fact]
    public async Task Edited_arguments_are_used_checked_and_told_to_the_model()
    {
        (JsonElement output, ScriptedModel model) = await RunAsync(
            """{"tools":["*"]}""",
            [(First, """{"decision":"approve","arguments":{"expr":1}}"""), (First + "/2", """{"decision":"approve","arguments":{"expression":"2+2"}}""")],
            ("calculator", """{"expression":"1+1"}"""));

        Assert.Equal("calculator ok: 4", Assert.Single(output.Outcomes()));
        Assert.Equal("""{"expression":"2+2"}""", output.GetProperty("transcript")[1].Text("arguments"));
        Assert.Equal("[A person has changed the arguments to {\"expression\":\"2+2\"}]\n4", model.Calls.Last().Messages[^1].Content);
    }

    [Fact]
    public async Task Several_calls_of_a_turn_can_be_decided_in_any_order()
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("calculator", """{"expression":"1"}"""), ("calculator", """{"expression":"2"}""")]);
        using var tools = AgentRuns.Tools(new ToolOptions { Approve = ["pure"] }); // the operator's wish
        string id = await AgentRuns.RequestAsync(host, model, Input("{}"), tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));

        Assert.Equal([First, Second], (await host.Journal.QuestionsAsync("p", id, AgentHost.Token)).Select(static question => question.Address));
        Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, Second, """{"decision":"reject"}"""));
        Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, First, """{"decision":"approve"}"""));
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));

        Assert.Equal(["calculator ok: 1", "calculator rejected: no reason was given"], JsonElement.Parse(await host.OutputAsync(id)).Outcomes());
        await Ledger.CheckAsync(host.Database, AgentHost.Token);
    }

    [Fact]
    public async Task An_approval_is_of_the_very_call_that_was_shown()
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model((call, before) => call.Messages.Count == 2 ? [("calculator", $$"""{"expression":"{{call.Messages[1].Content}}"}""")] : []);
        using var tools = AgentRuns.Tools(new ToolOptions { Approve = ["pure"] });
        string id = await AgentRuns.RequestAsync(host, model, Input("{}", "1"), tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));
        Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, First, """{"decision":"approve"}"""));
        await host.Journal.CancelAsync("p", id, "test", AgentHost.Token);

        // With another task the same address asks about another call.
        await host.Journal.RequeueAsync("p", id, System.Text.Encoding.UTF8.GetBytes(Input("{}", "2").ToJsonString()), "test", AgentHost.Token);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));

        Assert.Equal(["1", "2"], (await host.Journal.QuestionsAsync("p", id, AgentHost.Token)).Select(static question => question.Question.GetProperty("arguments").Text("expression")));
        Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, First, """{"decision":"approve"}"""));
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
        Assert.Equal("calculator ok: 2", Assert.Single(JsonElement.Parse(await host.OutputAsync(id)).Outcomes()));
    }

    [Theory]
    [InlineData("reject")]
    [InlineData("fail")]
    public async Task A_call_that_nobody_approves_in_time_is_rejected_or_fails_the_job_over_a_restart(string outcome)
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("calculator", """{"expression":"1+1"}""")]);
        using var tools = AgentRuns.Tools(new ToolOptions());
        string id = await AgentRuns.RequestAsync(host, model, Input($$"""{"tools":["*"],"expires_seconds":3600,"on_expiry":"{{outcome}}"}"""), tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));

        // Nobody runs while the time passes: the next process finds that it has.
        Agents.Journal.Journal restarted = host.NewJournal();
        restarted.ClockSkewMs = 3_600_000 + 60_000;
        while (await restarted.TickAsync(100, AgentHost.Token))
        {
        }

        RunRecord run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
        if (outcome == "fail")
        {
            Assert.Equal((RunState.Dead, "question_expired"), (run.State, run.Error!.Code));
            Assert.Single(model.Calls);
        }
        else
        {
            var output = JsonElement.Parse(await host.OutputAsync(id));
            Assert.Equal("calculator rejected: Nobody has answered within 3600 s.", Assert.Single(output.Outcomes()));
            Assert.Equal("expiry", output.GetProperty("transcript")[1].Text("by"));
        }

        Assert.Equal(AnswerOutcome.Expired, await AnswerAsync(host, id, First, """{"decision":"approve"}"""));
        await Ledger.CheckAsync(host.Database, AgentHost.Token);
    }

    [Theory]
    [InlineData("""{"expires_seconds":0}""")]
    [InlineData("""{"expires_seconds":"1h"}""")]
    [InlineData("""{"on_expiry":"approve"}""")]
    public void An_expiry_that_will_not_do_is_refused_before_the_job_is_queued(string approval)
    {
        using var tools = AgentRuns.Tools(new ToolOptions());
        var catalog = new Agents.Catalog.JobCatalog([new AgentJob(AgentRuns.Model(), tools)]);

        Assert.NotEmpty(catalog.Check("agent", JsonElement.Parse(Input(approval).ToJsonString())));
    }

    [Fact]
    public async Task Asking_what_would_be_done_again_asks_nobody()
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("calculator", """{"expression":"1"}""")]);
        using ToolHost tools = AgentRuns.Tools(new ToolOptions { Approve = ["pure"] });
        string id = await AgentRuns.RequestAsync(host, model, Input("{}"), tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));
        await AnswerAsync(host, id, First, """{"decision":"approve"}""");
        RunRecord run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
        long events = run.LastEvent;

        Staleness found = await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(new AgentJob(model, tools), run, null, null, AgentHost.Token);

        Assert.True(found.IsComplete, found.Stopped);
        Assert.Equal(StepVerdict.Executed, found.Steps.Single(static step => step.Address == First).Verdict); // a decision is never taken from another run
        Assert.Equal((events, 2), ((await host.GetAsync(id)).LastEvent, model.Calls.Count));
    }

    private static async Task<(JsonElement Output, ScriptedModel Model)> RunAsync(string approval, (string Address, string Answer)[] answers, params (string, string)[] calls)
    {
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model(calls);
        using var tools = AgentRuns.Tools(new ToolOptions());
        string id = await AgentRuns.RequestAsync(host, model, Input(approval), tools);
        await AgentRuns.WorkAsync(host, model, tools, async () =>
        {
            foreach ((string address, string answer) in answers)
            {
                await host.UntilAsync(id, static run => run.State == RunState.Waiting);
                Assert.Equal(AnswerOutcome.Taken, await AnswerAsync(host, id, address, answer));
                await host.UntilAsync(id, static run => run.State != RunState.Ready); // until a worker has it again, it does not wait for the next answer
            }

            return await host.UntilEndedAsync(id);
        });
        return (JsonElement.Parse(await host.OutputAsync(id)), model);
    }

    private static Task<AnswerOutcome> AnswerAsync(AgentHost host, string id, string address, string answer) =>
        host.Journal.AnswerAsync("p", id, address, JsonElement.Parse(answer), AgentHost.Token);

    private static JsonObject Input(string approval, string goal = "Do it.") => new()
    {
        ["goal"] = goal, ["tools"] = new JsonArray(AgentRuns.Tool("calculator"), AgentRuns.Tool("current_time")), ["approval"] = JsonNode.Parse(approval),
    };
}
