using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using HelixFlow.TestServers;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>
/// Real processes under seeded faults. HELIXFLOW_CRASH_SEED replays the schedule of a number, or with HELIXFLOW_CRASH_SCHEDULES so many from that number on;
/// HELIXFLOW_SOAK_SECONDS goes on for so long.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class TrialTests
{
    private const int EmbeddedSample = 30;
    private const int ServedSample = 14;
    private const int AtOnce = 2;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task Whatever_happens_to_a_process_on_SQLite_the_oracle_has_no_objection() => RunAsync(isServed: false);

    [Fact]
    public Task Whatever_happens_to_processes_on_PostgreSQL_and_to_the_server_the_oracle_has_no_objection() => RunAsync(isServed: true);

    private static async Task RunAsync(bool isServed)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Processes are paused by SIGSTOP.");
        Assert.SkipWhen(isServed && PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        var tally = new TrialTally();
        var objections = new ConcurrentQueue<string>();
        using IEnumerator<int> seeds = Seeds(isServed).GetEnumerator();
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            if (Next(seeds) is not { } first)
            {
                return;
            }

            await using TrialSource source = await TrialSource.CreateAsync(isServed);
            for (int? seed = first; seed is not null; seed = objections.Count < 5 ? Next(seeds) : null)
            {
                var schedule = FaultSchedule.Of(seed.Value);
                foreach (Violation violation in await Trial.RunAsync(schedule, source, tally, Token))
                {
                    tally.Add("violations");
                    objections.Enqueue($"{violation}\n  {schedule}");
                }

                await ReportAsync(tally, objections, isServed);
            }
        }));
        TestContext.Current.TestOutputHelper!.WriteLine(tally.ToString());
        Assert.True(objections.IsEmpty, string.Join('\n', objections));
    }

    private static int? Next(IEnumerator<int> seeds)
    {
        lock (seeds)
        {
            return seeds.MoveNext() ? seeds.Current : null;
        }
    }

    /// <summary>The numbers of schedules on one of the databases.</summary>
    private static IEnumerable<int> Seeds(bool isServed)
    {
        int odd = isServed ? 1 : 0;
        int? seed = Number("HELIXFLOW_CRASH_SEED"), schedules = Number("HELIXFLOW_CRASH_SCHEDULES"), seconds = Number("HELIXFLOW_SOAK_SECONDS");
        if (seed is { } only && schedules is null && seconds is null)
        {
            return only % 2 == odd ? [only] : [];
        }

        int fresh = (RandomNumberGenerator.GetInt32(int.MaxValue / 4) * 2) + odd;
        if (seconds is { } limit)
        {
            long started = Stopwatch.GetTimestamp();
            return From(seed ?? fresh).TakeWhile(_ => Stopwatch.GetElapsedTime(started).TotalSeconds < limit);
        }

        if (schedules is { } count)
        {
            return From(seed ?? fresh).Take(count);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"A fresh schedule: HELIXFLOW_CRASH_SEED={fresh}");
        return From(odd).Take(isServed ? ServedSample : EmbeddedSample).Append(fresh);

        IEnumerable<int> From(int first) => Enumerable.Range(0, int.MaxValue / 4).Select(i => ((first - odd) / 2 * 2) + odd + (2 * i));
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    // A soak takes hours: whoever waits for it sees how far it is.
    private static async Task ReportAsync(TrialTally tally, ConcurrentQueue<string> objections, bool isServed)
    {
        if (Environment.GetEnvironmentVariable("HELIXFLOW_CRASH_REPORT") is { Length: > 0 } folder)
        {
            string path = Path.Combine(folder, isServed ? "postgresql.txt" : "sqlite.txt");
            string next = path + Guid.NewGuid().ToString("N");
            await File.WriteAllTextAsync(next, $"{tally}\n{string.Join('\n', objections)}\n", CancellationToken.None);
            File.Move(next, path, overwrite: true);
        }
    }
}
