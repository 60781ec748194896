using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Cli.Bench.Compare;

/// <summary>A process that runs <see cref="EngineWorker"/>; disposing it ends the process. Not thread-safe.</summary>
internal sealed class EngineProcess : IComparedEngine, IAsyncDisposable
{
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestEnding = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly string _engine;

    private EngineProcess(Process process, string engine)
    {
        _process = process;
        _engine = engine;
    }

    public IReadOnlyList<string> Settings { get; private set; } = [];

    /// <summary>Starts the process and waits until it has loaded the model.</summary>
    /// <exception cref="BenchException">It cannot be started, or cannot load the model.</exception>
    public static async Task<EngineProcess> StartAsync(EngineWorkerOptions options, CancellationToken cancellationToken)
    {
        (string host, string[] program) = Program();
        var start = new ProcessStartInfo(host) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        string[] arguments =
        [
            .. program, "bench", "worker", "--engine", options.Engine, "--model", options.Model,
            "--sequences", options.Room.Sequences.ToString(CultureInfo.InvariantCulture),
            "--length", options.Room.Length.ToString(CultureInfo.InvariantCulture),
            "--threads", options.Room.Threads.ToString(CultureInfo.InvariantCulture),
            .. options.Library is { } library ? (string[])["--peer-library", library] : [],
        ];
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        Process process;
        try
        {
            process = Process.Start(start) ?? throw new BenchException($"cannot start {host}");
        }
        catch (Win32Exception exception)
        {
            throw new BenchException($"cannot start {host}: {exception.Message}", exception);
        }

        var worker = new EngineProcess(process, options.Engine);
        try
        {
            JsonObject loaded = await worker.ReadAsync(cancellationToken);
            worker.Settings = [.. loaded["settings"]!.AsArray().Select(setting => (string)setting!)];
            return worker;
        }
        catch
        {
            await worker.DisposeAsync();
            throw;
        }
    }

    public async Task<double> MeasureAsync(EngineTask task, int setting, CancellationToken cancellationToken)
    {
        var ask = new JsonObject { ["task"] = JsonSerializer.SerializeToNode(task), ["setting"] = setting };
        try
        {
            await _process.StandardInput.WriteLineAsync(ask.ToJsonString().AsMemory(), cancellationToken);
            await _process.StandardInput.FlushAsync(cancellationToken);
        }
        catch (IOException exception)
        {
            throw new BenchException($"the process of {_engine} is gone", exception);
        }

        return (double)(await ReadAsync(cancellationToken))["tokens_per_second"]!;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended, with a question still on its way.
        }

        using var limit = new CancellationTokenSource(LongestEnding);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    // This program again. When something else runs its assembly (a test), the host that would be found on PATH does.
    private static (string Host, string[] Program) Program()
    {
        string assembly = typeof(EngineProcess).Assembly.GetName().Name!;
        string running = Path.GetFileNameWithoutExtension(Environment.ProcessPath) ?? "";
        return running == assembly
            ? (Environment.ProcessPath!, [])
            : (running == "dotnet" ? Environment.ProcessPath! : "dotnet", [Path.Combine(AppContext.BaseDirectory, assembly + ".dll")]);
    }

    private async Task<JsonObject> ReadAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(LongestAnswer);
        try
        {
            while (await _process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                // A native library may write lines of its own.
                if (line.StartsWith('{') && JsonNode.Parse(line) is JsonObject answer)
                {
                    return answer["error"] is { } error ? throw new BenchException($"{_engine}: {error}") : answer;
                }
            }
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BenchException($"{_engine} did not answer within {LongestAnswer.TotalMinutes:F0} minutes", exception);
        }

        throw new BenchException($"the process of {_engine} ended before it answered");
    }
}
