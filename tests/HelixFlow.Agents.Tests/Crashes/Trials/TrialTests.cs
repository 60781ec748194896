using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using HelixFlow.TestServers;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>
/// Real processes under seeded faults. HELIXFLOW_CRASH_SEED replays the schedule of a number; with HELIXFLOW_CRASH_SCHEDULES so many of each kind are
/// done from that number on, with HELIXFLOW_SOAK_SECONDS as many as can be in that time. Files in the folder HELIXFLOW_CRASH_REPORT say how far it is.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class TrialTests
{
    private const int AtOnce = 2;
    private const int MostObjections = 5;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(nameof(TrialKind.Embedded), 24)]
    [InlineData(nameof(TrialKind.Shared), 12)]
    [InlineData(nameof(TrialKind.Protocol), 12)]
    public async Task Whatever_happens_the_oracle_has_no_objection(string kindName, int sample)
    {
        TrialKind kind = Enum.Parse<TrialKind>(kindName);
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Processes are paused by SIGSTOP.");
        Assert.SkipWhen(kind == TrialKind.Shared && PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        var tally = new TrialTally();
        var objections = new ConcurrentQueue<string>();
        using IEnumerator<int> seeds = Seeds(kind, sample).GetEnumerator();
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            if (Next(seeds) is not { } first)
            {
                return;
            }

            await using TrialSource source = await TrialSource.CreateAsync(kind);
            for (int? seed = first; seed is not null; seed = objections.Count < MostObjections ? Next(seeds) : null)
            {
                var schedule = FaultSchedule.Of(seed.Value);
                foreach (Violation violation in await Trial.RunAsync(schedule, source, tally, Token))
                {
                    tally.Add("violations");
                    objections.Enqueue($"{violation}\n  {schedule}");
                }

                await ReportAsync(tally, objections, kind);
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

    /// <summary>The numbers of schedules of a kind.</summary>
    private static IEnumerable<int> Seeds(TrialKind kind, int sample)
    {
        int rest = (int)kind;
        int? seed = Number("HELIXFLOW_CRASH_SEED"), schedules = Number("HELIXFLOW_CRASH_SCHEDULES"), seconds = Number("HELIXFLOW_SOAK_SECONDS");
        if (seed is { } only && schedules is null && seconds is null)
        {
            return only % 3 == rest ? [only] : [];
        }

        int fresh = RandomNumberGenerator.GetInt32(1_000_000_000 / 3) * 3;
        if (seconds is { } limit)
        {
            long started = Stopwatch.GetTimestamp();
            return From(seed ?? fresh).TakeWhile(_ => Stopwatch.GetElapsedTime(started).TotalSeconds < limit);
        }

        if (schedules is { } count)
        {
            return From(seed ?? fresh).Take(count);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"A fresh schedule: HELIXFLOW_CRASH_SEED={fresh + rest}");
        return From(0).Take(sample).Append(fresh + rest);

        IEnumerable<int> From(int first) => Enumerable.Range(0, int.MaxValue).Select(i => (first / 3 * 3) + rest + (3 * i));
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    // A soak takes hours: whoever waits for it sees how far it is.
    private static async Task ReportAsync(TrialTally tally, ConcurrentQueue<string> objections, TrialKind kind)
    {
        if (Environment.GetEnvironmentVariable("HELIXFLOW_CRASH_REPORT") is { Length: > 0 } folder)
        {
            string path = Path.Combine(folder, $"{kind}.txt");
            string next = path + Guid.NewGuid().ToString("N");
            await File.WriteAllTextAsync(next, $"{tally}\n{string.Join('\n', objections)}\n", CancellationToken.None);
            File.Move(next, path, overwrite: true);
        }
    }
}
