using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Handlers;

public sealed partial class HandlerTests
{
    // What the programs of these tests begin with.
    private const string Talk = """
        import base64, json, os, pathlib, signal, sys, time
        def say(**message): print(json.dumps(message), flush=True)
        def hear(): return json.loads(sys.stdin.readline())
        job = hear()

        """;

    [Fact]
    public async Task A_program_has_other_jobs_done_and_gets_what_they_gave()
    {
        await using var host = new AgentHost();
        Python("parent", Talk + """
            say(type="start", address="fan", jobs=[{"type": "double", "input": 4, "labels": {"of": "fan"}}, {"type": "refuse", "input": None, "options": {"max_attempts": 1}}])
            started = hear()
            say(type="wait", address="fan")
            ended = hear()
            assert ended["type"] == "ended" and [child["id"] for child in ended["children"]] == started["ids"], ended
            say(type="result", output=[[child["state"], child.get("output"), child.get("error", {}).get("code")] for child in ended["children"]])
            """);
        Python("double", Talk + "say(type='result', output=2 * job['input'])");
        Python("refuse", Talk + "say(type='error', code='no', message='No.')");
        await using Started worker = Start(host);
        string id = await host.RequestAsync("parent");

        Assert.Equal("""[["succeeded",8,null],["dead",null,"no"]]""", await SucceedAsync(host, id));
        RunRecord twice = Assert.Single(await host.Journal.ListAsync("p", new RunFilter(null, "double", null, 10), Token));
        Assert.Equal("fan", twice.Labels!["of"]);
        Assert.Equal(1, (await host.GetAsync(id)).Attempt); // waiting is no failure
        await Journal.Ledger.CheckAsync(host.Database, Token);
    }

    [Fact]
    public async Task A_program_that_is_killed_between_the_start_of_a_job_and_the_wait_finds_the_same_job_again()
    {
        await using var host = new AgentHost();
        Python("parent", Talk + """
            say(type="start", address="c", jobs=[{"type": "double", "input": 4}])
            started = hear()
            with open("ids", "a") as log: log.write(started["ids"][0] + "\n")
            if job["attempt"] == 1: os.kill(os.getpid(), signal.SIGKILL)
            say(type="wait", address="c")
            say(type="result", output=hear()["children"][0]["output"])
            """);
        Python("double", Talk + "say(type='result', output=2 * job['input'])");
        await using Started worker = Start(host);
        string id = await host.RequestAsync("parent", options: Quick);

        Assert.Equal("8", await SucceedAsync(host, id));
        Assert.Equal(2, (await host.GetAsync(id)).Attempt);
        RunRecord child = Assert.Single(await host.Journal.ListAsync("p", new RunFilter(null, "double", null, 10), Token));
        Assert.Equal([child.Id], (await File.ReadAllLinesAsync(Path.Combine(_folder, "ids"), Token)).Distinct());
    }

    [Fact]
    public async Task A_program_takes_each_job_as_it_ends_and_in_the_same_order_again()
    {
        await using var host = new AgentHost();
        Python("parent", Talk + """
            say(type="start", address="fan", jobs=[{"type": "wait-for", "input": name} for name in ("a", "b", "c")])
            assert hear()["type"] == "started"
            order = []
            for _ in range(3):
                say(type="next", address="fan")
                next = hear()
                assert next["type"] == "child" and next["child"]["output"] == "abc"[next["index"]], next
                order.append(next["index"])
                say(type="step", address=f"after/{next['index']}", name="follow", input=next["index"])
                if hear()["type"] == "execute":
                    with open("log", "a") as log: log.write(f"{next['index']}\n")
                    say(type="step_done", address=f"after/{next['index']}", output=None)
                    hear()
            say(type="next", address="fan") if job["input"] else say(type="result", output=order)
            """);
        Python("wait-for", Talk + """
            while not os.path.exists("go-" + job["input"]): time.sleep(0.02)
            say(type="result", output=job["input"])
            """, manifest => manifest["concurrency"] = 3);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("parent", "false");
        foreach (string next in (string[])["c", "a", "b"])
        {
            await File.WriteAllTextAsync(Path.Combine(_folder, $"go-{next}"), "", Token);
            string index = $"{next[0] - 'a'}";
            await UntilAsync(async () => File.Exists(Path.Combine(_folder, "log")) && (await File.ReadAllLinesAsync(Path.Combine(_folder, "log"), Token)).Contains(index)); // no other one is waited for
        }

        Assert.Equal("[2,0,1]", await SucceedAsync(host, id));
        string more = await host.RequestAsync("parent", "true", Once);
        Assert.Equal((RunState.Dead, "handler_protocol"), ((await host.UntilEndedAsync(more)).State, (await host.GetAsync(more)).Error!.Code)); // there is no fourth one
    }

