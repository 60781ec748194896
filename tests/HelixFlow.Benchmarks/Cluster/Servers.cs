using System.Globalization;
using System.Text.RegularExpressions;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>A server and where it is reached.</summary>
/// <param name="Process">The process.</param>
/// <param name="Http">The API, or a pool's health and metrics.</param>
/// <param name="Grpc">Where a pool serves gateways; null for a gateway.</param>
internal sealed record RunningServer(ChildProcess Process, Uri Http, Uri? Grpc) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Process.DisposeAsync();
}

/// <summary>Starts <c>helixflow serve</c>, and pools that emit tokens by script, on free ports of the loopback interface.</summary>
internal static partial class Servers
{
    private const string Cli = "helixflow-cli";

    /// <summary>An inference node.</summary>
    public static async Task<RunningServer> PoolAsync(string? model, int threads, int kvMib, CancellationToken cancellationToken)
    {
        string[] arguments = ["serve", "--role", "pool", "--port", "0", "--grpc-port", "0", "--threads", Text(threads), .. Model(model), .. Kv(kvMib)];
        (ChildProcess process, Match match) = await ChildProcess.StartAsync(Cli, PoolAnnouncement(), arguments, cancellationToken);
        return new RunningServer(process, new Uri(match.Groups[2].Value), new Uri(match.Groups[1].Value));
    }

    /// <summary>A pool that emits tokens by script.</summary>
    public static async Task<RunningServer> PacedPoolAsync(TimeSpan interval, CancellationToken cancellationToken)
    {
        string[] arguments = [PacedHost.CommandName, "--role", "pool", "--interval-ms", Text(interval.TotalMilliseconds)];
        (ChildProcess process, Match match) = await ChildProcess.StartAsync("HelixFlow.Benchmarks", PoolAnnouncement(), arguments, cancellationToken);
        return new RunningServer(process, new Uri(match.Groups[2].Value), new Uri(match.Groups[1].Value));
    }

    /// <summary>A gateway over nodes; ready once it knows them all.</summary>
    public static async Task<RunningServer> GatewayAsync(IReadOnlyCollection<Uri> nodes, string routing, CancellationToken cancellationToken)
    {
        string[] arguments = ["serve", "--role", "gateway", "--port", "0", "--nodes", "static:" + string.Join(',', nodes.Select(node => node.GetLeftPart(UriPartial.Authority))), "--routing", routing];
        return await ServeAsync(Cli, arguments, nodes.Count, cancellationToken);
    }

    /// <summary>Gateway and node in one process.</summary>
    public static Task<RunningServer> AllInOneAsync(string? model, int threads, CancellationToken cancellationToken, params string[] options) =>
        ServeAsync(Cli, ["serve", "--port", "0", "--threads", Text(threads), .. Model(model), .. options], 1, cancellationToken);

    /// <summary>A gateway and a pool that emits tokens by script in one process.</summary>
    public static Task<RunningServer> PacedAllInOneAsync(TimeSpan interval, CancellationToken cancellationToken) =>
        ServeAsync("HelixFlow.Benchmarks", [PacedHost.CommandName, "--role", "all", "--interval-ms", Text(interval.TotalMilliseconds)], 1, cancellationToken);

    private static async Task<RunningServer> ServeAsync(string program, string[] arguments, int nodes, CancellationToken cancellationToken)
    {
        (ChildProcess process, Match match) = await ChildProcess.StartAsync(program, GatewayAnnouncement(), arguments, cancellationToken);
        var server = new RunningServer(process, new Uri(match.Groups[1].Value), null);
        try
        {
            using var metrics = new NodeMetrics(server.Http);
            while (await metrics.SumAsync("helixflow_node_ready", cancellationToken) < nodes)
            {
                await Task.Delay(50, cancellationToken);
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }

        return server;
    }

    private static string[] Model(string? model) => model is null ? [] : ["--model", model];

    private static string[] Kv(int mebibytes) => mebibytes == 0 ? [] : ["--kv-mib", Text(mebibytes)];

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"to gateways on (http://\S+) \(health and metrics on (http://[^\s)]+)\)")]
    private static partial Regex PoolAnnouncement();

    [GeneratedRegex(@"HelixFlow serves .* on (http://\S+)/v1 ")]
    private static partial Regex GatewayAnnouncement();
}
