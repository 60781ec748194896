using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Text;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>A handler's program while it does one job: lines to it and from it, within its limits of memory and time.</summary>
/// <remarks>One reader; any thread may write. Disposing it ends the program and all that it has started.</remarks>
internal sealed class HandlerProcess : IAsyncDisposable
{
    private const int LongestLine = 32 << 20;
    private const int StderrChars = 16 * 1024;

    private static readonly TimeSpan _watchInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _grace = TimeSpan.FromSeconds(2);

    // Beyond what the watch should have seen: libraries reserve more than they use.
    private const long Slack = 1L << 30;

    private readonly Process _process;
    private readonly PipeReader _lines;
    private readonly Tail _stderr = new(StderrChars);
    private readonly SemaphoreSlim _writing = new(1);
    private readonly CancellationTokenSource _ended = new();
    private readonly long _mostBytes;
    private readonly TimeProvider _time;
    private readonly Task _reading;
    private readonly Task _watching;
    private readonly Task _exit;
    private volatile RunError? _broken;

    private HandlerProcess(Process process, HandlerManifest manifest, TimeProvider time)
    {
        _process = process;
        _time = time;
        _mostBytes = (long)manifest.MemoryMb << 20;
        _lines = PipeReader.Create(process.StandardOutput.BaseStream);
        _reading = ReadErrorsAsync();
        _watching = WatchAsync(manifest);
        _exit = EndGroupAsync();
    }

    /// <summary>What the program said last on its standard error.</summary>
    public string Stderr => _stderr.ToString();

    /// <summary>What limit it has broken; null for none.</summary>
    public RunError? Broken => _broken;

    /// <summary>How it ended; null while it runs.</summary>
    public int? ExitCode => _process.HasExited ? _process.ExitCode : null;

    /// <summary>Starts the program.</summary>
    /// <exception cref="AttemptFailedException">It cannot be started.</exception>
    public static HandlerProcess Start(HandlerManifest manifest, TimeProvider time)
    {
        ProcessStartInfo start = ProcessGroup.StartInfo(manifest.Command, (2L * manifest.MemoryMb << 20) + Slack);
        start.WorkingDirectory = manifest.Folder;
        foreach (string name in start.Environment.Keys.Except(["PATH", "HOME", "LANG", "TZ", "TMPDIR"], StringComparer.Ordinal).ToList())
        {
            start.Environment.Remove(name); // the worker's keys are not the program's
        }

        foreach ((string name, string value) in manifest.Env)
        {
            start.Environment[name] = value;
        }

        try
        {
            return new HandlerProcess(Process.Start(start)!, manifest, time);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new AttemptFailedException(new RunError("handler_crashed", $"The handler {manifest.Name} cannot be started: {exception.Message}"), isFinal: false);
        }
    }

    /// <summary>Writes a line. What a program that has ended would have got is lost.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> line, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Stream input = _process.StandardInput.BaseStream;
            await input.WriteAsync(line, cancellationToken).ConfigureAwait(false);
            await input.WriteAsync("\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
            await input.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It has closed its input; what it says or how it ends tells the rest.
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>The next line that is not empty; null when the program has closed its output, which is so when it has ended.</summary>
    /// <exception cref="InvalidDataException">The line has no end.</exception>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult read = await _lines.ReadAsync(cancellationToken).ConfigureAwait(false);
            SequencePosition? end = read.Buffer.PositionOf((byte)'\n');
            if (end is null && !read.IsCompleted)
            {
                if (read.Buffer.Length > LongestLine)
                {
                    throw new InvalidDataException($"A line is longer than {LongestLine} bytes.");
                }

                _lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            byte[] line = read.Buffer.Slice(0, end ?? read.Buffer.End).ToArray();
            _lines.AdvanceTo(end is { } at ? read.Buffer.GetPosition(1, at) : read.Buffer.End);
            if (!line.AsSpan().Trim(" \t\r"u8).IsEmpty)
            {
                return line;
            }

            if (end is null)
            {
                return null;
            }
        }
    }

    /// <summary>Waits until the program has ended and all that it said was read.</summary>
    public async Task EndedAsync()
    {
        await _exit.ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
    }

    /// <summary>Lets the program end by itself for a moment.</summary>
    public async Task LeaveAsync()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has gone already.
        }

        await Task.WhenAny(_exit, Task.Delay(_grace, _time)).ConfigureAwait(false);
    }

    /// <summary>Asks the program to end, and gives it a moment for that.</summary>
    public async Task StopAsync()
    {
        ProcessGroup.Stop(_process);
        await Task.WhenAny(_exit, Task.Delay(_grace, _time)).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        ProcessGroup.End(_process);
        await _ended.CancelAsync().ConfigureAwait(false);
        await _exit.ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
        await _lines.CompleteAsync().ConfigureAwait(false);
        _process.Dispose();
        _ended.Dispose();
        _writing.Dispose();
    }

    // What the program has left behind would hold its output open, and go on.
    private async Task EndGroupAsync()
    {
        await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        ProcessGroup.End(_process);
    }

    private async Task WatchAsync(HandlerManifest manifest)
    {
        long started = _time.GetTimestamp();
        var timeLimit = TimeSpan.FromSeconds(manifest.TimeLimitSeconds);
        while (!_ended.IsCancellationRequested && !_process.HasExited)
        {
            if (_time.GetElapsedTime(started) > timeLimit)
            {
                Break("time_limit", $"The attempt took longer than the handler's limit of {manifest.TimeLimitSeconds} s.");
                return;
            }

            if (ProcessGroup.ResidentBytes(_process) is var resident && resident > _mostBytes)
            {
                Break("memory_limit", $"The handler took {resident >> 20} MiB of memory, above its limit of {manifest.MemoryMb} MiB.");
                return;
            }

            await Task.Delay(_watchInterval, _time, _ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Break(string code, string message)
    {
        _broken = new RunError(code, message);
        ProcessGroup.End(_process);
    }

    private async Task ReadErrorsAsync()
    {
        char[] buffer = new char[4096];
        try
        {
            for (int count; (count = await _process.StandardError.ReadAsync(buffer, CancellationToken.None).ConfigureAwait(false)) > 0;)
            {
                _stderr.Add(buffer.AsSpan(0, count));
            }
        }
        catch (IOException)
        {
            // Closed with the program.
        }
    }

    /// <summary>The end of a text of any length.</summary>
    private sealed class Tail(int most)
    {
        private readonly StringBuilder _text = new();

        public void Add(ReadOnlySpan<char> text)
        {
            lock (_text)
            {
                _text.Append(text);
                if (_text.Length > most)
                {
                    _text.Remove(0, _text.Length - most);
                }
            }
        }

        public override string ToString()
        {
            lock (_text)
            {
                return _text.ToString();
            }
        }
    }
}
