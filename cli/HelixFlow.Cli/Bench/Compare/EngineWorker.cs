using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Bench.Engines;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;

namespace HelixFlow.Cli.Bench.Compare;

/// <summary>What a worker process loads.</summary>
/// <param name="Engine"><see cref="EngineWorker.HelixFlow"/> or <see cref="EngineWorker.LlamaCpp"/>.</param>
/// <param name="Model">The model's path.</param>
/// <param name="Library">llama.cpp's library; null searches.</param>
/// <param name="Room">What the measurements need at most.</param>
internal sealed record EngineWorkerOptions(string Engine, string Model, string? Library, EngineRoom Room);

/// <summary>The process of one engine in <c>bench compare</c>: a line of JSON asks for a measurement, a line answers.</summary>
/// <remarks>
/// The first line that it writes says what it has loaded. Between the lines it waits without using a core. It ends with its input, so it
/// cannot outlive the process that started it.
/// </remarks>
internal static class EngineWorker
{
    public const string HelixFlow = "helixflow";
    public const string LlamaCpp = "llama.cpp";

    public static async Task<int> RunAsync(EngineWorkerOptions options, TextReader input, TextWriter output, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            long start = time.GetTimestamp();
            using var engines = new LoadedEngines(options);
            EngineMeter[] meters = [.. engines.Settings.Select(setting => new EngineMeter(setting.Engine, time))];
            await WriteAsync(output, new JsonObject
            {
                ["settings"] = new JsonArray([.. engines.Settings.Select(setting => JsonValue.Create(setting.Name))]),
                ["load_seconds"] = time.GetElapsedTime(start).TotalSeconds,
            });
            while (await input.ReadLineAsync(cancellationToken) is { } line)
            {
                JsonObject ask = JsonNode.Parse(line)!.AsObject();
                EngineTask task = ask["task"].Deserialize<EngineTask>()!;
                await WriteAsync(output, new JsonObject { ["tokens_per_second"] = Measure(meters[(int)ask["setting"]!], task) });
            }

            return 0;
        }
        catch (Exception exception) when (exception is BenchException or ModelFormatException or IOException or UnauthorizedAccessException
            or DllNotFoundException or NotSupportedException or InvalidOperationException or EntryPointNotFoundException)
        {
            await WriteAsync(output, new JsonObject { ["error"] = exception.Message });
            return 1;
        }
    }

    private static double Measure(EngineMeter meter, EngineTask task)
    {
        if (task.Generate == 0)
        {
            return meter.Prefill(0, task.Prompt);
        }

        meter.PrefillMissing(task.Sequences, task.Prompt);
        return meter.Decode(task.Sequences, task.Generate, out _);
    }

    private static async Task WriteAsync(TextWriter output, JsonObject line)
    {
        await output.WriteLineAsync(line.ToJsonString());
        await output.FlushAsync(CancellationToken.None);
    }

    /// <summary>A model, and one engine on it for each setting that is worth trying.</summary>
    private sealed class LoadedEngines : IDisposable
    {
        private readonly LlamaCppModel? _model;

        public LoadedEngines(EngineWorkerOptions options)
        {
            if (options.Engine == HelixFlow)
            {
                Settings = [("", HelixFlowEngine.Load(ModelFile.Open(options.Model), options.Room))];
                return;
            }

            _model = LlamaCppLibrary.Load(options.Library).OpenModel(options.Model);
            Settings = [("flash attention", new LlamaCppEngine(_model, options.Room, flashAttention: true)), ("plain attention", new LlamaCppEngine(_model, options.Room, flashAttention: false))];
        }

        public (string Name, IMeasuredEngine Engine)[] Settings { get; }

        public void Dispose()
        {
            foreach ((_, IMeasuredEngine engine) in Settings)
            {
                engine.Dispose();
            }

            _model?.Dispose();
        }
    }
}
