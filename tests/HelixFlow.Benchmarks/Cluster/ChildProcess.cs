using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>A server that a benchmark starts, and stops when it is disposed.</summary>
/// <remarks>Used by one thread. The last lines that it has written are told when it does not start.</remarks>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly StringBuilder _output = new(); // locked
    private readonly TaskCompletionSource<Match> _announced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(Process process, Regex announcement)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Note(line.Data, announcement);
        process.ErrorDataReceived += (_, line) => Note(line.Data, announcement);
        process.Exited += (_, _) => _announced.TrySetException(new IOException($"A server has ended before it was ready:\n{Output}"));
    }

    /// <summary>Processor time that the process has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    private string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Starts a program of this project's output folder and waits until it has announced itself.</summary>
    /// <param name="program">The assembly's file name without .dll.</param>
    /// <param name="announcement">Matches the line to wait for.</param>
    /// <param name="arguments">The program's arguments.</param>
    /// <param name="cancellationToken">Stops the process.</param>
    /// <returns>The process, and what the announcement matched.</returns>
    /// <exception cref="IOException">It has ended instead.</exception>
    public static async Task<(ChildProcess Process, Match Announcement)> StartAsync(
        string program, Regex announcement, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, program)) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment[Auth.AdminKey.EnvironmentVariable] = HttpTarget.Key;
        var child = new ChildProcess(new Process { StartInfo = start, EnableRaisingEvents = true }, announcement);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        try
        {
            return (child, await child._announced.Task.WaitAsync(StartLimit, cancellationToken));
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(); // nothing that it holds outlives the benchmark
            using var limit = new CancellationTokenSource(StopLimit);
            await _process.WaitForExitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _process.Dispose();
    }

    private void Note(string? line, Regex announcement)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.AppendLine(line);
        }

        if (announcement.Match(line) is { Success: true } match)
        {
            _announced.TrySetResult(match);
        }
    }
}
