using System.Net;
using System.Text.RegularExpressions;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>A process of <c>helixflow serve --role gateway</c>.</summary>
internal sealed partial class Gateway(string data, HttpClient client, params string[] arguments) : IAsyncDisposable
{
    private HelixProcess? _process;
    private string _past = "";

    /// <summary>How long a node may be silent before it is lost. By default so long that a node which the machine lets wait is not taken for a lost one.</summary>
    public int SilenceSeconds { get; init; } = 300;

    public Uri Address { get; private set; } = new("http://127.0.0.1:0");

    public HelixProcess Process => _process ?? throw new InvalidOperationException("the gateway was not started");

    public string Output => _past + _process?.Output;

    /// <summary>Starts it, on the port that it had before, and waits until it listens; nodes may still be missing.</summary>
    public async Task StartAsync()
    {
        if (_process is { } old)
        {
            _past = Output;
            await old.DisposeAsync();
        }

        _process = HelixProcess.Start("gateway", ["serve", "--role", "gateway", "--port", $"{Address.Port}", "--data", data, "--silence-seconds", $"{SilenceSeconds}", .. arguments]);
        Match announced = await _process.LineAsync(Announcement());
        Address = new Uri(announced.Groups[1].Value);
    }

    public Task<Metrics> MetricsAsync() => Metrics.ReadAsync(client, Address);

    public async Task<HttpStatusCode> HealthAsync(string path)
    {
        using HttpResponseMessage response = await client.GetAsync(new Uri(Address, path));
        return response.StatusCode;
    }

    /// <summary>Waits until it sends requests to this many nodes.</summary>
    public Task UntilNodesAsync(int count) => Eventually.TrueAsync(
        async () => (await MetricsAsync()).Sum("helixflow_node_ready") == count, $"the gateway has {count} nodes in rotation", () => Output);

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            await process.DisposeAsync();
        }
    }

    [GeneratedRegex(@"^HelixFlow serves .* on (http://\S+)/v1 ")]
    private static partial Regex Announcement();
}
