using System.Net;
using System.Text.RegularExpressions;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>An inference node: a process of <c>helixflow serve --role pool</c>, which can be ended and started again on its ports.</summary>
internal sealed partial class PoolNode(string name, string data, HttpClient client, params string[] arguments) : IAsyncDisposable
{
    private HelixProcess? _process;
    private string _past = "";

    public string Name => name;

    /// <summary>Where gateways reach it.</summary>
    public Uri Grpc { get; private set; } = new("http://127.0.0.1:0");

    /// <summary>Where it serves health and metrics.</summary>
    public Uri Http { get; private set; } = new("http://127.0.0.1:0");

    public HelixProcess Process => _process ?? throw new InvalidOperationException($"{name} was not started");

    /// <summary>What all its processes have written.</summary>
    public string Output => _past + _process?.Output;

    /// <summary>Starts it, on the ports that it had before, and waits until it serves.</summary>
    public async Task StartAsync()
    {
        if (_process is { } old)
        {
            _past = Output;
            await old.DisposeAsync();
        }

        _process = HelixProcess.Start(name,
            ["serve", "--role", "pool", "--grpc-port", $"{Grpc.Port}", "--port", $"{Http.Port}", "--data", data, "--threads", "1", "--hang-seconds", "300", "--node-id", name, .. arguments]);
        Match announced = await _process.LineAsync(Announcement());
        Grpc = new Uri(announced.Groups[1].Value);
        Http = new Uri(announced.Groups[2].Value);
    }

    /// <summary>Forgets its ports: it starts on others.</summary>
    public void Move()
    {
        Grpc = new Uri("http://127.0.0.1:0");
        Http = Grpc;
    }

    public Task<Metrics> MetricsAsync() => Metrics.ReadAsync(client, Http);

    /// <summary>Sequences that it computes at this moment.</summary>
    public async Task<int> RunningAsync() => (int)(await MetricsAsync()).Sum("vllm:num_requests_running");

    /// <summary>Tokens that it has generated since its start.</summary>
    public async Task<double> GeneratedAsync() => (await MetricsAsync()).Sum("vllm:generation_tokens_total");

    /// <summary>The status of one of its health endpoints.</summary>
    public async Task<HttpStatusCode> HealthAsync(string path)
    {
        using HttpResponseMessage response = await client.GetAsync(new Uri(Http, path));
        return response.StatusCode;
    }

    /// <summary>Waits until nothing runs, waits or holds a block.</summary>
    public Task UntilIdleAsync() => Eventually.TrueAsync(
        async () =>
        {
            Metrics metrics = await MetricsAsync();
            return metrics.Sum("helixflow_sequences") == 0 && metrics.Sum("helixflow_kv_blocks", "held") == 0 && metrics.Sum("helixflow_requests") == 0;
        },
        $"{name} idles",
        () => Output);

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            await process.DisposeAsync();
        }
    }

    [GeneratedRegex(@"to gateways on (\S+) \(health and metrics on ([^)\s]+)\)")]
    private static partial Regex Announcement();
}
