using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Handlers;
using HelixFlow.Agents.Journal;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Handlers;

/// <summary>Programs that do jobs may do what they like: their job ends with a reason, and nothing else is harmed.</summary>
public sealed partial class HandlerTests : IDisposable
{
    private const string Result = """echo '{"type":"result","output":1}'""";

    private static readonly RunOptions Once = new() { MaxAttempts = 1 };
    private static readonly RunOptions Quick = new() { MaxAttempts = 3, BackoffMs = 1, MaxBackoffMs = 1 };

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-handlers-").FullName;

    public HandlerTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "the programs of these tests are for Linux");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_program_gets_its_job_and_gives_a_result()
    {
        await using var host = new AgentHost();
        Sh("echo", """read -r job; printf '{"type":"result","output":%s}' "$job" """);
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("echo", """{"a":[1,"é"]}"""));

        Assert.Equal((RunState.Succeeded, 1), (run.State, run.Attempt));
        Assert.Equal(
            $$$"""{"attempt":1,"folder":"FOLDER","id":"{{{run.Id}}}","input":{"a":[1,"é"]},"job_type":"echo","labels":{},"project":"p","type":"job"}""",
            FolderOfJob().Replace(await host.OutputAsync(run.Id), "\"folder\":\"FOLDER\""));
    }

    [Fact]
    public async Task Steps_that_were_recorded_are_not_done_again_after_a_crash()
    {
        await using var host = new AgentHost();
        Python("steps", """
            import json, os, signal, sys
            def say(**message): print(json.dumps(message), flush=True)
            def hear(): return json.loads(sys.stdin.readline())
            job = hear()
            total = 0
            for i in range(4):
                say(type="step", address=f"step/{i}", name="square", input=i)
                answer = hear()
                if answer["type"] == "execute":
                    with open("log", "a") as log: log.write(f"{job['attempt']} {i} {answer['key']}\n")
                    if i == job["attempt"] < 3: os.kill(os.getpid(), signal.SIGKILL)
                    say(type="step_done", address=f"step/{i}", output=i * i)
                    answer = hear()
                assert answer["type"] == "recorded" and answer["address"] == f"step/{i}", answer
                total += answer["output"]
                say(type="progress", percent=25 * (i + 1), message=f"step {i}")
            say(type="result", output=total)
            """);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("steps", options: Quick);
        RunRecord run = await host.UntilEndedAsync(id);

        Assert.Equal((RunState.Succeeded, 3, "14"), (run.State, run.Attempt, await host.OutputAsync(id)));
        string[] done = [.. new[] { (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3) }.Select(at => $"{at.Item1} {at.Item2} {id}/step/{at.Item2}")];
        Assert.Equal(done, await File.ReadAllLinesAsync(Path.Combine(_folder, "log"), Token));
        JournalEvent.AttemptFailed failed = (await EventsAsync(host, id)).OfType<JournalEvent.AttemptFailed>().First();
        Assert.Equal(("handler_crashed", "The handler was ended by signal 9 before it gave a result."), (failed.Error.Code, failed.Error.Message));
    }

    [Fact]
    public async Task Steps_of_one_program_may_run_at_the_same_time()
    {
        await using var host = new AgentHost();
        Python("fan", """
            import json, sys
            def say(**message): print(json.dumps(message), flush=True)
            sys.stdin.readline()
            for i in range(20): say(type="step", address=f"{i}", name="double", effect="pure", input=i)
            got = {}
            while len(got) < 20:
                answer = json.loads(sys.stdin.readline())
                if answer["type"] == "execute": say(type="step_done", address=answer["address"], output=2 * int(answer["address"]))
                else: got[answer["address"]] = answer["output"]
            say(type="result", output=sum(got.values()))
            """);
        await using Started worker = Start(host);

        Assert.Equal("380", await SucceedAsync(host, await host.RequestAsync("fan")));
        Assert.Equal("380", await SucceedAsync(host, await host.RequestAsync("fan"))); // the pure steps come from the first run
    }

    [Fact]
    public async Task A_program_waits_for_signals_and_times_without_a_process()
    {
        await using var host = new AgentHost();
        Sh("wait", """
            read -r job; echo "$$" >> pids
            echo '{"type":"delay","address":"pause","seconds":0.02}'; read -r answer
            echo '{"type":"signal","address":"approval","name":"approve"}'; read -r answer
            printf '{"type":"result","output":%s}' "$answer"
            """);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("wait");
        await host.UntilAsync(id, static run => run is { State: RunState.Waiting, Signal: "approve" });
        foreach (string pid in await File.ReadAllLinesAsync(Path.Combine(_folder, "pids"), Token))
        {
            await UntilGoneAsync(pid);
        }

        await host.Journal.SignalAsync("p", id, "approve", JsonElement.Parse("\"yes\""), Token);
        Assert.Equal("""{"address":"approval","output":"yes","type":"signalled"}""", await SucceedAsync(host, id));
    }

    [Fact]
    public async Task What_a_program_says_last_on_its_standard_error_is_kept_with_the_failure()
    {
        await using var host = new AgentHost();
        Sh("loud", "yes 'a line of noise' | head -c 1000000 >&2; echo 'the disk is upside down' >&2; exit 7");
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("loud", options: Once));

        Assert.Equal(("handler_crashed", "The handler has ended with exit code 7 before it gave a result."), (run.Error!.Code, run.Error.Message));
        Assert.Equal(7, run.Error.Details!.Value.GetProperty("exit_code").GetInt32());
        string said = run.Error.Details.Value.GetProperty("stderr").GetString()!;
        Assert.EndsWith("the disk is upside down\n", said, StringComparison.Ordinal);
        Assert.Equal(16 * 1024, said.Length);
    }

    [Theory]
    [InlineData("""{"type":"error","code":"bad_input","message":"No such file."}""", 1, "bad_input")]
    [InlineData("""{"type":"error","code":"busy","message":"Not now.","retry":true}""", 3, "busy")]
    public async Task A_program_says_whether_its_failure_is_final(string message, int attempts, string code)
    {
        await using var host = new AgentHost();
        Sh("fail", $"echo '{message}'");
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("fail", options: Quick));

        Assert.Equal((RunState.Dead, attempts, code), (run.State, run.Attempt, run.Error!.Code));
    }

    [Fact]
    public async Task A_program_that_hangs_is_ended_with_all_that_it_has_started()
    {
        await using var host = new AgentHost();
        Sh("hang", "sleep 1000 & echo $! > child; echo $$ > parent; trap '' TERM; while :; do sleep 1; done", manifest => manifest["time_limit_seconds"] = 0.3);
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("hang", options: Once));

        Assert.Equal((RunState.Dead, "time_limit"), (run.State, run.Error!.Code));
        await UntilGoneAsync(await ReadAsync("child"));
        await UntilGoneAsync(await ReadAsync("parent"));
    }

    [Fact]
    public async Task What_a_program_leaves_behind_is_ended_and_its_result_counts()
    {
        await using var host = new AgentHost();
        Sh("leave", $"sleep 1000 & echo $! > child; {Result}");
        await using Started worker = Start(host);

        Assert.Equal("1", await SucceedAsync(host, await host.RequestAsync("leave")));
        await UntilGoneAsync(await ReadAsync("child"));
    }

    [Fact]
    public async Task A_program_that_takes_too_much_memory_is_ended_and_other_jobs_are_not_harmed()
    {
        await using var host = new AgentHost();
        Python("leak", """
            import time
            blocks = []
            while len(blocks) < 15: blocks.append(bytearray(b"x" * (20 << 20)))
            time.sleep(1000)
            """, manifest => manifest["memory_mb"] = 100);
        Sh("calm", $"read -r job; while [ ! -e go ]; do sleep 0.02; done; {Result}");
        await using Started worker = Start(host);
        string calm = await host.RequestAsync("calm");
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("leak", options: Once));
        await File.WriteAllTextAsync(Path.Combine(_folder, "go"), "", Token);

        Assert.Equal((RunState.Dead, "memory_limit"), (run.State, run.Error!.Code));
        Assert.Equal("1", await SucceedAsync(host, calm));
    }

    [Fact]
    public async Task Memory_counts_for_all_processes_of_a_program_together()
    {
        await using var host = new AgentHost();
        Python("leak", """
            import subprocess, sys
            children = [subprocess.Popen([sys.executable, "-c", "b = bytearray(b'x' * (60 << 20)); import time; time.sleep(1000)"]) for _ in range(4)]
            for child in children: child.wait()
            """, manifest => manifest["memory_mb"] = 180);
        await using Started worker = Start(host);

        Assert.Equal("memory_limit", (await host.UntilEndedAsync(await host.RequestAsync("leak", options: Once))).Error!.Code);
    }

    [Fact]
    public async Task A_job_that_is_cancelled_tells_its_program_to_end()
    {
        await using var host = new AgentHost();
        Sh("listen", "trap 'echo told > told; exit 0' TERM; echo $$ > parent; while :; do sleep 0.02; done");
        await using Started worker = Start(host);
        string id = await host.RequestAsync("listen");
        string pid = await UntilWrittenAsync("parent");
        await host.Journal.CancelAsync("p", id, "someone", Token);

        Assert.Equal(RunState.Cancelled, (await host.UntilEndedAsync(id)).State);
        await UntilGoneAsync(pid);
        Assert.Equal("told", await ReadAsync("told"));
    }

    [Fact]
    public async Task A_worker_that_stops_hands_the_jobs_of_its_programs_back()
    {
        await using var host = new AgentHost();
        Sh("endless", "echo $$ > parent; while :; do sleep 0.02; done");
        string id = await host.RequestAsync("endless");
        string pid;
        await using (Start(host))
        {
            pid = await UntilWrittenAsync("parent");
        }

        Assert.Equal((RunState.Ready, 0), ((await host.GetAsync(id)).State, (await host.GetAsync(id)).Attempt));
        await UntilGoneAsync(pid);
    }

    [Fact]
    public async Task A_program_that_crashes_at_every_start_does_not_use_up_the_jobs_that_wait()
    {
        await using var host = new AgentHost();
        var time = new StoppedTime();
        Sh("broken", "echo started >> log; exit 1");
        Sh("other", Result);
        await using Started worker = Start(host, time);
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.RequestAsync("broken", options: Once)));
        await UntilDeadAsync(host, ids, HandlerQuarantine.Patience);
        await SucceedAsync(host, await host.RequestAsync("other")); // done by the same worker, so that it has looked for jobs again

        Assert.Equal(HandlerQuarantine.Patience, await DeadAsync(host, ids));
        time.Advance(TimeSpan.FromSeconds(5));
        await UntilDeadAsync(host, ids, HandlerQuarantine.Patience + 1);
        Assert.Equal(HandlerQuarantine.Patience + 1, (await File.ReadAllLinesAsync(Path.Combine(_folder, "log"), Token)).Length);
        Sh("broken", Result);
        time.Advance(TimeSpan.FromSeconds(10));
        await UntilAsync(async () => await CountAsync(host, ids, RunState.Succeeded) == ids.Length - HandlerQuarantine.Patience - 1);
    }

    [Fact]
    public async Task A_worker_runs_no_more_of_a_program_than_its_manifest_allows()
    {
        await using var host = new AgentHost();
        Sh("two", $"echo + >> log; sleep 0.05; echo - >> log; {Result}", manifest => manifest["concurrency"] = 2);
        await using Started worker = Start(host);
        foreach (string id in await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => host.RequestAsync("two"))))
        {
            await host.UntilEndedAsync(id);
        }

        int running = 0;
        string[] log = await File.ReadAllLinesAsync(Path.Combine(_folder, "log"), Token);
        Assert.Equal(24, log.Length);
        Assert.All(log, line => Assert.InRange(running += line == "+" ? 1 : -1, 0, 2));
    }

    [Fact]
    public async Task A_program_sees_nothing_of_the_environment_of_its_worker_but_what_it_needs()
    {
        await using var host = new AgentHost();
        Sh("env", "env | cut -d= -f1 | sort > names; env | grep ^GREETING= > greeting; " + Result, manifest => manifest["env"] = new Dictionary<string, string> { ["GREETING"] = "hello" });
        await using Started worker = Start(host);
        await SucceedAsync(host, await host.RequestAsync("env"));

        Assert.Equal("GREETING=hello", await ReadAsync("greeting"));
        Assert.Empty((await File.ReadAllLinesAsync(Path.Combine(_folder, "names"), Token)).Except(["GREETING", "PATH", "HOME", "LANG", "TZ", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"]));
    }

    [Theory]
    [InlineData("echo hello", "handler_protocol")]
    [InlineData("echo '[1]'", "handler_protocol")]
    [InlineData("""echo '{"type":"sing"}'""", "handler_protocol")]
    [InlineData("""echo '{"type":"result"}'""", "handler_protocol")]
    [InlineData("""echo '{"type":"progress","percent":"half"}'""", "handler_protocol")]
    [InlineData("""echo '{"type":"step_done","address":"a","output":1}'""", "handler_protocol")]
    [InlineData("""echo '{"type":"step","address":"a","name":"n","effect":"none"}'; sleep 100""", "handler_protocol")]
    [InlineData("""echo '{"type":"step","address":"a","name":"n"}'; read -r j; read -r e; echo '{"type":"result","output":1}'; sleep 100""", "handler_protocol")]
    [InlineData("""echo '{"type":"step","address":"a","name":"n"}'; read -r j; read -r e; echo '{"type":"step_failed","address":"a","message":"m"}'; sleep 100""", "step_failed")]
    [InlineData("head -c 40000000 /dev/zero", "handler_protocol")]
    [InlineData("true", "handler_crashed")]
    [InlineData("no-such-program", "handler_crashed")]
    [InlineData("exec 1>&-; exit 3", "handler_crashed")]
    public async Task A_program_that_does_not_keep_to_the_protocol_fails_alone(string script, string code)
    {
        await using var host = new AgentHost();
        Sh("odd", script);
        Sh("fine", Result);
        await using Started worker = Start(host);
        string odd = await host.RequestAsync("odd", options: Once);

        Assert.Equal((RunState.Dead, code), ((await host.UntilEndedAsync(odd)).State, (await host.GetAsync(odd)).Error!.Code));
        Assert.Equal("1", await SucceedAsync(host, await host.RequestAsync("fine")));
    }

    [Fact]
    public async Task Whatever_a_program_says_its_job_ends_and_the_journal_stays_whole()
    {
        await using var host = new AgentHost();
        Sh("random", """read -r job; file=${job##*\"input\":\"}; cat "${file%%\"*}" """, manifest => manifest["concurrency"] = 8);
        await using Started worker = Start(host, slots: 8);
        var ids = new List<string>();
        for (int seed = 0; seed < 80; seed++)
        {
            string file = $"said-{seed}";
            await File.WriteAllTextAsync(Path.Combine(_folder, file), Babble(new Random(seed)), Token);
            ids.Add(await host.RequestAsync("random", $"\"{file}\"", Once));
        }

        foreach (string id in ids)
        {
            RunRecord run = await host.UntilAsync(id, static run => run.HasEnded || (run.State == RunState.Waiting && (run.Signal is not null || run.WaitsFor > 0)));
            Assert.True(
                run.State is RunState.Succeeded or RunState.Waiting
                    || run.Error!.Code is "handler_protocol" or "handler_crashed" or "invalid_output" or "job_error" or "step_failed" or "invalid_artifact" or "unknown_artifact" or "c", run.Error?.Code);
        }

        await Journal.Ledger.CheckAsync(host.Database, Token);
    }

    [Fact]
    public async Task An_output_that_its_schema_does_not_allow_is_refused()
    {
        await using var host = new AgentHost();
        Sh("typed", Result, manifest => manifest["output_schema"] = JsonElement.Parse("""{"type":"string"}"""));
        await using Started worker = Start(host);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("typed", options: Quick));

        Assert.Equal((RunState.Dead, 1, "invalid_output"), (run.State, run.Attempt, run.Error!.Code));
    }

    private static string Babble(Random random)
    {
        string[] lines =
        [
            """{"type":"progress","percent":50}""", """{"type":"progress","percent":-1e300,"message":"x"}""", """{"type":"step","address":"a","name":"n","input":{}}""",
            """{"type":"step","address":"a","name":"n","effect":"pure"}""", """{"type":"step_done","address":"a","output":[1]}""", """{"type":"step_failed","address":"a","message":""}""",
            """{"type":"signal","address":"s","name":"n"}""", """{"type":"delay","address":"d","seconds":0}""", """{"type":"result","output":null}""", """{"type":"result","output":1e999}""",
            """{"type":"start","address":"k","jobs":[{"type":"never","input":1}]}""", """{"type":"start","address":"k","jobs":[{"type":""}]}""", """{"type":"wait","address":"k"}""",
            """{"type":"next","address":"k"}""", """{"type":"artifact","name":"a.txt","text":"t"}""", """{"type":"artifact","name":"a.txt","path":"../a"}""", """{"type":"artifact","name":"","text":1}""",
            """{"type":"read","name":"a.txt"}""", """{"type":"read","hash":"0","as":"text"}""", """{"type":"ask","address":"q","question":[1]}""",
            """{"type":"error","code":"c","message":"m","retry":1}""", """{"type":1}""", "{}", "null", "", "   ", "{\"type\":\"result\"", "\u0000\uffff", "\"\\ud800\"",
        ];
        var text = new StringBuilder();
        for (int i = random.Next(8); i >= 0; i--)
        {
            string line = lines[random.Next(lines.Length)];
            text.Append(random.Next(4) == 0 && line.Length > 0 ? line[..random.Next(line.Length)] : line).Append(random.Next(10) == 0 ? "" : "\n");
        }

        return text.Append(random.Next(3) == 0 ? "" : "{\"type\":\"error\",\"code\":\"c\",\"message\":\"m\"}\n").ToString();
    }

    private void Sh(string name, string script, Action<Dictionary<string, object>>? change = null) => Write(name, ["sh", $"{name}.sh"], $"{name}.sh", script, change);

    private void Python(string name, string script, Action<Dictionary<string, object>>? change = null) => Write(name, ["python3", $"{name}.py"], $"{name}.py", script, change);

    private void Write(string name, string[] command, string file, string script, Action<Dictionary<string, object>>? change)
    {
        File.WriteAllText(Path.Combine(_folder, file), script + "\n");
        var manifest = new Dictionary<string, object> { ["name"] = name, ["command"] = command, ["description"] = "A test's." };
        change?.Invoke(manifest);
        File.WriteAllText(Path.Combine(_folder, $"{name}.json"), JsonSerializer.Serialize(manifest));
    }

    private Started Start(AgentHost host, TimeProvider? time = null, int slots = 4)
    {
        var handlers = new HandlerSet(HandlerManifest.ReadFolder(_folder), time ?? TimeProvider.System, NullLoggerFactory.Instance);
        var options = new WorkerOptions { Slots = slots, DrainLimit = TimeSpan.Zero, MostOfType = handlers.LimitOf, PollInterval = TimeSpan.FromMilliseconds(50) };
        return new Started(host.NewWorker(options, [.. handlers.Jobs]));
    }

    private async Task<string> ReadAsync(string file) => (await File.ReadAllTextAsync(Path.Combine(_folder, file), Token)).Trim();

    private async Task<string> UntilWrittenAsync(string file)
    {
        string text = "";
        await UntilAsync(async () => File.Exists(Path.Combine(_folder, file)) && (text = await ReadAsync(file)).Length > 0);
        return text;
    }

    private static async Task UntilGoneAsync(string pid) => await UntilAsync(async () =>
    {
        try
        {
            string stat = await File.ReadAllTextAsync($"/proc/{pid}/stat", Token);
            return stat[(stat.LastIndexOf(')') + 2)..].StartsWith('Z'); // dead, and nobody has asked how it ended
        }
        catch (IOException)
        {
            return true;
        }
    });

    private static async Task UntilAsync(Func<Task<bool>> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(TimeSpan.FromSeconds(120));
        while (!await isThere())
        {
            await Task.Delay(5, guard.Token);
        }
    }

    private static async Task<string> SucceedAsync(AgentHost host, string id)
    {
        RunRecord run = await host.UntilEndedAsync(id);
        Assert.True(run.State == RunState.Succeeded, string.Create(CultureInfo.InvariantCulture, $"{run.Error}"));
        return await host.OutputAsync(id);
    }

    private static async Task<IEnumerable<JournalEvent>> EventsAsync(AgentHost host, string id) =>
        (await host.Journal.EventsAsync("p", id, 0, 1000, Token)).Select(static numbered => numbered.Event);

    private static Task<int> DeadAsync(AgentHost host, string[] ids) => CountAsync(host, ids, RunState.Dead);

    private static async Task<int> CountAsync(AgentHost host, string[] ids, RunState state)
    {
        int count = 0;
        foreach (string id in ids)
        {
            count += (await host.GetAsync(id)).State == state ? 1 : 0;
        }

        return count;
    }

    private static Task UntilDeadAsync(AgentHost host, string[] ids, int count) => UntilAsync(async () => await DeadAsync(host, ids) >= count);

    private sealed class StoppedTime : TimeProvider
    {
        private long _ticks = System.GetTimestamp();

        public override long GetTimestamp() => Volatile.Read(ref _ticks);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, (long)(time.TotalSeconds * TimestampFrequency));
    }

    private sealed class Started : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _task;

        public Started(Worker worker) => _task = worker.RunAsync(_stopping.Token);

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await _task;
            _stopping.Dispose();
        }
    }
}
