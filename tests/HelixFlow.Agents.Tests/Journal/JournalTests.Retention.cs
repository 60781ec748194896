using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Runs_go_when_their_time_is_up_by_the_first_rule_that_matches()
    {
        await using var host = new Host(Open());
        host.Options.Retention.Add(new RetentionRule { Project = "p", Type = "short", Succeeded = Day, Failed = 3 * Day });
        host.Options.Retention.Add(new RetentionRule { Project = "p", Succeeded = 10 * Day, KeepLast = 1 });
        string first = await EndedAsync(host, "long"), second = await EndedAsync(host, "long"), brief = await EndedAsync(host, "short"), foreign = await EndedAsync(host, "short", "q");
        string dead = (await host.RequestAsync("short")).Run!.Id;
        await host.Journal.FailAsync(Assert.Single(await host.ClaimAsync("short")).Lease, new("broken", "broken"), true, Token);

        await LeftAsync(host, 0, first, second, brief, foreign, dead);
        await LeftAsync(host, 1.5, first, second, foreign, dead);
        await LeftAsync(host, 2, first, second, foreign);
        Assert.Equal(1, (await new Collector(host.Journal).LookAsync(Token)).Runs + await PassDaysAsync(host, 10));
        await LeftAsync(host, 0, second, foreign); // the newest of its type stays, and a project without a rule
    }

    [Fact]
    public async Task A_run_that_others_need_stays_until_they_do_not()
    {
        await using var host = new Host(Open());
        host.Options.Retention.Add(new RetentionRule { Succeeded = Day, Failed = Day });
        string source = await EndedAsync(host, "t"), parent = (await host.RequestAsync("parent")).Run!.Id;
        string fork = (await host.RequestAsync(new() { Project = "p", Type = "fork", Input = Json("1"), ForkOf = source })).Run!.Id;
        string child = (await host.RequestAsync(new() { Project = "p", Type = "t", Input = Json("1"), Parent = parent })).Run!.Id;
        await EndAsync(host, "t");
        await LeftAsync(host, 2, source, parent, fork, child);

        await EndAsync(host, "fork");
        await LeftAsync(host, 0, parent, fork, child);
        await EndAsync(host, "parent");
        await LeftAsync(host, 0.5, parent, fork, child);
        await LeftAsync(host, 1);
    }

    [Fact]
    public async Task A_run_of_many_rows_goes_piece_by_piece()
    {
        await using var host = new Host(Open());
        host.Options.InReferenceBytes = 0;
        host.Options.Retention.Add(new RetentionRule { Succeeded = Day });
        string id = (await host.RequestAsync("t")).Run!.Id;
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        await host.Journal.RecordStepAsync(claim.Lease, Step("first"), Json("1"), null, Token);
        List<StepRecord> steps = [.. Enumerable.Range(0, 5_000).Select(i => Step($"s{i}") with { Output = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" })];
        Assert.True(await host.Journal.AdoptStepsAsync(claim.Lease, steps, Token));
        await host.Journal.SucceedAsync(claim.Lease, Json("2"), Token);
        host.Journal.ClockSkewMs += (long)(2 * Day).TotalMilliseconds;
        var collector = new Collector(host.Journal);
        Assert.Equal(1, (await collector.StepAsync(100, Token)).Deleted.Runs);
        Assert.Null(await host.Journal.GetAsync("p", id, Token));
        Assert.False((await collector.StepAsync(100, Token)).IsDone);

        Assert.Equal(3, (await collector.RunAsync(Token)).Values); // input, output, and what the steps gave
        Assert.Equal(0, (await collector.LookAsync(Token)).Values);
    }

    [Fact]
    public async Task What_is_written_while_others_collect_is_never_lost()
    {
        await using var host = new Host(Open());
        host.Options.BlobGraceMs = 0; // nothing but the transactions protects it
        host.Options.InlineBytes = 30;
        host.Options.InReferenceBytes = 0;
        host.Options.Retention.Add(new RetentionRule { Succeeded = TimeSpan.Zero, Failed = TimeSpan.Zero });
        host.Options.CacheMs = 1;
        using var stop = new CancellationTokenSource();
        Task[] collecting = [.. Enumerable.Range(0, 2).Select(async _ =>
        {
            var collector = new Collector(host.Journal);
            while (!stop.IsCancellationRequested)
            {
                await collector.StepAsync(50, Token);
            }
        })];
        string open = (await host.RequestAsync("open")).Run!.Id;
        Lease lease = Assert.Single(await host.ClaimAsync("open")).Lease;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async worker =>
        {
            for (int i = 0; i < 40; i++)
            {
                byte[] value = Json($"\"{new string((char)('a' + (i % 3)), 10 + (100 * (i % 2)))}\""); // the same again and again, while what had it before goes
                while (!await TryAsync(() => host.Journal.RecordStepAsync(lease, Step($"{worker}/{i}"), value, null, Token)))
                {
                }

                _ = await TryAsync(async () => (await host.RequestAsync(new() { Project = "p", Type = "never", Input = value, NotBefore = long.MaxValue })).Kind == RunStartKind.Created);
                _ = await TryAsync(async () => (await host.Journal.CancelAsync("p", (await host.RequestAsync(new() { Project = "p", Type = "gone", Input = value })).Run!.Id, "test", Token)) is not null);
            }
        }));
        await stop.CancelAsync();
        await Task.WhenAll(collecting);

        List<StepRecord> steps = await host.Journal.StepsAsync("p", open, Token);
        Assert.Equal(160, steps.Count);
        foreach (string hash in steps.Select(static step => step.Output!).Concat((await host.Journal.ListAsync("p", new(null, null, null, 1000), Token)).Select(static run => run.Input)))
        {
            Assert.NotEmpty(await host.Journal.ReadAsync(hash, Token));
        }

        // Without a grace a large value may be gone before it is referred to: then the write says so, and is done again.
        static async Task<bool> TryAsync(Func<Task<bool>> write)
        {
            try
            {
                return await write();
            }
            catch (HelixFlow.Storage.StorageException exception) when (exception.Failure == HelixFlow.Storage.StorageFailure.Unavailable)
            {
                return false;
            }
        }
    }

    private static async Task<string> EndedAsync(Host host, string type, string project = "p")
    {
        string id = (await host.RequestAsync(type, project)).Run!.Id;
        await EndAsync(host, type);
        return id;
    }

    private static async Task EndAsync(Host host, string type) => Assert.True(await host.Journal.SucceedAsync(Assert.Single(await host.ClaimAsync(type)).Lease, Json(Output), Token));

    private static async Task<int> PassDaysAsync(Host host, double days)
    {
        await host.PassAsync((long)(days * Day.TotalMilliseconds));
        return 1;
    }

    private static async Task LeftAsync(Host host, double days, params string[] ids)
    {
        await PassDaysAsync(host, days);
        await new Collector(host.Journal).RunAsync(Token);
        List<RunRecord> left = [.. await host.Journal.ListAsync("p", new(null, null, null, 100), Token), .. await host.Journal.ListAsync("q", new(null, null, null, 100), Token)];
        Assert.Equal(ids.Order(StringComparer.Ordinal), left.Select(static run => run.Id).Order(StringComparer.Ordinal));
    }
}
