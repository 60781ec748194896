using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Agents.Tests.Journal;

public sealed class JournalMetricsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-metrics-").FullName;
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<string> _seen = new();

    public JournalMetricsTests()
    {
        IMeterFactory factory = _services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == factory && instrument.Meter.Name == WorkerMetrics.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => See(instrument, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => See(instrument, tags));
        _listener.Start();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _listener.Dispose();
        _services.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Claims_and_lost_leases_are_counted_when_they_are_durable()
    {
        await using var file = SqliteDatabase.Open(Path.Combine(_folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        var database = new BreakableDatabase(file);
        var options = new JournalOptions { Metrics = new JournalMetrics(_services.GetRequiredService<IMeterFactory>()) };
        var journal = new Agents.Journal.Journal(database, new BlobFolder(Path.Combine(_folder, "blobs")), TimeProvider.System, options);
        await journal.RequestAsync(new RunRequest { Project = "p", Type = "t", Input = "1"u8.ToArray() }, Token);
        database.Refuse(1);
        await Assert.ThrowsAsync<StorageException>(() => journal.ClaimAsync("w", ["t"], 1, Token));
        Assert.Empty(_seen);
        Assert.Single(await journal.ClaimAsync("w", ["t"], 1, Token));
        Assert.Equal(["helixflow.agents.claim.latency type=t"], _seen);
        Assert.Equal([("t", RunState.Running, 1L)], (await journal.CountsAsync(Token)).Runs.Select(static runs => (runs.Type, runs.State, runs.Count)));

        journal.ClockSkewMs += 31_000;
        await journal.TickAsync(10, Token);
        Assert.Equal(["helixflow.agents.claim.latency type=t", "helixflow.agents.leases.lost reason=worker_lost type=t"], _seen);
    }

    [Fact]
    public async Task What_there_is_is_counted_by_type_and_state_with_the_age_of_the_first()
    {
        await using var host = new AgentHost();
        await host.Journal.EnterAsync(new WorkerEntry("w", "host", "program", 1, ["a"]), [], Token);
        await host.RequestAsync("a");
        await host.RequestAsync("a");
        await host.RequestAsync("b");
        host.Journal.ClockSkewMs += 10_000;
        await host.RequestAsync("a");
        Claim claim = await host.ClaimAsync("b");
        await host.Journal.FailAsync(claim.Lease, new RunError("c", "m"), true, Token);
        await host.Journal.RequestAsync(new RunRequest { Project = "p", Type = "late", Input = "1"u8.ToArray(), NotBefore = long.MaxValue / 2 }, Token);

        JournalCounts counts = await host.Journal.CountsAsync(Token);
        Assert.Equal([("late", RunState.Waiting, 1L), ("a", RunState.Ready, 3L), ("b", RunState.Dead, 1L)], counts.Runs.Select(static runs => (runs.Type, runs.State, runs.Count)));
        Assert.InRange(counts.Runs[1].OldestMs, 10_000, 10_000 + 300_000);
        Assert.Equal((1, 0, 0), (counts.Workers, counts.Deliveries, counts.OldestDeliveryMs));
    }

    private void See(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _seen.Enqueue($"{instrument.Name} {string.Join(' ', tags.ToArray().OrderBy(static tag => tag.Key, StringComparer.Ordinal).Select(static tag => $"{tag.Key}={tag.Value}"))}");
}
