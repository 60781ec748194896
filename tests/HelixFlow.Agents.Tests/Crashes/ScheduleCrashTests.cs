using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Schedules;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Crashes;

/// <summary>Real processes are killed at every write with which they fire schedules; each time has one run in the end.</summary>
public sealed class ScheduleCrashTests
{
    private const long Hour = 3_600_000;
    private const int Schedules = 3;
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(300);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("before")]
    [InlineData("after")]
    public async Task Wherever_a_process_is_killed_each_time_is_fired_for_once(string side)
    {
        int killed = 0;
        for (int write = 1; ; write++)
        {
            string folder = Directory.CreateTempSubdirectory("helixflow-crash-").FullName;
            try
            {
                long first = await MakeAsync(folder);
                int code = await HostAsync(folder, write, side, hours: 3);
                killed += code == 137 ? 1 : 0;
                Assert.Equal(0, await HostAsync(folder, 0, side, hours: 5));
                Assert.Equal(0, await HostAsync(folder, 0, side, hours: 4)); // with a clock that was put back
                await CheckAsync(folder, first, until: 5);
                if (code == 0)
                {
                    Assert.True(killed >= 1, "The host was never killed: the test shows nothing.");
                    return;
                }
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    /// <summary>Schedules that fire each hour, from half an hour from now on; the first time.</summary>
    private static async Task<long> MakeAsync(string folder)
    {
        await using SqliteDatabase database = Open(folder);
        Agents.Journal.Journal journal = Journal(database, folder);
        long first = await journal.NowAsync(Token) + (Hour / 2);
        for (int i = 0; i < Schedules; i++)
        {
            (ScheduleOutcome outcome, _) = await journal.CreateScheduleAsync(
                new ScheduleDefinition
                {
                    Project = "p", Name = string.Create(CultureInfo.InvariantCulture, $"s{i}"), Timing = Timing.OfInterval(Hour, first), Misfire = MisfirePolicy.All,
                    Job = new JobTemplate { Type = "t", Input = JsonElement.Parse("{}") },
                },
                Token);
            Assert.Equal(ScheduleOutcome.Done, outcome);
        }

        return first;
    }

    private static async Task CheckAsync(string folder, long first, int until)
    {
        await using SqliteDatabase database = Open(folder);
        Agents.Journal.Journal journal = Journal(database, folder);
        List<RunRecord> runs = await journal.ListAsync("p", new RunFilter(null, null, null, 1000), Token);
        foreach (Schedule schedule in await journal.SchedulesAsync("p", "", 100, Token))
        {
            Assert.Equal(
                Enumerable.Range(0, until).Select(i => first + (i * Hour)),
                runs.Where(run => run.Schedule == schedule.Id).Select(static run => long.Parse(run.Key!.Split('/')[1], CultureInfo.InvariantCulture)).Order());
        }
    }

    private static async Task<int> HostAsync(string folder, int write, string side, int hours)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "HelixFlow.Agents.CrashHost");
        string[] arguments = ["schedules", folder, write.ToString(CultureInfo.InvariantCulture), side, hours.ToString(CultureInfo.InvariantCulture)];
        using Process process = Process.Start(new ProcessStartInfo(OperatingSystem.IsWindows() ? program + ".exe" : program, arguments) { RedirectStandardOutput = true })!;
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        try
        {
            await process.StandardOutput.ReadToEndAsync(guard.Token);
            await process.WaitForExitAsync(guard.Token);
            return process.ExitCode;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    private static SqliteDatabase Open(string folder) => SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));

    private static Agents.Journal.Journal Journal(SqliteDatabase database, string folder) => new(database, new BlobFolder(Path.Combine(folder, "blobs")), TimeProvider.System, new JournalOptions());
}
