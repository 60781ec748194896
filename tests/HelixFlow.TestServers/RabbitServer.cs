using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace HelixFlow.TestServers;

/// <summary>A real RabbitMQ broker of a test's own: on free ports, with a data folder and a name server (epmd) of its own, all stopped and removed when it is disposed.</summary>
public sealed class RabbitServer : IAsyncDisposable
{
    private const string Programs = "/usr/lib/rabbitmq/bin";
    private const string NameServer = "/usr/bin/epmd";

    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(180);

    private readonly string _folder;
    private int _port;
    private int _peerPort;
    private int _namePort;
    private Process? _names;
    private Process? _broker;

    private RabbitServer(string folder) => _folder = folder;

    /// <summary>What to install where there is no broker; null where there is one.</summary>
    public static string? Missing => File.Exists(Path.Combine(Programs, "rabbitmq-server")) && File.Exists(NameServer) ? null : "RabbitMQ is not installed: apt-get install rabbitmq-server";

    /// <summary>Where it is, for a user; the default one may do everything.</summary>
    public Uri Address(string user = "guest", string password = "guest") => new($"amqp://{user}:{password}@127.0.0.1:{_port}");

    /// <summary>What the broker has written.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    /// <summary>Starts a broker on an empty data folder.</summary>
    /// <exception cref="InvalidOperationException">It does not start.</exception>
    public static async Task<RabbitServer> StartAsync()
    {
        if (Missing is { } missing)
        {
            throw new InvalidOperationException(missing);
        }

        var server = new RabbitServer(Directory.CreateTempSubdirectory("helixflow-rabbit-").FullName);
        try
        {
            for (int attempt = 0; !await server.TryStartAsync(); attempt++)
            {
                // Another process took a port between the probe and the start.
                if (attempt == 5 || !server.Log.Contains("eaddrinuse", StringComparison.OrdinalIgnoreCase))
                {
                    throw new InvalidOperationException($"RabbitMQ does not start: {server.Log}");
                }

                await server.KillAsync();
                File.Delete(server.LogFile);
                server._port = 0;
            }

            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it on the data that is there, on the ports that it had.</summary>
    /// <exception cref="InvalidOperationException">It does not start.</exception>
    public async Task StartAgainAsync()
    {
        if (!await TryStartAsync())
        {
            throw new InvalidOperationException($"RabbitMQ does not start again: {Log}");
        }
    }

    /// <summary>Stops it for a while (SIGSTOP): it stays connected and answers nothing.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    /// <summary>Lets it go on.</summary>
    public Task ResumeAsync() => SignalAsync("CONT");

    /// <summary>Ends it at once, as a crash does; nothing is flushed.</summary>
    public async Task KillAsync()
    {
        await KillAsync(_broker);
        await KillAsync(_names);
        (_broker, _names) = (null, null);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string LogFile => Path.Combine(_folder, "log");

    // False when it has ended without listening.
    private async Task<bool> TryStartAsync()
    {
        if (_port == 0)
        {
            (_port, _peerPort, _namePort) = FreePorts();
        }

        string data = Path.Combine(_folder, "data");
        Directory.CreateDirectory(data);
        if (Environment.IsPrivilegedProcess)
        {
            using Process owner = Process.Start("chown", ["rabbitmq", _folder, data]); // it refuses to run as root
            await owner.WaitForExitAsync();
        }

        _names = Launch("names", NameServer, ["-address", "127.0.0.1", "-port", Text(_namePort)]);
        _broker = Launch("log", Path.Combine(Programs, "rabbitmq-server"), []);
        return await ListensAsync();
    }

    private async Task<bool> ListensAsync()
    {
        using var guard = new CancellationTokenSource(Guard);
        while (!_broker!.HasExited)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, _port, guard.Token); // the last thing that it does when it starts
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(50, guard.Token);
            }
        }

        return false;
    }

    // As its own user where this is root; what it writes goes to a file, as what it starts would keep a pipe open.
    private Process Launch(string output, string program, string[] arguments)
    {
        string[] user = Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=rabbitmq", "--regid=rabbitmq", "--init-groups", "--"] : [];
        var start = new ProcessStartInfo("/bin/sh", ["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", Path.Combine(_folder, output), .. user, program, .. arguments])
        {
            WorkingDirectory = _folder,
        };
        foreach ((string name, string value) in Settings())
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    private Dictionary<string, string> Settings() => new()
    {
        ["RUNNING_UNDER_SYSTEMD"] = "true", // the script becomes the broker, and does not stay as its parent
        ["HOME"] = _folder,
        ["ERL_EPMD_PORT"] = Text(_namePort),
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_NODENAME"] = "helixflow@localhost",
        ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_NODE_PORT"] = Text(_port),
        ["RABBITMQ_DIST_PORT"] = Text(_peerPort),
        ["RABBITMQ_MNESIA_BASE"] = Path.Combine(_folder, "data"),
        ["RABBITMQ_GENERATED_CONFIG_DIR"] = Path.Combine(_folder, "data"),
        ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(_folder, "none"),
        ["RABBITMQ_CONFIG_FILE"] = Path.Combine(_folder, "none"),
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_folder, "none"),
        ["RABBITMQ_LOGS"] = "-",
    };

    private static (int, int, int) FreePorts()
    {
        Socket[] probes = [Probe(), Probe(), Probe()];
        int[] ports = [.. probes.Select(static probe => ((IPEndPoint)probe.LocalEndPoint!).Port)];
        Array.ForEach(probes, static probe => probe.Dispose());
        return (ports[0], ports[1], ports[2]);
    }

    private static Socket Probe()
    {
        var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return probe;
    }

    private async Task SignalAsync(string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", Text(_broker!.Id)]);
        await kill.WaitForExitAsync();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static async Task KillAsync(Process? process)
    {
        if (process is null)
        {
            return;
        }

        using (process)
        {
            process.Kill(entireProcessTree: true); // nothing happens when it has ended
            using var guard = new CancellationTokenSource(Guard);
            await process.WaitForExitAsync(guard.Token);
        }
    }
}
