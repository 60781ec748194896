using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>A worker written in another language, as a process: tests/interop/workers/.</summary>
internal sealed class LanguageWorker : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static readonly Lazy<string?> TypeScript = new(Compile);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _said = new();

    private LanguageWorker(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => _said.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => _said.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Said => string.Join('\n', _said);

    /// <summary>Starts a program with its arguments; skips the test when it cannot run here.</summary>
    public static LanguageWorker Start(string language, params string[] arguments)
    {
        (string program, string[] first, string? missing) = language switch
        {
            "python" => ("/usr/bin/python3", (string[])[], Works("/usr/bin/python3", "-c", "import grpc, google.protobuf") ? null : "install Debian's python3-grpcio and python3-protobuf"),
            "typescript" => ("node", [], TypeScript.Value),
            _ => throw new ArgumentOutOfRangeException(nameof(language)),
        };
        Assert.SkipWhen(missing is not null, missing ?? "");
        var start = new ProcessStartInfo(program, [.. first, .. arguments])
        {
            WorkingDirectory = Repository.Root, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["HELIXFLOW_API_KEY"] = "w";
        foreach (string proxy in (ReadOnlySpan<string>)["http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
        {
            start.Environment.Remove(proxy);
        }

        return new LanguageWorker(Process.Start(start)!);
    }

    /// <summary>Ends it as a crash does.</summary>
    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
    }

    /// <summary>Asks it to end, as an orchestrator does; the result is its exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        return await EndAsync();
    }

    /// <summary>Waits until it ends by itself; the result is its exit code.</summary>
    public async Task<int> EndAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Guard);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        TestContext.Current.TestOutputHelper?.WriteLine(Said);
        _process.Dispose();
    }

    /// <summary>Checks and compiles the worker for TypeScript; what to install when that cannot be done here, and an exception when it is wrong.</summary>
    private static string? Compile()
    {
        string folder = Path.Combine(Repository.Root, "sdks/typescript-worker");
        if (!Works("node", "--version") || !Directory.Exists(Path.Combine(folder, "node_modules/typescript")))
        {
            return "install node and run 'npm ci --ignore-scripts' in sdks/typescript-worker";
        }

        var start = new ProcessStartInfo("node", ["node_modules/typescript/bin/tsc", "-p", "."]) { WorkingDirectory = folder, RedirectStandardOutput = true };
        using Process compiler = Process.Start(start)!;
        string said = compiler.StandardOutput.ReadToEnd();
        compiler.WaitForExit();
        return compiler.ExitCode == 0 ? null : throw new InvalidOperationException(said);
    }

    private static bool Works(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

/// <summary>The source checkout.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}
