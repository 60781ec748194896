using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Agents.CrashHost;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>The process that was asked is gone, and nobody knows what it has done.</summary>
internal sealed class HostGoneException() : Exception("The host has ended.");

/// <summary>A host of a trial.</summary>
internal sealed class TrialProcess : IDisposable
{
    private readonly Process _process;
    private readonly string _id;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<TrialAnswer>> _asked = new();
    private readonly Lock _input = new();
    private long _number;
    private bool _hasEnded;

    private TrialProcess(Process process)
    {
        _process = process;
        _id = process.Id.ToString(CultureInfo.InvariantCulture);
        Ended = ReadAsync();
    }

    /// <summary>Done when the process has ended: what went wrong with it; null when it was killed or has ended well.</summary>
    public Task<string?> Ended { get; }

    public static TrialProcess Start(TrialHostOptions options)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "HelixFlow.Agents.CrashHost");
        var start = new ProcessStartInfo(program, ["trial", JsonSerializer.Serialize(options, TrialJson.Default.TrialHostOptions)])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            Environment = { ["DOTNET_TieredPGO"] = "0", ["DOTNET_gcConcurrent"] = "0" }, // it lives for a second or two
        };
        return new TrialProcess(Process.Start(start)!);
    }

    /// <summary>Tells the host something, and waits for its answer.</summary>
    /// <exception cref="HostGoneException">It has ended.</exception>
    public async Task<TrialAnswer> AskAsync(TrialOrder order, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<TrialAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        long number = Interlocked.Increment(ref _number);
        _asked[number] = answer;
        try
        {
            Write(JsonSerializer.Serialize(order with { Number = number }, TrialJson.Default.TrialOrder));
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            throw new HostGoneException();
        }

        if (Volatile.Read(ref _hasEnded))
        {
            throw new HostGoneException();
        }

        return await answer.Task.WaitAsync(cancellationToken);
    }

    /// <summary>SIGKILL; nothing when it has ended by itself.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
        }
    }

    /// <summary>Ends its standard input, so that it stops as it should.</summary>
    public void Stop()
    {
        try
        {
            lock (_input)
            {
                _process.StandardInput.Dispose();
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
        }
    }

    /// <summary>SIGSTOP or SIGCONT.</summary>
    public async Task SignalAsync(string signal)
    {
        if (!Ended.IsCompleted)
        {
            using Process kill = Process.Start(new ProcessStartInfo("kill", [signal, _id]) { RedirectStandardError = true })!;
            await kill.WaitForExitAsync(CancellationToken.None);
        }
    }

    public void Dispose() => _process.Dispose();

    private void Write(string line)
    {
        lock (_input)
        {
            _process.StandardInput.WriteLine(line);
            _process.StandardInput.Flush();
        }
    }

    private async Task<string?> ReadAsync()
    {
        Task<string> errors = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        while (await _process.StandardOutput.ReadLineAsync(CancellationToken.None) is { } line)
        {
            // The last line may have been cut off by the kill.
            if (line.EndsWith('}') && JsonSerializer.Deserialize(line, TrialJson.Default.TrialAnswer) is { } answer
                && _asked.TryRemove(answer.Number, out TaskCompletionSource<TrialAnswer>? asked))
            {
                asked.SetResult(answer);
            }
        }

        await _process.WaitForExitAsync(CancellationToken.None);
        Volatile.Write(ref _hasEnded, true);
        foreach (TaskCompletionSource<TrialAnswer> asked in _asked.Values)
        {
            asked.TrySetException(new HostGoneException());
        }

        return _process.ExitCode is 0 or 137 ? null : $"A host ended with {_process.ExitCode}: {await errors}";
    }
}
