using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

// crash-host KIND FOLDER WRITE before|after HOURS
//   is a process on the SQLite database in FOLDER. With the KIND "job" it asks for one job, does it and ends; with "schedules" it does what is due
//   once, and ends. WRITE is the write of the database at which it kills itself; 0 for none. Its clock is ahead by HOURS, so that the leases of an earlier process are over.
// crash-host trial OPTIONS
//   is a host of a trial: see TrialHost.
if (args[0] == "trial")
{
    await TrialHost.RunAsync(args[1]);
    return 0;
}

string folder = args[1];
string effects = Directory.CreateDirectory(Path.Combine(folder, "effects")).FullName;
await using var database = new KillingDatabase(
    SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents")),
    int.Parse(args[2], CultureInfo.InvariantCulture), args[3] == "before");
var journal = new Journal(database, new BlobFolder(Path.Combine(folder, "blobs")), TimeProvider.System, new JournalOptions())
{
    ClockSkewMs = 3_600_000 * long.Parse(args[4], CultureInfo.InvariantCulture),
};
if (args[0] == "schedules")
{
    while (await journal.TickAsync(100, CancellationToken.None))
    {
    }

    Console.WriteLine($"ended {database.Writes}");
    return 0;
}

await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
// Never looks without a hint, so that the writes are those of the job, in nearly the same order each time.
var options = new WorkerOptions { Slots = 4, DrainLimit = TimeSpan.FromSeconds(1), PollInterval = TimeSpan.FromHours(1) };
var worker = new Worker(
    journal, [new CrashJob(journal, effects), new CrashChild(effects)], options, new WorkerMetrics(services.GetRequiredService<IMeterFactory>()), TimeProvider.System,
    NullLogger<Worker>.Instance);
using var stopping = new CancellationTokenSource();
RunStart start = await journal.RequestAsync(CrashRequest.Of("job"), CancellationToken.None);
Console.WriteLine($"acknowledged {start.Run!.Id}");
if (start.Run.LastEvent == 1)
{
    await journal.SignalAsync(start.Run.Project, start.Run.Id, CrashJob.Signal, JsonElement.Parse("1"), CancellationToken.None);
}

var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
journal.Changed += id =>
{
    if (id == start.Run.Id)
    {
        _ = CheckAsync();
    }
};
Task work = worker.RunAsync(stopping.Token);
await CheckAsync();
await ended.Task;
await stopping.CancelAsync();
await work;
Console.WriteLine($"ended {database.Writes}");
return 0;

async Task CheckAsync()
{
    if ((await journal.GetAsync(start.Run.Project, start.Run.Id, CancellationToken.None))! is { HasEnded: true } or { State: RunState.Parked })
    {
        ended.TrySetResult();
    }
}

namespace HelixFlow.Agents.CrashHost
{
    /// <summary>How the job is asked for.</summary>
    public static class CrashRequest
    {
        /// <summary>The request with a key.</summary>
        public static RunRequest Of(string key) => new()
        {
            Project = "p", Type = CrashJob.TypeName, Input = Encoding.UTF8.GetBytes("null"), Key = key,
            Options = new RunOptions { BackoffMs = 1, MaxBackoffMs = 5, MaxAttempts = 1000 },
        };
    }
}
