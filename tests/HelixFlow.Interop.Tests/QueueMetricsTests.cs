using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>What a real server tells of its queue after real events.</summary>
public sealed class QueueMetricsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-metrics-").FullName;

    public QueueMetricsTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "the programs of these tests are for Linux");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Queue_schedules_webhooks_and_handlers_are_seen_in_the_metrics()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "broken.json"), """{"name": "broken", "command": ["sh", "-c", "read -r job; exit 3"], "max_attempts": 1}""", Token);
        await File.WriteAllTextAsync(Path.Combine(_folder, "hang.json"), """{"name": "hang", "command": ["sh", "-c", "sleep 1000"], "max_attempts": 1, "time_limit_seconds": 0.2}""", Token);
        using var receiver = new Receiver();
        await using Server server = await Server.StartAsync(arguments: ["--handlers", _folder, "--allow-private-webhooks"]);
        using HttpClient client = server.CreateClient();
        await SubmitAsync(client, "broken", receiver.Url);
        await SubmitAsync(client, "hang", "http://127.0.0.1:1/"); // nobody is there
        await SubmitAsync(client, "broken", null, delaySeconds: 3600);
        using HttpResponseMessage made = await client.PostAsJsonAsync(
            "/api/v1/agent/schedules",
            JsonNode.Parse("""{"name": "tick", "when": {"every_seconds": 1}, "job": {"type": "analyse-data", "input": {"data": "x\n1\n", "narrative": false}}, "overlap": "skip"}"""), Token);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync(Token));
        (string Sample, double AtLeast)[] expected =
        [
            ("helixflow_agents_jobs{type=\"broken\",state=\"dead\"}", 1), ("helixflow_agents_jobs{type=\"hang\",state=\"dead\"}", 1), ("helixflow_agents_jobs{type=\"broken\",state=\"waiting\"}", 1),
            ("helixflow_agents_workers", 1), ("helixflow_agents_webhook_backlog", 1), ("helixflow_agents_webhook_backlog_oldest_seconds", 0),
            ("helixflow_agents_webhook_attempts_total{outcome=\"delivered\"}", 1), ("helixflow_agents_webhook_attempts_total{outcome=\"failed\"}", 1),
            ("helixflow_agents_handler_failures_total{reason=\"handler_crashed\",type=\"broken\"}", 1), ("helixflow_agents_handler_failures_total{reason=\"time_limit\",type=\"hang\"}", 1),
            ("helixflow_agents_schedule_times_total{outcome=\"started\"}", 1), ("helixflow_agents_schedule_lateness_seconds_count", 1),
            ("helixflow_agents_schedule_lateness_seconds_bucket{le=\"+Inf\"}", 1), ("helixflow_agents_claim_latency_seconds_count{type=\"broken\"}", 1),
            ("helixflow_agents_attempts_ended_total{outcome=\"failed\",type=\"hang\"}", 1),
        ];

        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(TimeSpan.FromMinutes(5));
        string[] missing = [];
        do
        {
            Dictionary<string, double> samples = await ScrapeAsync(client);
            missing = [.. expected.Where(one => !samples.TryGetValue(one.Sample, out double value) || value < one.AtLeast).Select(static one => one.Sample)];
            if (guard.IsCancellationRequested)
            {
                Assert.Fail($"never seen: {string.Join(", ", missing)} in\n{string.Join('\n', samples.Where(static sample => sample.Key.StartsWith("helixflow_agents", StringComparison.Ordinal)))}");
            }

            await Task.Delay(100, Token);
        }
        while (missing.Length > 0);
    }

    private static async Task<Dictionary<string, double>> ScrapeAsync(HttpClient client) => (await client.GetStringAsync("/metrics", Token)).Split('\n')
        .Where(static line => line.Length > 0 && line[0] != '#')
        .ToDictionary(static line => line[..line.LastIndexOf(' ')], static line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    private static async Task SubmitAsync(HttpClient client, string type, string? webhook, int delaySeconds = 0)
    {
        var job = new JsonObject { ["type"] = type, ["input"] = new JsonObject() };
        if (webhook is not null)
        {
            job["webhook"] = new JsonObject { ["url"] = webhook, ["secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" };
        }

        if (delaySeconds > 0)
        {
            job["delay_seconds"] = delaySeconds;
        }

        using HttpResponseMessage response = await client.PostAsJsonAsync("/api/v1/agent/jobs", job, Token);
        Assert.True(response.StatusCode == HttpStatusCode.Created, await response.Content.ReadAsStringAsync(Token));
    }

    /// <summary>Takes every message.</summary>
    private sealed class Receiver : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public Receiver()
        {
            _listener.Start();
            _ = TakeAsync();
        }

        public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/";

        public void Dispose() => _listener.Dispose();

        private async Task TakeAsync()
        {
            try
            {
                while (true)
                {
                    using Socket client = await _listener.AcceptSocketAsync();
                    byte[] buffer = new byte[65536];
                    string said = "";
                    while (!said.EndsWith('}')) // the body is one JSON object
                    {
                        int count = await client.ReceiveAsync(buffer);
                        if (count == 0)
                        {
                            break;
                        }

                        said += System.Text.Encoding.UTF8.GetString(buffer, 0, count);
                    }

                    await client.SendAsync("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"u8.ToArray());
                }
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
