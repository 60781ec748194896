using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>`helixflow worker` as a process of its own, on a real server, with a program that does jobs.</summary>
public sealed class WorkerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-worker-").FullName;

    public WorkerTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "the program of these tests is for Linux");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_job_of_a_killed_worker_goes_on_in_another_one_and_one_of_a_stopped_worker_too()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "hold.json"), """{"name": "hold", "description": "Waits for a file.", "command": ["sh", "hold.sh"], "concurrency": 4}""", Token);
        await File.WriteAllTextAsync(Path.Combine(_folder, "hold.sh"), """
            read -r job; echo $$ > pid
            say() { echo "$1"; read -r answer; case $answer in *execute*) echo "$2" >> log; echo "{\"type\":\"step_done\",\"address\":\"$2\",\"output\":1}"; read -r answer;; esac; }
            say '{"type":"step","address":"first","name":"first","input":1}' first
            while [ ! -e go ]; do sleep 0.05; done
            say '{"type":"step","address":"second","name":"second","input":1}' second
            echo '{"type":"result","output":{"done":true}}'
            """, Token);
        await using Server server = await Server.StartAsync();
        using HttpClient client = server.CreateClient();
        await using Worker killed = await StartAsync(server);
        await UntilAsync(async () => (await client.GetStringAsync("/api/v1/agent/job-types", Token)).Contains("Waits for a file.", StringComparison.Ordinal));
        string id = await SubmitAsync(client, new JsonObject { ["lease_ms"] = 5000, ["backoff_ms"] = 1, ["max_attempts"] = 50 });
        await UntilAsync(async () => (await client.GetStringAsync($"/api/v1/agent/jobs/{id}/steps", Token)).Contains("\"first\"", StringComparison.Ordinal));
        string program = (await File.ReadAllTextAsync(Path.Combine(_folder, "pid"), Token)).Trim();
        killed.KillAlone();
        await UntilAsync(() => Task.FromResult(!Directory.Exists($"/proc/{program}"))); // a program does not outlive its worker
        await using Worker stopped = await StartAsync(server);
        await UntilAsync(async () => (await GetAsync(client, id))["worker"]?.GetValue<string>() == stopped.Name);
        Assert.Equal(0, await stopped.TerminateAsync());
        JsonNode back = await GetAsync(client, id);
        Assert.Equal("ready", back["state"]!.GetValue<string>());

        await File.WriteAllTextAsync(Path.Combine(_folder, "go"), "", Token);
        await using Worker last = await StartAsync(server);
        await UntilAsync(async () => (await GetAsync(client, id))["state"]!.GetValue<string>() == "succeeded");
        Assert.Equal(["first", "second"], await File.ReadAllLinesAsync(Path.Combine(_folder, "log"), Token));
        JsonNode workers = (await client.GetFromJsonAsync<JsonNode>("/api/v1/agent/workers", Token))!;
        JsonNode listed = workers["data"]!.AsArray().Single(worker => worker!["worker"]!.GetValue<string>() == last.Name)!;
        Assert.Contains("hold", listed["types"]!.AsArray().Select(static type => type!.GetValue<string>()));
    }

    [Fact]
    public async Task A_worker_asks_the_models_of_its_server_over_the_connection()
    {
        await using Server server = await Server.StartAsync(arguments: ["--job-slots", "0"]); // nobody else does jobs
        using HttpClient client = server.CreateClient();
        await using Worker worker = await StartAsync(server, "--types", "summarise", "analyse-data");
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 6).Select(i =>
            SubmitAsync(client, null, "summarise", new JsonObject { ["text"] = $"The cat sat on mat {i}. The dog ran.", ["length"] = "short" })));
        foreach (string id in ids)
        {
            await UntilAsync(async () => (await GetAsync(client, id))["state"]!.GetValue<string>() == "succeeded");
            JsonNode result = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}/result", Token))!;
            Assert.True(result["usage"]!["completion_tokens"]!.GetValue<int>() > 0);
        }

        string table = await SubmitAsync(client, null, "analyse-data", new JsonObject { ["data"] = "x,y\n1,2\n2,4\n3,7\n", ["narrative"] = false });
        await UntilAsync(async () => (await GetAsync(client, table))["state"]!.GetValue<string>() == "succeeded");
        JsonNode workers = (await client.GetFromJsonAsync<JsonNode>("/api/v1/agent/workers", Token))!;
        Assert.Equal(worker.Name, Assert.Single(workers["data"]!.AsArray())!["worker"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_worker_does_all_built_in_types_with_the_models_and_searches_of_its_server()
    {
        string notes = Directory.CreateDirectory(Path.Combine(_folder, "notes")).FullName;
        await File.WriteAllTextAsync(Path.Combine(notes, "bridges.md"), "# Bridges\n\nFive bridges cross the river of Town17. The oldest one is of stone.\n", Token);
        await using Server server = await Server.StartAsync(arguments: ["--job-slots", "0", "--research-folder", notes]); // nobody else does jobs
        using HttpClient client = server.CreateClient();
        await using Worker worker = await StartAsync(server, "--slots", "4");
        var inputs = new Dictionary<string, JsonObject>
        {
            ["summarise"] = new() { ["text"] = "The cat sat on the mat. The dog ran.", ["length"] = "short" },
            ["analyse-data"] = new() { ["data"] = "x,y\n1,2\n2,4\n3,7\n", ["narrative"] = false },
            ["generate-content"] = new() { ["topic"] = "cats", ["template"] = "email", ["words_per_section"] = 10, ["outline"] = new JsonArray(new JsonObject { ["title"] = "Cats" }) },
            ["research"] = new() { ["question"] = "How many bridges cross the river of Town17?", ["max_sources"] = 1, ["breadth"] = 1, ["style"] = "brief" },
            ["agent"] = new()
            {
                ["goal"] = "What time is it?", ["tools"] = new JsonArray(new JsonObject { ["type"] = "builtin", ["name"] = "current_time" }), ["tool_choice"] = "required",
                ["max_answer_tokens"] = 64, ["budget"] = new JsonObject { ["max_steps"] = 3 },
            },
        };
        var ids = new Dictionary<string, string>();
        foreach ((string type, JsonObject input) in inputs)
        {
            ids[type] = await SubmitAsync(client, null, type, input);
        }

        foreach ((string type, string id) in ids)
        {
            await UntilAsync(async () => (await GetAsync(client, id))["state"]!.GetValue<string>() is "succeeded" or "dead");
            JsonNode job = await GetAsync(client, id);
            Assert.True(job["state"]!.GetValue<string>() == "succeeded", $"{type}: {job["error"]}");
            Assert.Equal(type == "analyse-data" ? 0 : 1, Math.Min(1, job["usage"]!["completion_tokens"]!.GetValue<int>()));
        }

        JsonNode report = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{ids["research"]}/result", Token))!;
        Assert.Equal("local:bridges.md", report["sources"]![0]!["url"]!.GetValue<string>());
        Assert.Contains("Town17", report["citations"]![0]!["quote"]!.GetValue<string>(), StringComparison.Ordinal);
        JsonNode answer = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{ids["agent"]}/result", Token))!;
        Assert.Equal("ok", answer["transcript"]!.AsArray().First(static entry => entry!["kind"]!.GetValue<string>() == "call")!["outcome"]!.GetValue<string>());
        Assert.Equal(worker.Name, Assert.Single((await client.GetFromJsonAsync<JsonNode>("/api/v1/agent/workers", Token))!["data"]!.AsArray())!["worker"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_worker_leaves_agents_to_a_server_that_has_other_rules_for_their_tools()
    {
        string rules = Path.Combine(_folder, "tools.json"), same = Path.Combine(_folder, "same.json");
        await File.WriteAllTextAsync(rules, """{"approve": ["unsafe"], "ports": [443]}""", Token);
        await File.WriteAllTextAsync(same, """
            // the same rules, written otherwise
            {"ports": [443], "approve": ["unsafe"],}
            """, Token);
        await using Server server = await Server.StartAsync(arguments: ["--job-slots", "0", "--agent-tools", rules]);
        using HttpClient client = server.CreateClient();
        await using Worker without = await StartAsync(server, "--slots", "1");
        await using Worker with = await StartAsync(server, "--slots", "1", "--agent-tools", same);
        using Process asked = Server.Cli(Server.Key, "worker", "--url", server.Address.ToString(), "--types", "agent");
        asked.Start();
        string said = await asked.StandardError.ReadToEndAsync(Token);
        await asked.WaitForExitAsync(Token);

        Assert.Equal((1, true), (asked.ExitCode, said.Contains("other rules for the tools of agents", StringComparison.Ordinal)));
        await UntilAsync(async () => (await client.GetFromJsonAsync<JsonNode>("/api/v1/agent/workers", Token))!["data"]!.AsArray().Count == 2);
        JsonArray workers = (await client.GetFromJsonAsync<JsonNode>("/api/v1/agent/workers", Token))!["data"]!.AsArray();
        Assert.Equal(["analyse-data", "generate-content", "research", "summarise"], TypesOf(without));
        Assert.Equal(["agent", "analyse-data", "generate-content", "research", "summarise"], TypesOf(with));

        string[] TypesOf(Worker worker) =>
            [.. workers.Single(one => one!["worker"]!.GetValue<string>() == worker.Name)!["types"]!.AsArray().Select(static type => type!.GetValue<string>())];
    }

    [Fact]
    public async Task A_worker_whose_key_is_not_taken_says_so_and_ends()
    {
        await using Server server = await Server.StartAsync();
        using Process process = Server.Cli("no-such-key", "worker", "--url", server.Address.ToString());
        process.Start();
        string said = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.Equal((1, true), (process.ExitCode, said.Contains("The key is not valid", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_worker_with_a_wrong_manifest_does_not_start()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "bad.json"), """{"name": "bad"}""", Token);
        using Process process = Server.Cli(Server.Key, "worker", "--url", "http://127.0.0.1:1", "--handlers", _folder);
        process.Start();
        string said = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.Equal(1, process.ExitCode);
        Assert.Contains("bad.json", said, StringComparison.Ordinal);
    }

    private async Task<Worker> StartAsync(Server server, params string[] arguments) =>
        await Worker.StartAsync(["worker", "--url", server.Address.ToString(), "--drain-seconds", "0", .. arguments.Length > 0 ? arguments : ["--handlers", _folder, "--types", "hold"]]);

    private static async Task<string> SubmitAsync(HttpClient client, JsonObject? options, string type = "hold", JsonObject? input = null)
    {
        var job = new JsonObject { ["type"] = type, ["input"] = input ?? new JsonObject() };
        if (options is not null)
        {
            job["options"] = options;
        }

        using HttpResponseMessage response = await client.PostAsJsonAsync("/api/v1/agent/jobs", job, Token);
        Assert.True(response.StatusCode == System.Net.HttpStatusCode.Created, await response.Content.ReadAsStringAsync(Token));
        return (await response.Content.ReadFromJsonAsync<JsonNode>(Token))!["id"]!.GetValue<string>();
    }

    private static async Task<JsonNode> GetAsync(HttpClient client, string id) => (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}", Token))!;

    private static async Task UntilAsync(Func<Task<bool>> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Patience);
        while (!await isThere())
        {
            await Task.Delay(25, guard.Token);
        }
    }

    /// <summary>A worker process that has begun to work.</summary>
    private sealed class Worker : IAsyncDisposable
    {
        private static int _started;

        private readonly Process _process;
        private readonly ConcurrentQueue<string> _said = new();

        private Worker(Process process, string name)
        {
            _process = process;
            Name = name;
            process.OutputDataReceived += (_, line) => _said.Enqueue(line.Data ?? "");
            process.ErrorDataReceived += (_, line) => _said.Enqueue(line.Data ?? "");
        }

        public string Name { get; }

        public static async Task<Worker> StartAsync(string[] arguments)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"worker-{Interlocked.Increment(ref _started)}");
            var worker = new Worker(Server.Cli(Server.Key, [.. arguments, "--name", name]), name);
            worker._process.Start();
            worker._process.BeginOutputReadLine();
            worker._process.BeginErrorReadLine();
            await UntilAsync(() => Task.FromResult(worker._process.HasExited
                ? throw new InvalidOperationException(string.Join('\n', worker._said))
                : worker._said.Any(line => line.Contains($"Worker {name} takes up to", StringComparison.Ordinal))));
            return worker;
        }

        public void KillAlone() => _process.Kill();

        public void Kill() => _process.Kill(entireProcessTree: true);

        public async Task<int> TerminateAsync()
        {
            using Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            await _process.WaitForExitAsync();
            return _process.ExitCode;
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited)
            {
                Kill();
                await _process.WaitForExitAsync();
            }

            TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', _said));
            _process.Dispose();
        }
    }
}
