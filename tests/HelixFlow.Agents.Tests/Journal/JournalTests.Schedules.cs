using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Schedules;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    private const long Hour = 3_600_000;

    [Fact]
    public async Task A_schedule_asks_for_its_job_each_time_and_says_so()
    {
        await using var host = new Host(Open());
        Schedule schedule = await CreateAsync(host.Journal, await HourlyAsync(host.Journal));
        Assert.Empty(await RunsAsync(host.Journal));
        await host.PassAsync(Hour);
        await host.PassAsync(Hour);

        List<RunRecord> runs = await RunsAsync(host.Journal);
        Assert.Equal([schedule.NextFire + Hour, schedule.NextFire], runs.Select(TimeOf));
        Assert.All(runs, run => Assert.Equal((schedule.Id, "t", RunPriority.Interactive, 7), (run.Schedule, run.Type, run.Priority, run.Options.MaxAttempts)));
        Assert.Equal("""{"x":1}""", Encoding.UTF8.GetString((await host.ClaimAsync("t"))[0].Input!));
        List<ScheduleFire> fires = await host.Journal.ScheduleFiresAsync(schedule.Id, 10, Token);
        Assert.Equal(runs.Select(static run => (FireOutcome.Started, (string?)run.Id)), fires.Select(static fire => (fire.Outcome, fire.Run)));
        Schedule now = (await host.Journal.GetScheduleAsync("p", "hourly", Token))!;
        Assert.Equal((schedule.NextFire + Hour, schedule.NextFire + (2 * Hour)), (now.LastFire, now.NextFire));
    }

    [Fact]
    public async Task A_schedule_with_one_time_is_finished_after_it()
    {
        await using var host = new Host(Open());
        ScheduleDefinition wanted = await HourlyAsync(host.Journal) with { Timing = Timing.OfTime(await host.Journal.NowAsync(Token) + Hour) };
        Schedule schedule = await CreateAsync(host.Journal, wanted);
        await host.PassAsync(2 * Hour);

        Assert.Equal(schedule.NextFire, TimeOf(Assert.Single(await RunsAsync(host.Journal))));
        Assert.Equal(ScheduleState.Finished, (await host.Journal.GetScheduleAsync("p", schedule.Id, Token))!.State);
        Assert.Equal(ScheduleOutcome.NeverFires, (await host.Journal.CreateScheduleAsync(wanted with { Name = "late" }, Token)).Outcome);
        Assert.Equal(ScheduleOutcome.NeverFires, (await host.Journal.ChangeScheduleAsync(schedule.Id, wanted, Token)).Outcome);
    }

    [Theory]
    [InlineData(MisfirePolicy.Skip, 0)]
    [InlineData(MisfirePolicy.Once, 1)]
    [InlineData(MisfirePolicy.All, 5)]
    public async Task What_was_missed_is_done_as_the_policy_says(MisfirePolicy policy, int expected)
    {
        await using var host = new Host(Open());
        Schedule schedule = await CreateAsync(host.Journal, await HourlyAsync(host.Journal) with { Misfire = policy, MostMissed = 5, GraceMs = Hour / 6 });
        await host.PassAsync((30 * Hour) + (Hour / 3));

        long last = schedule.NextFire!.Value + (29 * Hour);
        List<RunRecord> runs = await RunsAsync(host.Journal);
        Assert.Equal(Enumerable.Range(0, expected).Select(i => (long?)(last - (i * Hour))), runs.Select(TimeOf));
        Assert.Contains(await host.Journal.ScheduleFiresAsync(schedule.Id, 100, Token), fire => (fire.FireAt, fire.Outcome) == (schedule.NextFire, FireOutcome.Missed));
        await host.PassAsync(Hour / 5);
        Assert.Equal(last + Hour, TimeOf((await RunsAsync(host.Journal))[0]));
    }

    [Fact]
    public async Task Runs_overlap_are_skipped_or_wait_as_the_policy_says()
    {
        await using var host = new Host(Open());
        foreach (OverlapPolicy overlap in Enum.GetValues<OverlapPolicy>())
        {
            ScheduleDefinition wanted = await HourlyAsync(host.Journal);
            await CreateAsync(host.Journal, wanted with { Name = overlap.ToString(), Overlap = overlap, Job = wanted.Job with { Type = overlap.ToString() } });
        }

        await host.PassAsync(Hour);
        await host.PassAsync(Hour);
        await host.PassAsync(Hour);

        Assert.Equal([FireOutcome.Started, FireOutcome.Started, FireOutcome.Started], await OutcomesAsync(host.Journal, "Allow"));
        Assert.Equal([FireOutcome.Started, FireOutcome.Skipped, FireOutcome.Skipped], await OutcomesAsync(host.Journal, "Skip"));
        Assert.Equal([FireOutcome.Started, FireOutcome.Buffered, FireOutcome.Skipped], await OutcomesAsync(host.Journal, "BufferOne"));

        Claim first = Assert.Single(await host.ClaimAsync("BufferOne"));
        Assert.Empty(await host.ClaimAsync("BufferOne"));
        Assert.True(await host.Journal.FailAsync(first.Lease, new RunError("broken", "broken"), true, Token)); // however it ends
        Assert.Single(await host.ClaimAsync("BufferOne"));
        Assert.True(await host.Journal.SucceedAsync((await host.ClaimAsync("Skip"))[0].Lease, Json("1"), Token));
        await host.PassAsync(Hour);
        Assert.Equal(FireOutcome.Started, (await OutcomesAsync(host.Journal, "Skip"))[^1]);
        Assert.Equal(FireOutcome.Buffered, (await OutcomesAsync(host.Journal, "BufferOne"))[^1]);
    }

    [Fact]
    public async Task A_paused_schedule_does_nothing_and_what_passed_meanwhile_does_not_count()
    {
        await using var host = new Host(Open());
        Schedule schedule = await CreateAsync(host.Journal, await HourlyAsync(host.Journal) with { Misfire = MisfirePolicy.All });
        Assert.Equal((ScheduleState.Paused, null), State(await host.Journal.PauseScheduleAsync("p", schedule.Id, Token)));
        await host.PassAsync(10 * Hour);
        Assert.Empty(await RunsAsync(host.Journal));
        Assert.Equal((ScheduleState.Paused, null), State((await host.Journal.ChangeScheduleAsync(schedule.Id, schedule.Definition with { Name = "renamed" }, Token)).Schedule));
        Schedule resumed = (await host.Journal.ResumeScheduleAsync("p", schedule.Id, Token))!;
        Assert.Equal((ScheduleState.Active, schedule.NextFire + (10 * Hour)), State(resumed));
        await host.PassAsync(Hour);

        Assert.Equal(resumed.NextFire, TimeOf(Assert.Single(await RunsAsync(host.Journal))));
        Assert.Null(await host.Journal.PauseScheduleAsync("q", schedule.Id, Token));
        Assert.False(await host.Journal.DeleteScheduleAsync("q", schedule.Id, Token));
        Assert.True(await host.Journal.DeleteScheduleAsync("p", schedule.Id, Token));
        await host.PassAsync(10 * Hour);
        Assert.Single(await RunsAsync(host.Journal));

        static (ScheduleState, long?) State(Schedule? schedule) => (schedule!.State, schedule.NextFire);
    }

    [Fact]
    public async Task Names_are_unique_in_a_project_and_changes_replace_everything()
    {
        await using var host = new Host(Open());
        ScheduleDefinition wanted = await HourlyAsync(host.Journal);
        Schedule first = await CreateAsync(host.Journal, wanted);
        Schedule second = await CreateAsync(host.Journal, wanted with { Name = "second" });
        await CreateAsync(host.Journal, wanted with { Project = "q" });

        Assert.Equal(ScheduleOutcome.NameTaken, (await host.Journal.CreateScheduleAsync(wanted, Token)).Outcome);
        Assert.Equal(ScheduleOutcome.NameTaken, (await host.Journal.ChangeScheduleAsync(second.Id, wanted, Token)).Outcome);
        Assert.Equal(ScheduleOutcome.Unknown, (await host.Journal.ChangeScheduleAsync("sch_none", wanted with { Name = "third" }, Token)).Outcome);
        ScheduleDefinition other = wanted with { Timing = Timing.OfCron("0 9 * * *", "Europe/Berlin"), Overlap = OverlapPolicy.Skip, Misfire = MisfirePolicy.Skip };
        Schedule changed = (await host.Journal.ChangeScheduleAsync(first.Id, other, Token)).Schedule!;
        Assert.Equal(("0 9 * * *", "Europe/Berlin", OverlapPolicy.Skip), (changed.Definition.Timing.Cron, changed.Definition.Timing.TimeZone, changed.Definition.Overlap));
        Assert.Equal(["hourly", "second"], (await host.Journal.SchedulesAsync("p", "", 10, Token)).Select(static schedule => schedule.Definition.Name));
        Assert.Equal(["second"], (await host.Journal.SchedulesAsync("p", "hourly", 10, Token)).Select(static schedule => schedule.Definition.Name));
    }

    [Fact]
    public async Task A_schedule_is_run_at_once_when_somebody_wants_it()
    {
        await using var host = new Host(Open());
        Schedule schedule = await CreateAsync(host.Journal, await HourlyAsync(host.Journal));

        RunStart start = await host.Journal.RunScheduleAsync(schedule, "now", Token);
        Assert.Equal((RunStartKind.Created, schedule.Id), (start.Kind, start.Run!.Schedule));
        Assert.Equal(RunStartKind.Existing, (await host.Journal.RunScheduleAsync(schedule, "now", Token)).Kind);
        Assert.Single(await host.ClaimAsync("t"));
    }

    [Fact]
    public async Task A_clock_that_was_ahead_for_a_while_stops_nothing_and_doubles_nothing()
    {
        await using var host = new Host(Open());
        Schedule schedule = await CreateAsync(host.Journal, await HourlyAsync(host.Journal));
        await host.PassAsync(Hour);
        const long Year = 365L * 24 * Hour;
        await host.PassAsync(Year); // one run for all that seems to be missed
        await host.PassAsync(-Year);
        Assert.Equal(2, (await RunsAsync(host.Journal)).Count);
        await host.PassAsync(Hour);
        await host.PassAsync(-Hour);
        await host.PassAsync(Hour);
        await host.PassAsync(Hour);

        Assert.Equal(
            [schedule.NextFire, schedule.NextFire + Hour, schedule.NextFire + (2 * Hour), schedule.NextFire + Year],
            (await RunsAsync(host.Journal)).Select(TimeOf).Order());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Several_processes_with_wrong_clocks_that_die_at_any_write_fire_once_for_each_time(int seed)
    {
        (IDatabase database, BlobFolder blobs) = Open();
        await using var _ = database;
        var random = new Random(seed);
        var nodes = new Agents.Journal.Journal[4];
        for (int i = 0; i < nodes.Length; i++)
        {
            nodes[i] = new(new DyingDatabase(database, new Random((10 * seed) + i)), blobs, TimeProvider.System, new JournalOptions());
        }

        var sure = new Agents.Journal.Journal(database, blobs, TimeProvider.System, new JournalOptions());
        ScheduleDefinition wanted = await HourlyAsync(sure) with { Misfire = MisfirePolicy.All, MostMissed = 1000 };
        Schedule[] schedules = [await CreateAsync(sure, wanted), await CreateAsync(sure, wanted with { Name = "cron", Timing = Timing.OfCron("30 */5 * * *", "UTC") })];
        for (int round = 0; round < 60; round++)
        {
            await Task.WhenAll(nodes.Select(async node =>
            {
                try
                {
                    await node.TickAsync(10, Token);
                }
                catch (Crash)
                {
                    // The next tick is that of the process which was started instead.
                }
            }));
            foreach (Agents.Journal.Journal node in nodes)
            {
                node.ClockSkewMs += random.Next(5) switch
                {
                    0 => -random.Next((int)(20 * Hour)),
                    1 => random.Next((int)(20 * Hour)),
                    _ => random.Next((int)Hour),
                };
            }
        }

        sure.ClockSkewMs = nodes.Max(static node => node.ClockSkewMs) + (30 * Hour);
        while (await sure.TickAsync(10, Token))
        {
        }

        long end = await sure.NowAsync(Token);
        List<RunRecord> runs = await RunsAsync(sure);
        foreach (Schedule schedule in schedules)
        {
            var expected = new List<long?>();
            for (long? time = schedule.NextFire; time <= end; time = schedule.Definition.Timing.After(time.Value))
            {
                expected.Add(time);
            }

            List<long?> fired = [.. runs.Where(run => run.Schedule == schedule.Id).Select(TimeOf).Order()];
            Assert.True(expected.Count - fired.Count is 0 or 1); // the clock goes on while this is read
            Assert.Equal(expected.Take(fired.Count), fired);
        }
    }

    [Fact]
    public async Task A_schedule_whose_time_zone_is_not_known_is_paused_and_holds_up_no_other()
    {
        (IDatabase database, BlobFolder blobs) = Open();
        await using var _ = database;
        var journal = new Agents.Journal.Journal(database, blobs, TimeProvider.System, new JournalOptions());
        Schedule lost = await CreateAsync(journal, await HourlyAsync(journal) with { Name = "lost", Timing = Timing.OfCron("@hourly", "Europe/Berlin") });
        await CreateAsync(journal, await HourlyAsync(journal));
        await database.WriteAsync(session => session.Execute("update schedules set zone = 'Europe/Atlantis' where id = $1", lost.Id), Token);
        journal.ClockSkewMs += 2 * Hour;
        while (await journal.TickAsync(10, Token))
        {
        }

        Assert.Equal("hourly", (await journal.GetScheduleAsync("p", Assert.Single(await RunsAsync(journal)).Schedule!, Token))!.Definition.Name);
        Schedule paused = (await journal.GetScheduleAsync("p", "lost", Token))!;
        Assert.Equal((ScheduleState.Paused, "Europe/Atlantis"), (paused.State, paused.Definition.Timing.TimeZone));
        await Assert.ThrowsAsync<FormatException>(() => journal.ResumeScheduleAsync("p", lost.Id, Token));
    }

    [Fact]
    public async Task Files_that_a_schedule_names_are_kept_as_long_as_it_is_there()
    {
        (IDatabase database, BlobFolder blobs) = Open();
        await using var _ = database;
        var journal = new Agents.Journal.Journal(database, blobs, TimeProvider.System, new JournalOptions());
        Artifact file = await journal.UploadAsync("p", new MemoryStream("a,b"u8.ToArray()), "text/csv", 1000, Token);
        ScheduleDefinition wanted = await HourlyAsync(journal);
        wanted = wanted with { Job = wanted.Job with { Input = JsonElement.Parse($$"""{"data":{"artifact":"{{file.Hash}}"} }""") } };
        Schedule schedule = await CreateAsync(journal, wanted);
        await database.WriteAsync(session => session.Execute("delete from uploads"), Token);
        journal.ClockSkewMs += 1000 * Hour;

        Assert.DoesNotContain((await journal.UnreachedAsync("", 100, Token)).Unreached, blob => blob.Hash == file.Hash);
        while (await journal.TickAsync(10, Token))
        {
        }

        RunRecord run = Assert.Single(await RunsAsync(journal));
        await database.WriteAsync(session => session.Execute("delete from kept"), Token);
        Assert.NotNull(run.Schedule);
        Assert.True(await journal.DeleteScheduleAsync("p", schedule.Id, Token));
        journal.ClockSkewMs += 1000 * Hour;
        Assert.Contains((await journal.UnreachedAsync("", 100, Token)).Unreached, blob => blob.Hash == file.Hash);
    }

    private static async Task<ScheduleDefinition> HourlyAsync(Agents.Journal.Journal journal) => new()
    {
        Project = "p", Name = "hourly", Timing = Timing.OfInterval(Hour, await journal.NowAsync(Token) + (Hour / 2)),
        Job = new JobTemplate { Type = "t", Input = JsonElement.Parse("""{ "x" : 1.0 }"""), Priority = RunPriority.Interactive, Options = new RunOptions { MaxAttempts = 7 } },
    };

    private static async Task<Schedule> CreateAsync(Agents.Journal.Journal journal, ScheduleDefinition wanted)
    {
        (ScheduleOutcome outcome, Schedule? schedule) = await journal.CreateScheduleAsync(wanted, Token);
        Assert.Equal(ScheduleOutcome.Done, outcome);
        Assert.Equal(schedule!.NextFire, (await journal.GetScheduleAsync(wanted.Project, schedule.Id, Token))!.NextFire);
        return schedule;
    }

    private static Task<List<RunRecord>> RunsAsync(Agents.Journal.Journal journal) => journal.ListAsync("p", new RunFilter(null, null, null, 100_000), Token);

    private static async Task<List<FireOutcome>> OutcomesAsync(Agents.Journal.Journal journal, string name)
    {
        Schedule schedule = (await journal.GetScheduleAsync("p", name, Token))!;
        return [.. (await journal.ScheduleFiresAsync(schedule.Id, 100, Token)).Select(static fire => fire.Outcome).Reverse()];
    }

    private static long? TimeOf(RunRecord run) => long.Parse(run.Key!.Split('/')[1], CultureInfo.InvariantCulture);

    /// <summary>A database of a process that now and then dies while it writes: before the commit, or after it and before anybody knows.</summary>
    private sealed class DyingDatabase(IDatabase database, Random random) : IDatabase
    {
        public SqlDialect Dialect => database.Dialect;

        public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
        {
            int fate = random.Next(8);
            T result = await database.WriteAsync(
                session =>
                {
                    T value = work(session);
                    return fate == 0 ? throw new Crash() : value;
                },
                cancellationToken);
            return fate == 1 ? throw new Crash() : result;
        }

        public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.ReadAsync(work, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
