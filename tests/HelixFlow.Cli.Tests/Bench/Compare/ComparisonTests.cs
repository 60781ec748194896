using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Bench.Compare;
using HelixFlow.Cli.Bench.Engines;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Cli.Tests.Bench.Compare;

public sealed class ComparisonTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public async Task Rounds_alternate_and_the_peer_runs_at_its_better_setting()
    {
        var log = new List<string>();
        var ours = new ScriptedEngine("A", log, ("", round => 100 + round));
        var theirs = new ScriptedEngine("B", log, ("slow", _ => 10), ("fast", _ => 50));
        var plan = new ComparisonPlan(64, 8, [1, 4], 3, 2);

        List<ComparisonRow> rows = await BenchDisplay.ShowAsync(display => new Comparison(plan, ours, theirs, display).RunAsync(CancellationToken.None));

        Assert.Equal(["prefill", "decode 1", "decode 4"], rows.Select(row => row.Task.Name));
        Assert.All(rows, row => Assert.Equal("fast", row.PeerSetting));
        Assert.Equal(["A0", "B1", "A0", "B1", "A0", "B1"], log.Where(line => line.StartsWith("prefill", StringComparison.Ordinal)).TakeLast(6).Select(line => line.Split(' ')[^1]));

        // The setting was tried once; then came rounds 1 to 3 of the row.
        Assert.Equal(102.0 / 50, rows[0].Ratio, 9);
        Assert.Equal((101.0 / 50, 103.0 / 50), (rows[0].RoundRatios.Min, rows[0].RoundRatios.Max));
        JsonObject json = ComparisonReport.Json(rows[2], "m.gguf", "llama.cpp", plan);
        Assert.Equal(4, (int)json["sequences"]!);
        Assert.Equal(Math.Round(rows[2].Ratio, 4), (double)json["ratio"]!);
        var output = new StringWriter();
        ComparisonReport.WriteTable(output, rows, "m.gguf", "llama.cpp", plan);
        Assert.Equal("F16", (string)json["kv_type"]!);
        Assert.Equal(KvType.F16, plan.Room.KvType);
        Assert.Contains("keys and values as F16", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("decode 4 (peer: fast)", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_answers_each_line_with_a_rate()
    {
        string model = Model();
        var room = new EngineRoom(2, 40, 1);
        var input = new StringReader(Ask(new EngineTask(32, 0, 1)) + Ask(new EngineTask(32, 6, 2)) + Ask(new EngineTask(32, 6, 1)));
        var output = new StringWriter();

        Assert.Equal(0, await EngineWorker.RunAsync(new EngineWorkerOptions(EngineWorker.HelixFlow, model, null, room), input, output, TimeProvider.System, CancellationToken.None));

        JsonObject[] lines = [.. output.ToString().TrimEnd().Split('\n').Select(line => JsonNode.Parse(line)!.AsObject())];
        Assert.Equal(4, lines.Length);
        Assert.Single(lines[0]["settings"]!.AsArray());
        Assert.All(lines.Skip(1), line => Assert.True((double)line["tokens_per_second"]! > 0));
    }

    [Fact]
    public async Task A_worker_says_why_it_cannot_load()
    {
        var output = new StringWriter();

        Assert.Equal(1, await EngineWorker.RunAsync(
            new EngineWorkerOptions(EngineWorker.HelixFlow, _folder["missing.gguf"], null, new EngineRoom(1, 40, 1)), TextReader.Null, output, TimeProvider.System, CancellationToken.None));

        Assert.Contains("missing.gguf", (string)JsonNode.Parse(output.ToString())!["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_that_is_too_short_is_told()
    {
        var output = new StringWriter();

        await EngineWorker.RunAsync(
            new EngineWorkerOptions(EngineWorker.HelixFlow, Model(), null, new EngineRoom(1, 100_000, 1)), TextReader.Null, output, TimeProvider.System, CancellationToken.None);

        Assert.Contains("smaller --prompt", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Engines_in_processes_of_their_own_are_measured_and_ended()
    {
        var plan = new ComparisonPlan(16, 4, [1, 2], 2, 1);
        string model = Model();
        await using EngineProcess ours = await EngineProcess.StartAsync(new EngineWorkerOptions(EngineWorker.HelixFlow, model, null, plan.Room), CancellationToken.None);
        await using EngineProcess theirs = await EngineProcess.StartAsync(new EngineWorkerOptions(EngineWorker.HelixFlow, model, null, plan.Room), CancellationToken.None);

        List<ComparisonRow> rows = await BenchDisplay.ShowAsync(display => new Comparison(plan, ours, theirs, display).RunAsync(CancellationToken.None));

        Assert.Equal(3, rows.Count);
        Assert.All(rows, row => Assert.True(row.Ratio > 0));
    }

    [Fact]
    public async Task A_process_that_cannot_load_its_library_says_so()
    {
        var options = new EngineWorkerOptions(EngineWorker.LlamaCpp, Model(), _folder["libllama.so"], new EngineRoom(1, 32, 1));

        BenchException exception = await Assert.ThrowsAsync<BenchException>(() => EngineProcess.StartAsync(options, CancellationToken.None));

        Assert.Contains("there is no libllama.so", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_engines_continue_alike_and_again_after_being_rewound()
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        string path = Model();
        var room = new EngineRoom(2, 64, 1);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using var theirs = new LlamaCppEngine(model, room, flashAttention: false);
        using HelixFlowEngine ours = HelixFlowEngine.Load(HelixFlow.Engine.Models.ModelFile.Open(path), room);

        int[][][] continuations = [.. ((IMeasuredEngine[])[ours, theirs]).SelectMany(engine =>
        {
            var meter = new EngineMeter(engine, TimeProvider.System);
            meter.WarmUp(24, 2);
            Assert.Equal(2, meter.PrefillMissing(2, 24).Count);
            meter.Decode(2, 12, out int[][] first);
            meter.Prefill(0, 24);
            meter.Decode(2, 12, out int[][] second);
            return (int[][][])[first, second];
        })];

        Assert.All(continuations, tokens => Assert.Equal(continuations[0], tokens));
    }

    public void Dispose() => _folder.Dispose();

    private string Model()
    {
        string path = _folder["nano.gguf"];
        RandomModel.Write("nano", "llama", TensorType.F32, path);
        return path;
    }

    private static string Ask(EngineTask task) => new JsonObject { ["task"] = JsonSerializer.SerializeToNode(task), ["setting"] = 0 }.ToJsonString() + "\n";

    private sealed class ScriptedEngine(string name, List<string> log, params (string Name, Func<int, double> Rate)[] settings) : IComparedEngine
    {
        private readonly Dictionary<EngineTask, int> _rounds = [];

        public IReadOnlyList<string> Settings => [.. settings.Select(setting => setting.Name)];

        public Task<double> MeasureAsync(EngineTask task, int setting, CancellationToken cancellationToken)
        {
            log.Add($"{task.Name} {name}{setting}");
            int round = _rounds.GetValueOrDefault(task);
            _rounds[task] = round + 1;
            return Task.FromResult(settings[setting].Rate(round));
        }
    }
}
