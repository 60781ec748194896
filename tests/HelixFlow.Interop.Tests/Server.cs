using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>A real server process on a free port, with a data folder of its own.</summary>
public sealed class Server : IAsyncDisposable
{
    public const string Key = "interop-test-key";
    public const string Model = "helix-tiny";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly bool _ownsData;
    private Uri? _announced;
    private X509Certificate2? _trusted;

    private Server(Process process, string data, bool ownsData)
    {
        _process = process;
        DataFolder = data;
        _ownsData = ownsData;
    }

    public static string Root { get; } = FindRoot();

    public string DataFolder { get; }

    public Uri Address { get; private set; } = null!;

    public int ProcessId => _process.Id;

    public string Output => string.Join('\n', _output);

    /// <summary>Starts `helixflow serve` and waits until it answers.</summary>
    /// <param name="key">The admin key; null lets the server make one.</param>
    /// <param name="data">The data folder, which stays; null for a new one, which goes with the server.</param>
    /// <param name="arguments">Further arguments.</param>
    public static Task<Server> StartAsync(string? key = Key, string? data = null, params string[] arguments) => StartAsync(key, data, null, arguments);

    /// <summary>Starts a server that its clients trust for its certificate.</summary>
    public static Task<Server> StartTrustedAsync(X509Certificate2 certificate, params string[] arguments) => StartAsync(Key, null, certificate, arguments);

    private static async Task<Server> StartAsync(string? key, string? data, X509Certificate2? trusted, string[] arguments)
    {
        bool ownsData = data is null;
        data ??= Directory.CreateTempSubdirectory("helixflow-interop-").FullName;
        var server = new Server(Cli(key, ["serve", "--port", "0", "--data", data, "--hang-seconds", "300", .. arguments]), data, ownsData) { _trusted = trusted };
        server._process.OutputDataReceived += (_, line) => server.Read(line.Data);
        server._process.ErrorDataReceived += (_, line) => server.Read(line.Data);
        server._process.Start();
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        _ = server._process.WaitForExitAsync().ContinueWith(_ => server._address.TrySetException(new InvalidOperationException("the server ended: " + server.Output)), TaskScheduler.Default);
        server.Address = await server._address.Task.WaitAsync(Patience);
        using HttpClient client = server.CreateClient();
        using HttpResponseMessage ready = await client.GetAsync("/readyz");
        ready.EnsureSuccessStatusCode();
        return server;
    }

    /// <summary>A process of the command line, not started yet.</summary>
    public static Process Cli(string? key, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(Root, "artifacts/bin/HelixFlow.Cli/release/helixflow-cli.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment.Remove("HELIXFLOW_API_KEY");
        if (key is not null)
        {
            start.Environment["HELIXFLOW_API_KEY"] = key;
        }

        return new Process { StartInfo = start };
    }

    public HttpClient CreateClient(string key = Key)
    {
        // By default a response that is disposed early is read on for up to two seconds; here leaving has to close the connection.
        var handler = new SocketsHttpHandler { MaxResponseDrainSize = 0 };
        if (_trusted is { } trusted)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.GetCertHashString() == trusted.GetCertHashString();
        }

        var client = new HttpClient(handler) { BaseAddress = Address, Timeout = 2 * Patience };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>A gauge of /metrics.</summary>
    public async Task<double> GaugeAsync(string name)
    {
        using HttpClient client = CreateClient();
        string text = await client.GetStringAsync("/metrics");
        string line = text.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return double.Parse(line[(name.Length + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until nothing runs and no block is held.</summary>
    public async Task WaitUntilIdleAsync()
    {
        long since = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(since) < Patience)
        {
            if (await GaugeAsync("helixflow_sequences{state=\"running\"}") == 0
                && await GaugeAsync("helixflow_sequences{state=\"waiting\"}") == 0
                && await GaugeAsync("helixflow_kv_blocks{state=\"held\"}") == 0)
            {
                return;
            }

            await Task.Delay(25);
        }

        Assert.Fail("sequences still run, or blocks are still held, long after every client has gone");
    }

    /// <summary>Ends the process as a crash does, with no time for anything.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    /// <summary>Asks the process to end, as an orchestrator does; the result is its exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        using Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    /// <summary>Resident memory in bytes.</summary>
    public long ResidentBytes()
    {
        _process.Refresh();
        return _process.WorkingSet64;
    }

    /// <summary>Open files and connections; 0 where the system does not tell.</summary>
    public int OpenHandles()
    {
        string folder = $"/proc/{_process.Id}/fd";
        return Directory.Exists(folder) ? Directory.GetFileSystemEntries(folder).Length : 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        if (_ownsData)
        {
            Directory.Delete(DataFolder, recursive: true);
        }
    }

    private void Read(string? line)
    {
        if (line is null)
        {
            return;
        }

        _output.Enqueue(line);
        int at = line.IndexOf(" on http", StringComparison.Ordinal);
        if (line.StartsWith("HelixFlow serves ", StringComparison.Ordinal) && at > 0)
        {
            string url = line[(at + 4)..].Split(' ')[0];
            _announced = new Uri(url[..url.IndexOf("/v1", StringComparison.Ordinal)]);
        }
        else if (_announced is { } address && line.StartsWith("    -d '", StringComparison.Ordinal))
        {
            // The last line of the announcement: everything that the server has to say about itself has been read.
            _address.TrySetResult(address);
        }
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
}

/// <summary>The server that most tests share.</summary>
public sealed class SharedServer : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Task<ScriptRun>> _runs = new();

    public Server Server { get; private set; } = null!;

    /// <summary>What a script of tests/interop saw. It runs once, however many tests ask; the tests of one collection ask one after another.</summary>
    internal async Task<JsonNode> RunAsync(string script, params string[] arguments) => (await RunAndReportAsync(script, arguments)).Seen;

    internal Task<ScriptRun> RunAndReportAsync(string script, params string[] arguments) =>
        _runs.GetOrAdd($"{script} {string.Join(' ', arguments)}", _ => NodeScript.RunAndReportAsync(script, Server, arguments));

    public async ValueTask InitializeAsync() => Server = await Server.StartAsync();

    public async ValueTask DisposeAsync() => await Server.DisposeAsync();
}

[CollectionDefinition(nameof(SharedServer))]
public sealed class SharedServerDefinition : ICollectionFixture<SharedServer>;
