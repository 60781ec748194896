using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>A process of the built command line; killed when it is disposed.</summary>
/// <remarks>Thread-safe. What it writes is kept for the messages of failures.</remarks>
internal sealed class HelixProcess : IAsyncDisposable
{
    public const string Key = "cluster-test-key";

    private readonly Process _process;
    private readonly string _name;
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];

    private HelixProcess(string name, Process process)
    {
        _name = name;
        _process = process;
    }

    public static string Root { get; } = FindRoot();

    public bool HasExited => _process.HasExited;

    /// <summary>All that it has written so far.</summary>
    public string Output
    {
        get
        {
            lock (_lock)
            {
                return $"--- {_name}{(_process.HasExited ? $" (ended with {_process.ExitCode})" : "")}\n{string.Join('\n', _lines)}\n";
            }
        }
    }

    public static HelixProcess Start(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(Root, "artifacts/bin/HelixFlow.Cli/release/helixflow-cli.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["HELIXFLOW_API_KEY"] = Key;
        var process = new HelixProcess(name, new Process { StartInfo = start });
        process._process.OutputDataReceived += (_, line) => process.Read(line.Data);
        process._process.ErrorDataReceived += (_, line) => process.Read(line.Data);
        process._process.Start();
        process._process.BeginOutputReadLine();
        process._process.BeginErrorReadLine();
        return process;
    }

    /// <summary>How many of its lines so far hold the text.</summary>
    public int CountLines(string text)
    {
        lock (_lock)
        {
            return _lines.Count(line => line.Contains(text, StringComparison.Ordinal));
        }
    }

    /// <summary>What matches in its lines so far, in their order.</summary>
    public Match[] Matches(Regex pattern)
    {
        lock (_lock)
        {
            return [.. _lines.Select(line => pattern.Match(line)).Where(match => match.Success)];
        }
    }

    /// <summary>Waits for a line that matches, and fails when the process ends without one.</summary>
    public async Task<Match> LineAsync(Regex pattern)
    {
        Match? found = null;
        await Eventually.TrueAsync(
            () =>
            {
                bool ended = _process.HasExited;
                lock (_lock)
                {
                    found = _lines.Select(line => pattern.Match(line)).FirstOrDefault(match => match.Success);
                }

                Assert.False(ended && found is null, Output);
                return found is not null;
            },
            $"a line like {pattern}",
            () => Output);
        return found!;
    }

    /// <summary>Sends a signal, for example "TERM", "KILL", "STOP" or "CONT".</summary>
    public async Task SignalAsync(string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Waits for its end; the result is its exit code.</summary>
    public async Task<int> EndAsync()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(Eventually.Guard);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"the process did not end\n{Output}");
        }

        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }

    private void Read(string? line)
    {
        if (line is not null)
        {
            lock (_lock)
            {
                _lines.Add(line);
            }
        }
    }
}
