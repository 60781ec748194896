using System.Globalization;
using System.Net.Http.Json;

namespace HelixFlow.Interop.Tests;

/// <summary>Many clients that come and go. HELIXFLOW_SOAK_SECONDS sets how long; the default keeps the test run short.</summary>
[Collection(nameof(SharedServer))]
public sealed class SoakTests(SharedServer shared)
{
    private const int Clients = 32;

    // So many that the server has compiled and allocated what it needs, however slow the machine is.
    private const int WarmStreams = 300;

    [Fact]
    public async Task Concurrent_streams_with_random_cancellations_leak_nothing()
    {
        int seconds = int.Parse(Environment.GetEnvironmentVariable("HELIXFLOW_SOAK_SECONDS") ?? "10", CultureInfo.InvariantCulture);
        Server server = shared.Server;
        await RunClientsAsync(server, TimeSpan.FromSeconds(Math.Max(2, seconds / 5)), WarmStreams);
        await server.WaitUntilIdleAsync();
        long warm = server.ResidentBytes();

        (int completed, int cancelled) = await RunClientsAsync(server, TimeSpan.FromSeconds(seconds), Clients);

        await server.WaitUntilIdleAsync();
        long after = server.ResidentBytes();
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{seconds} s: {completed} streams completed, {cancelled} cancelled, resident {warm >> 20} MiB → {after >> 20} MiB");
        Assert.True(completed > 0 && cancelled > 0);
        Assert.True(after < (warm * 1.25) + (64 << 20), $"memory grew from {warm} to {after} bytes");
    }

    /// <summary>Runs clients for this long, and longer if there were fewer streams by then; each has at least one.</summary>
    private static async Task<(int Completed, int Cancelled)> RunClientsAsync(Server server, TimeSpan duration, int leastStreams)
    {
        using var stop = new CancellationTokenSource(duration);
        int completed = 0;
        int cancelled = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async number =>
        {
            var random = new Random(number);
            using HttpClient client = server.CreateClient();
            do
            {
                if (await StreamAsync(client, random))
                {
                    Interlocked.Increment(ref completed);
                }
                else
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
            while (!stop.IsCancellationRequested || Volatile.Read(ref completed) + Volatile.Read(ref cancelled) < leastStreams);
        }));
        return (completed, cancelled);
    }

    /// <summary>One stream, left after a random number of events; false when it was left before its end.</summary>
    private static async Task<bool> StreamAsync(HttpClient client, Random random)
    {
        int leaveAfter = random.Next(2) == 0 ? int.MaxValue : random.Next(1, 30);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new
            {
                model = Server.Model,
                stream = true,
                n = random.Next(1, 3),
                ignore_eos = true,
                max_completion_tokens = random.Next(1, 60),
                messages = new[] { new { role = "user", content = $"Summarize: {string.Join(' ', Enumerable.Range(0, random.Next(1, 80)).Select(i => $"item {i % 7}"))}" } },
            }),
        };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}: {(response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync())}");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (int events = 0; await reader.ReadLineAsync() is { } line;)
        {
            Assert.DoesNotContain("\"error\"", line, StringComparison.Ordinal);
            if (line == "data: [DONE]")
            {
                return true;
            }

            events += line.Length > 0 ? 1 : 0;
            if (events >= leaveAfter)
            {
                return false;
            }
        }

        Assert.Fail("a stream ended without [DONE]");
        return false;
    }
}
