using System.Diagnostics;
using System.Globalization;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>One measurement of a pair.</summary>
/// <param name="PerSecond">Calls or messages a second.</param>
/// <param name="ClientMicroseconds">CPU time of the client process for one of them.</param>
/// <param name="ServerMicroseconds">CPU time of the server process for one of them.</param>
/// <param name="ClientBytes">Allocated by a client in C# for one of them; otherwise null.</param>
/// <param name="ServerBytes">Allocated by a server in C# for one of them; otherwise null.</param>
internal readonly record struct GrpcRate(double PerSecond, double ClientMicroseconds, double ServerMicroseconds, double? ClientBytes, double? ServerBytes);

/// <summary>A client process and the server process that it calls. Disposing it ends both.</summary>
internal sealed class GrpcPair : IDisposable
{
    private const double ClockTicksPerSecond = 100; // USER_HZ, the unit of /proc's times on every Linux
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _server;
    private readonly Process _client;
    private readonly bool _serverTellsAllocations;

    private GrpcPair(GrpcPeer client, GrpcPeer server, Process serverProcess, Process clientProcess)
    {
        Name = $"{client.Name} → {server.Name}";
        _server = serverProcess;
        _client = clientProcess;
        _serverTellsAllocations = server.Name == GrpcPeer.CSharp;
    }

    /// <summary>Client → server.</summary>
    public string Name { get; }

    public static async Task<GrpcPair> StartAsync(GrpcScenario scenario, GrpcPeer client, GrpcPeer server, CancellationToken stopping)
    {
        Process serverProcess = Process.Start(server.Server(scenario))!;
        try
        {
            string line = await ReadAsync(serverProcess, Patience, stopping);
            return new GrpcPair(client, server, serverProcess, Process.Start(client.Client(scenario, "127.0.0.1:" + line["port ".Length..]))!);
        }
        catch
        {
            End(serverProcess);
            throw;
        }
    }

    public async Task<GrpcRate> MeasureAsync(GrpcScenario scenario, double seconds, CancellationToken stopping)
    {
        long? allocated = await AllocatedAsync(stopping);
        double client = CpuSeconds(_client);
        double server = CpuSeconds(_server);
        await _client.StandardInput.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{scenario.Name} {seconds}").AsMemory(), stopping);
        await _client.StandardInput.FlushAsync(stopping);
        string[] answer = (await ReadAsync(_client, TimeSpan.FromSeconds(seconds) + Patience, stopping)).Split(' ');
        client = CpuSeconds(_client) - client;
        server = CpuSeconds(_server) - server;
        double operations = double.Parse(answer[0], CultureInfo.InvariantCulture);
        return new GrpcRate(
            operations / double.Parse(answer[1], CultureInfo.InvariantCulture),
            1e6 * client / operations,
            1e6 * server / operations,
            answer.Length > 2 ? double.Parse(answer[2], CultureInfo.InvariantCulture) / operations : null,
            (await AllocatedAsync(stopping) - allocated) / operations);
    }

    public void Dispose()
    {
        End(_client);
        End(_server);
    }

    private async Task<long?> AllocatedAsync(CancellationToken stopping)
    {
        if (!_serverTellsAllocations)
        {
            return null;
        }

        await _server.StandardInput.WriteLineAsync("allocated".AsMemory(), stopping);
        await _server.StandardInput.FlushAsync(stopping);
        return long.Parse(await ReadAsync(_server, Patience, stopping), CultureInfo.InvariantCulture);
    }

    private static async Task<string> ReadAsync(Process process, TimeSpan patience, CancellationToken stopping) =>
        await process.StandardOutput.ReadLineAsync(stopping).AsTask().WaitAsync(patience, stopping)
        ?? throw new InvalidOperationException($"{process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList)} ended without an answer.");

    private static double CpuSeconds(Process process)
    {
        // The command's name stands in parentheses and may hold spaces; utime and stime are the 14th and 15th field.
        string stat = File.ReadAllText($"/proc/{process.Id}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / ClockTicksPerSecond;
    }

    private static void End(Process process)
    {
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }
}
