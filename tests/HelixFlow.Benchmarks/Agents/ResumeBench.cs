using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Benchmarks.Agents;

/// <summary>A restart after a crash with many runs under way, each between two steps: how long until the first of them does its next step.</summary>
internal static class ResumeBench
{
    private const int ClaimedAtOnce = 1_000;
    private const string Type = "resume";

    private static StepExecutor<int, int> Next { get; } = new(
        "next", 1, EffectClass.Recorded, BenchJson.Default.Int32, BenchJson.Default.Int32, static (input, _, _) => Task.FromResult(input));

    /// <summary>Milliseconds from the opening of the database to the first step, and to the thousandth.</summary>
    public static async Task<(double First, double Thousandth)> MeasureAsync(string folder, int runs, CancellationToken stopping)
    {
        Directory.CreateDirectory(folder);
        await using (SqliteDatabase database = Open(folder))
        {
            await CrashAsync(NewJournal(database, folder, TimeProvider.System), runs, stopping);
        }

        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var first = new TaskCompletionSource<double>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thousandth = new TaskCompletionSource<double>(TaskCreationOptions.RunContinuationsAsynchronously);
        int resumed = 0;
        long start = Stopwatch.GetTimestamp();
        await using SqliteDatabase reopened = Open(folder);
        var type = new BenchJob(Type, async (run, token) =>
        {
            await run.StepAsync("one", Next, 1, token);
            await run.StepAsync("two", Next, 2, token);
            int number = run.Executed == 1 ? Interlocked.Increment(ref resumed) : throw new InvalidOperationException($"{run.Executed} steps were executed.");
            if (number is 1 or 1_000)
            {
                (number == 1 ? first : thousandth).TrySetResult(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            return run.Input;
        });
        var worker = new Worker(
            NewJournal(reopened, folder, new LaterTime()), [type], new WorkerOptions(), new WorkerMetrics(services.GetRequiredService<IMeterFactory>()), TimeProvider.System,
            NullLogger<Worker>.Instance);
        Task work = worker.RunAsync(stop.Token);
        (double, double) times = (await first.Task.WaitAsync(stopping), await thousandth.Task.WaitAsync(stopping));
        await stop.CancelAsync();
        await work;
        return times;
    }

    private static async Task CrashAsync(Journal journal, int runs, CancellationToken stopping)
    {
        var options = new RunOptions { BackoffMs = 0 };
        await Parallel.ForEachAsync(Enumerable.Range(0, runs), new ParallelOptions { MaxDegreeOfParallelism = 256, CancellationToken = stopping }, async (_, token) =>
            await journal.RequestAsync(new RunRequest { Project = "p", Type = Type, Input = "0"u8.ToArray(), Options = options }, token));
        for (int claimed = 0; claimed < runs; claimed += ClaimedAtOnce)
        {
            IReadOnlyList<Claim> claims = await journal.ClaimAsync("crashed", [Type], ClaimedAtOnce, stopping);
            await Task.WhenAll(claims.Select(async claim =>
            {
                Run run = await Run.OpenAsync(journal, claim, TimeProvider.System, stopping);
                await run.StepAsync("one", Next, 1, stopping);
            }));
        }
    }

    private static SqliteDatabase Open(string folder) =>
        SqliteDatabase.Open(Path.Combine(folder, "resume.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));

    private static Journal NewJournal(SqliteDatabase database, string folder, TimeProvider time) =>
        new(database, new BlobFolder(Path.Combine(folder, "blobs")), time, new JournalOptions());

    /// <summary>A minute after the crash: all leases have run out.</summary>
    private sealed class LaterTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromMinutes(1);
    }
}

/// <summary>A job type whose code a benchmark gives.</summary>
internal sealed class BenchJob(string name, Func<Run, CancellationToken, Task<JsonElement>> code) : IJobType
{
    public string Name => name;

    public string Description => "A benchmark's.";

    public JsonElement InputSchema { get; } = JsonElement.Parse("{}");

    public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

    public Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken) => code(run, cancellationToken);
}
