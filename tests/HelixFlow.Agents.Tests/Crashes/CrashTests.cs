using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Crashes;

/// <summary>Real processes that are killed at every place where they write; what they leave is taken up again, and everything was done once.</summary>
public sealed class CrashTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(300);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wherever_a_process_is_killed_its_job_ends_once_and_no_effect_that_was_recorded_is_repeated()
    {
        int writes = await WholeAsync();
        Assert.True(writes > 20, $"The job has only {writes} writes: the test shows little.");
        (int Write, string Side)[] places = [.. Enumerable.Range(1, writes).SelectMany(static write => (IEnumerable<(int, string)>)[(write, "before"), (write, "after")])];
        int killed = 0;
        await Parallel.ForEachAsync(places, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Token }, async (place, _) =>
        {
            if (await CrashAsync([place]))
            {
                Interlocked.Increment(ref killed);
            }
        });

        // Steps at the same time may share or split a commit, so that the last places are not reached each time.
        Assert.InRange(killed, places.Length - 8, places.Length);
    }

    [Fact]
    public async Task A_job_whose_processes_are_killed_again_and_again_ends_once_all_the_same()
    {
        int schedules = int.TryParse(Environment.GetEnvironmentVariable("HELIXFLOW_CRASH_SCHEDULES"), NumberStyles.None, CultureInfo.InvariantCulture, out int wanted) ? wanted : 4;
        await Parallel.ForEachAsync(Enumerable.Range(0, schedules), new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Token }, async (seed, _) =>
        {
            var random = new Random(seed);
            await CrashAsync([.. Enumerable.Range(0, random.Next(2, 5)).Select(_ => (random.Next(1, 12), random.Next(2) == 0 ? "before" : "after"))]);
        });
    }

    /// <summary>How many writes the job has when nobody disturbs it.</summary>
    private static async Task<int> WholeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-crash-").FullName;
        try
        {
            (int code, string output) = await HostAsync(folder, 0, "before", 0);
            Assert.True(code == 0, output);
            await RecoverAsync(folder, output);
            return int.Parse(output.Split("ended ")[1], CultureInfo.InvariantCulture);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Lets one process after another die at its place, and checks what they leave. Whether the first was killed.</summary>
    private static async Task<bool> CrashAsync((int Write, string Side)[] places)
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-crash-").FullName;
        try
        {
            string output = "";
            bool isKilled = false;
            for (int i = 0; i < places.Length; i++)
            {
                (int code, string said) = await HostAsync(folder, places[i].Write, places[i].Side, i);
                Assert.True(code is 0 or 137, said);
                isKilled |= i == 0 && code == 137;
                output += said;
                await CheckLedgerAsync(folder);
                if (code == 0)
                {
                    break;
                }
            }

            await RecoverAsync(folder, output);
            return isKilled;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            throw new InvalidOperationException($"Killed at {string.Join(", ", places)}: {exception.Message}", exception);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Code, string Output)> HostAsync(string folder, int write, string side, int hours)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "HelixFlow.Agents.CrashHost");
        var start = new ProcessStartInfo(OperatingSystem.IsWindows() ? program + ".exe" : program, ["job", folder, write.ToString(CultureInfo.InvariantCulture), side, hours.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        try
        {
            string[] said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(guard.Token), process.StandardError.ReadToEndAsync(guard.Token));
            await process.WaitForExitAsync(guard.Token);
            return (process.ExitCode, string.Concat(said));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    private static SqliteDatabase Open(string folder) =>
        SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));

    private static async Task CheckLedgerAsync(string folder)
    {
        await using SqliteDatabase database = Open(folder);
        await Ledger.CheckAsync(database, Token);
    }

    /// <summary>Goes on in this process with what is there, to the end, and checks that everything was done as often as it should.</summary>
    private static async Task RecoverAsync(string folder, string output)
    {
        await using SqliteDatabase database = Open(folder);
        await Ledger.CheckAsync(database, Token);
        string effects = Directory.CreateDirectory(Path.Combine(folder, "effects")).FullName;
        var journal = new Agents.Journal.Journal(database, new BlobFolder(Path.Combine(folder, "blobs")), TimeProvider.System, new JournalOptions()) { ClockSkewMs = 100 * 3_600_000 };
        Dictionary<string, int> before = Count(effects);
        HashSet<string> recorded = [.. await database.ReadAsync(
            static session => session.Query("select id || ' ' || address from steps join runs on runs.number = steps.run where steps.state = 1", static row => row.GetString(0)), Token)];

        // The client asks again, as it cannot know whether it was heard. What was acknowledged to it is there.
        RunStart start = await journal.RequestAsync(CrashRequest.Of("job"), Token);
        RunRecord run = start.Run!;
        if (output.Contains("acknowledged", StringComparison.Ordinal))
        {
            Assert.Equal(RunStartKind.Existing, start.Kind);
            Assert.Contains($"acknowledged {run.Id}", output, StringComparison.Ordinal);
        }

        if (!(await journal.EventsAsync("p", run.Id, 0, 1000, Token)).Exists(static numbered => numbered.Event is JournalEvent.Signalled))
        {
            await journal.SignalAsync("p", run.Id, CrashJob.Signal, JsonElement.Parse("1"), Token);
        }

        await WorkAsync(journal, effects, run.Id);
        await Ledger.CheckAsync(database, Token);
        RunRecord ended = (await journal.GetAsync("p", run.Id, Token))!;
        Assert.Equal(RunState.Succeeded, ended.State);
        Assert.Equal(3, (await journal.ListAsync("p", new RunFilter(null, null, null, 100), Token)).Count); // the job and its two children
        Dictionary<string, int> after = Count(effects);
        Assert.All(recorded.Where(step => before.ContainsKey(step)), step => Assert.Equal(before[step], after[step]));
        Assert.All(after, effect => Assert.InRange(effect.Value, 1, before.GetValueOrDefault(effect.Key) + 1));
        Assert.Equal(1, after[$"{run.Id} step-Unsafe"]);
        foreach (JsonElement result in JsonElement.Parse(await journal.ReadAsync(ended.Output!, Token)).EnumerateArray().Where(static result => result.ValueKind == JsonValueKind.String))
        {
            string text = result.GetString()!.Trim('"');
            Assert.True(text.All(char.IsAsciiDigit) || File.Exists(Path.Combine(effects, text)), text);
        }
    }

    private static async Task WorkAsync(Agents.Journal.Journal journal, string effects, string id)
    {
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var worker = new Worker(
            journal, [new CrashJob(journal, effects), new CrashChild(effects)], new WorkerOptions { TickInterval = TimeSpan.FromMilliseconds(20) },
            new WorkerMetrics(services.GetRequiredService<IMeterFactory>()), TimeProvider.System, NullLogger<Worker>.Instance);
        using var stopping = new CancellationTokenSource();
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        Task work = worker.RunAsync(stopping.Token);
        try
        {
            while (await journal.GetAsync("p", id, guard.Token) is { HasEnded: false } run)
            {
                if (run.State == RunState.Parked)
                {
                    await DecideAsync(journal, effects, id);
                }

                await Task.Delay(10, guard.Token);
            }
        }
        finally
        {
            await stopping.CancelAsync();
            await work;
        }
    }

    /// <summary>A person looks whether the effect took place.</summary>
    private static async Task DecideAsync(Agents.Journal.Journal journal, string effects, string id)
    {
        string[] done = [.. Directory.EnumerateFiles(effects, $"{id} step-Unsafe *").Select(static path => Path.GetFileName(path))];
        await journal.DecideStepAsync("p", id, "step-Unsafe", done.Length == 0 ? (ReadOnlyMemory<byte>?)null : Encoding.UTF8.GetBytes($"\"{Assert.Single(done)}\""), "someone", Token);
    }

    private static Dictionary<string, int> Count(string effects) => Directory.EnumerateFiles(effects)
        .Select(static path => string.Join(' ', Path.GetFileName(path).Split(' ')[..2])).CountBy(static effect => effect).ToDictionary();
}