    [Fact]
    public async Task A_program_asks_people_and_says_what_its_steps_have_used_of_models()
    {
        await using var host = new AgentHost();
        Python("asking", Talk + """
            say(type="step", address="s", name="think", input=1)
            if hear()["type"] == "execute":
                say(type="step_done", address="s", output=2, usage={"model": "tiny", "prompt_tokens": 11, "completion_tokens": 3})
                hear()
            say(type="ask", address="q", question={"tool": "buy"})
            say(type="result", output=hear())
            """);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("asking");
        await host.UntilAsync(id, static run => run.State == RunState.Waiting);
        QuestionRecord question = Assert.Single(await host.Journal.QuestionsAsync("p", id, Token));
        Assert.Equal(("q", "buy"), (question.Address, question.Question.GetProperty("tool").GetString()));
        await host.Journal.AnswerAsync("p", id, "q", JsonElement.Parse("""{"decision":"approve"}"""), Token);

        Assert.Equal("""{"address":"q","output":{"decision":"approve"},"type":"answered"}""", await SucceedAsync(host, id));
        Assert.Equal(new RunUsage(1, 11, 3), (await host.GetAsync(id)).Usage);
    }

    [Fact]
    public async Task What_a_program_would_do_again_with_its_jobs_is_told_without_doing_it()
    {
        await using var host = new AgentHost();
        Python("parent", Talk + """
            say(type="start", address="c", jobs=[{"type": "double", "input": 4}])
            hear()
            say(type="wait", address="c")
            child = hear()["children"][0]
            say(type="read", name="note.txt", child=child["id"], **{"as": "text"})
            say(type="result", output=[child["output"], hear()["text"]])
            """);
        Python("double", Talk + "say(type='artifact', name='note.txt', text='n'); hear(); say(type='result', output=2 * job['input'])");
        await using Started worker = Start(host);
        string id = await host.RequestAsync("parent");
        Assert.Equal("[8,\"n\"]", await SucceedAsync(host, id));
        var handlers = new HelixFlow.Agents.Handlers.HandlerSet(
            HelixFlow.Agents.Handlers.HandlerManifest.ReadFolder(_folder), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);

        Staleness found = await new StalenessCheck(host.Journal, TimeProvider.System).ExplainAsync(handlers.Jobs.Single(static job => job.Name == "parent"), await host.GetAsync(id), null, null, Token);
        Assert.True(found.IsComplete, found.Stopped);
        Assert.Equal(("c", StepVerdict.Executed), (Assert.Single(found.Steps).Address, found.Steps[0].Verdict));
        Assert.Equal(2, (await host.Journal.ListAsync("p", new RunFilter(null, null, null, 10), Token)).Count);
    }

    [Theory]
    [InlineData("""{"type":"start","address":"a","jobs":[]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":{"type":"t"}}""")]
    [InlineData("""{"type":"start","address":"a","jobs":["t"]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":[{"input":1}]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":[{"type":"","input":1}]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":[{"type":"t","labels":{"a":1}}]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":[{"type":"t","options":{"max_attempts":"many"}}]}""")]
    [InlineData("""{"type":"start","address":"a","jobs":[{"type":"t"}]}{N}{"type":"start","address":"a","jobs":[{"type":"t"}]}""")]
    [InlineData("""{"type":"wait","address":"a"}""")]
    [InlineData("""{"type":"next"}""")]
    [InlineData("""{"type":"ask","address":"a"}""")]
    [InlineData("""{"type":"ask","address":"a","question":1,"expires_seconds":0}""")]
    [InlineData("""{"type":"ask","address":"a","question":1,"expires_seconds":1,"on_expiry":"shrug"}""")]
    [InlineData("""{"type":"artifact","name":"a.txt"}""")]
    [InlineData("""{"type":"artifact","name":"a.txt","text":"t","base64":"dA=="}""")]
    [InlineData("""{"type":"artifact","name":"a.txt","base64":"%%%"}""")]
    [InlineData("""{"type":"artifact","name":"../a.txt","text":"t"}""")]
    [InlineData("""{"type":"artifact","name":7,"text":"t"}""")]
    [InlineData("""{"type":"read"}""")]
    [InlineData("""{"type":"read","name":"a.txt","hash":"0"}""")]
    [InlineData("""{"type":"read","name":"a.txt","as":"song"}""")]
    [InlineData("""{"type":"read","name":"a.txt","child":"job_0"}""")]
    [InlineData("""{"type":"step","address":"a","name":"n"}{N}{"type":"step_done","address":"a","output":1,"usage":{"model":"m","prompt_tokens":-1,"completion_tokens":0}}""")]
    public async Task A_message_that_cannot_be_understood_ends_the_attempt(string said)
    {
        await using var host = new AgentHost();
        Python("odd", Talk + $"""
            for line in '''{said}'''.split("{"{N}"}"):
                print(line, flush=True)
                if '"step"' in line: hear()
            sys.stdin.read()
            """);
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("odd", options: Once));

        Assert.Equal((RunState.Dead, "handler_protocol"), (run.State, run.Error!.Code));
    }

    [GeneratedRegex("\"folder\":\"[^\"]+\"")]
    private static partial Regex FolderOfJob();
}
