using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace HelixFlow.Agents.Handlers;

/// <summary>A process and all that it starts: a process group of its own, where the system has such.</summary>
internal static partial class ProcessGroup
{
    private const int Kill = 9;
    private const int Terminate = 15;

    // "setsid" begins a group whose number is the process's; "ulimit -d" bounds what each process may allocate before anybody looks (its argument is in KiB).
    private const string Script = """ulimit -c 0; ulimit -d "$1" 2>/dev/null; shift; exec setsid "$@" """;
    private const string ScriptWithoutGroup = """ulimit -c 0; ulimit -d "$1" 2>/dev/null; shift; exec "$@" """;

    private static readonly bool _hasGroups = !OperatingSystem.IsWindows()
        && (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(static folder => folder.Length > 0 && File.Exists(Path.Combine(folder, "setsid")));

    private static readonly TimeSpan _residentAge = TimeSpan.FromMilliseconds(40);
    private static readonly Lock _residentLock = new();
    private static Dictionary<int, long> _resident = [];
    private static long _residentAt;

    /// <summary>What starts a command as a group.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="mostBytes">The most that one process of it may allocate. A second line of defence, for what is faster than whoever watches.</param>
    public static ProcessStartInfo StartInfo(IReadOnlyList<string> command, long mostBytes)
    {
        ProcessStartInfo start = OperatingSystem.IsWindows()
            ? new ProcessStartInfo(command[0], command.Skip(1))
            : new ProcessStartInfo("/bin/sh", ["-c", _hasGroups ? Script : ScriptWithoutGroup, "sh", (mostBytes / 1024).ToString(CultureInfo.InvariantCulture), .. command]);
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        return start;
    }

    /// <summary>Asks all processes of the group to end.</summary>
    public static void Stop(Process process) => Signal(process, Terminate);

    /// <summary>Ends all processes of the group, also when its first one has ended already.</summary>
    public static void End(Process process)
    {
        Signal(process, Kill);
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Resident memory of all processes of the group, in bytes; what they share counts for each. 0 when it has ended.</summary>
    public static long ResidentBytes(Process process)
    {
        if (!OperatingSystem.IsLinux() || !_hasGroups)
        {
            process.Refresh();
            return process.HasExited ? 0 : process.WorkingSet64;
        }

        lock (_residentLock)
        {
            if (Stopwatch.GetElapsedTime(_residentAt) > _residentAge)
            {
                _resident = Groups();
                _residentAt = Stopwatch.GetTimestamp();
            }

            return _resident.GetValueOrDefault(process.Id) * Environment.SystemPageSize;
        }
    }

    /// <summary>The resident pages of all groups: looked up once for all that are watched.</summary>
    private static Dictionary<int, long> Groups()
    {
        var pages = new Dictionary<int, long>();
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (char.IsAsciiDigit(folder[^1]) && Stat(folder) is { } stat)
            {
                pages[stat.Group] = pages.GetValueOrDefault(stat.Group) + stat.Pages;
            }
        }

        return pages;
    }

    // proc(5): the name in parentheses may hold anything; group is the 3rd field after it and resident pages the 22nd.
    private static (int Group, long Pages)? Stat(string folder)
    {
        try
        {
            string text = File.ReadAllText(Path.Combine(folder, "stat"));
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[2], CultureInfo.InvariantCulture), long.Parse(fields[21], CultureInfo.InvariantCulture));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // it has ended meanwhile
        }
    }

    private static void Signal(Process process, int signal)
    {
        if (_hasGroups)
        {
            _ = SendSignal(-process.Id, signal);
        }
        else if (!OperatingSystem.IsWindows() && !process.HasExited)
        {
            _ = SendSignal(process.Id, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
