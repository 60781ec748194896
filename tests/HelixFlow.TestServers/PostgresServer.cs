using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace HelixFlow.TestServers;

/// <summary>A real PostgreSQL server of a test's own: on a free port, with a data folder of its own, stopped and removed when it is disposed.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private readonly string _programs;
    private readonly string _folder;
    private int _port;

    private PostgresServer(string programs, string folder)
    {
        _programs = programs;
        _folder = folder;
    }

    /// <summary>What to install where there is no server; null where there is one.</summary>
    public static string? Missing => Programs() is null ? "PostgreSQL is not installed: apt-get install postgresql" : null;

    /// <summary>How Npgsql connects to the server's database <paramref name="database"/>.</summary>
    public string ConnectionString(string database = "postgres") => $"Host=127.0.0.1;Port={_port};Username=postgres;Database={database};Timeout=60;Command Timeout=120;Include Error Detail=true";

    /// <summary>Makes a data folder and starts a server on it.</summary>
    /// <exception cref="InvalidOperationException">It does not start.</exception>
    public static async Task<PostgresServer> StartAsync()
    {
        string programs = Programs() ?? throw new InvalidOperationException(Missing);
        string folder = Directory.CreateTempSubdirectory("helixflow-postgres-").FullName;
        var server = new PostgresServer(programs, folder);
        try
        {
            if (Environment.IsPrivilegedProcess)
            {
                await RunAsync("chown", ["postgres", folder]); // it refuses to run as root
            }

            await server.RunAsOwnerAsync("initdb", ["-D", server.Data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"]);
            await server.StartAgainAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it on the data that is there, on the port that it had if that is still free.</summary>
    public async Task StartAgainAsync()
    {
        for (int attempt = 0; ; attempt++)
        {
            if (_port == 0)
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                _port = ((IPEndPoint)probe.LocalEndPoint!).Port;
            }

            try
            {
                await RunAsOwnerAsync("pg_ctl", ["-D", Data, "-w", "-t", "110", "-l", Path.Combine(_folder, "log"),
                    "-o", $"-p {_port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={_folder} -c max_connections=100", "start"]);
                return;
            }
            catch (InvalidOperationException) when (attempt < 5 && Log.Contains("Address already in use", StringComparison.Ordinal))
            {
                // Another process took the port between the probe and the start.
                File.Delete(Path.Combine(_folder, "log"));
                _port = 0;
            }
        }
    }

    /// <summary>Ends it at once, as a crash does; nothing is flushed.</summary>
    public Task KillAsync() => RunAsOwnerAsync("pg_ctl", ["-D", Data, "-m", "immediate", "-w", "stop"]);

    /// <summary>Ends it as an operator does who restarts it: transactions under way are undone, clients are thrown out.</summary>
    public Task StopAsync() => RunAsOwnerAsync("pg_ctl", ["-D", Data, "-m", "fast", "-w", "-t", "110", "stop"]);

    /// <summary>What the server has logged.</summary>
    public string Log => File.Exists(Path.Combine(_folder, "log")) ? File.ReadAllText(Path.Combine(_folder, "log")) : "";

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            await KillAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private string Data => Path.Combine(_folder, "data");

    private static string? Programs() => Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")).Where(bin => File.Exists(Path.Combine(bin, "pg_ctl"))).Order(StringComparer.Ordinal).LastOrDefault()
        : null;

    private Task RunAsOwnerAsync(string program, string[] arguments) => Environment.IsPrivilegedProcess
        ? RunAsync("runuser", ["-u", "postgres", "--", Path.Combine(_programs, program), .. arguments])
        : RunAsync(Path.Combine(_programs, program), arguments);

    // What the program starts keeps its output open: it is sent to a file of the server's instead of a pipe that would never end.
    private static async Task RunAsync(string program, string[] arguments)
    {
        string output = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("/bin/sh", ["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, program, .. arguments]) { WorkingDirectory = "/" };
            using Process process = Process.Start(start)!;
            using var guard = new CancellationTokenSource(Guard);
            try
            {
                await process.WaitForExitAsync(guard.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw new InvalidOperationException($"{program} did not end within {Guard.TotalSeconds} s.");
            }

            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await File.ReadAllTextAsync(output)}");
            }
        }
        finally
        {
            File.Delete(output);
        }
    }
}
