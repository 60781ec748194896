using System.Globalization;
using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    private static readonly JsonElement AnySchema = JsonElement.Parse("{}");

    [Fact]
    public async Task Workers_are_known_while_they_say_that_they_are_there_and_their_types_for_longer()
    {
        await using var host = new Host(Open());
        var first = new WorkerEntry("w1", "host", "program 1", 4, ["paint"]);
        var paint = new JobTypeEntry("paint", "Paints.", AnySchema, AnySchema, new RunOptions { MaxAttempts = 7 });
        int news = 0;
        host.Journal.TypesChanged += () => Interlocked.Increment(ref news);
        await host.Journal.EnterAsync(first, [paint], Token);
        await host.Journal.EnterAsync(first with { Slots = 8 }, [paint], Token);
        await host.Journal.EnterAsync(first with { Name = "w2" }, [paint with { Description = "Paints well." }], Token);

        Assert.Equal(2, news);
        List<WorkerEntry> workers = await host.Journal.WorkersAsync(Token);
        Assert.Equal([("w1", "host", "program 1", 8, "paint"), ("w2", "host", "program 1", 4, "paint")], workers.Select(static worker => (worker.Name, worker.Host, worker.Program, worker.Slots, worker.Types[0])));
        Assert.All(workers, static worker => Assert.InRange(worker.SeenAt, worker.StartedAt, long.MaxValue));
        JobTypeEntry known = Assert.Single(await host.Journal.TypesAsync(Token));
        Assert.Equal(("Paints well.", 7), (known.Description, known.Options!.MaxAttempts));
        host.Journal.ClockSkewMs += 120_000;
        await host.Journal.EnterAsync(first with { Name = "w2" }, [], Token);
        Assert.Equal("w2", Assert.Single(await host.Journal.WorkersAsync(Token)).Name);
        Assert.Single(await host.Journal.TypesAsync(Token));
        await host.Journal.LeaveAsync("w2", Token);
        Assert.Empty(await host.Journal.WorkersAsync(Token));
        host.Journal.ClockSkewMs += 8 * 86_400_000L;
        Assert.Empty(await host.Journal.TypesAsync(Token));
    }

    [Fact]
    public async Task A_worker_that_leaves_hands_back_what_it_holds_and_nothing_else()
    {
        await using var host = new Host(Open());
        string[] ids = [(await host.RequestAsync("t")).Run!.Id, (await host.RequestAsync("t")).Run!.Id, (await host.RequestAsync("t")).Run!.Id];
        Claim first = Assert.Single(await host.Journal.ClaimAsync("stays", ["t"], 1, Token));
        Assert.Equal(2, (await host.Journal.ClaimAsync("leaves", ["t"], 2, Token)).Count);

        Assert.Equal(2, await host.Journal.LeaveAsync("leaves", Token));
        Assert.Equal(0, await host.Journal.LeaveAsync("leaves", Token));
        foreach (string id in ids)
        {
            Assert.Equal(id == first.Run.Id ? RunState.Running : RunState.Ready, (await host.GetAsync(id)).State);
        }
    }

    [Fact]
    public async Task A_worker_of_one_project_takes_its_runs_alone_and_the_others_keep_their_turn()
    {
        await using var host = new Host(Open());
        var ids = new Dictionary<string, string[]>();
        foreach (string project in (string[])["q", "p"])
        {
            ids[project] = [await AskAsync(project), await AskAsync(project), await AskAsync(project)];
        }

        var room = new Dictionary<string, int> { ["t"] = 5 };
        Assert.Equal(ids["p"], (await host.Journal.ClaimAsync("of-p", room, 5, "p", Token)).Select(static claim => claim.Run.Id));
        Assert.Empty(await host.Journal.ClaimAsync("of-p", room, 5, "p", Token));
        string late = await AskAsync("r"); // has had nothing yet, so that it comes before what q has queued behind its first one
        Assert.Equal([ids["q"][0], late, ids["q"][1], ids["q"][2]], (await host.Journal.ClaimAsync("of-all", room, 5, null, Token)).Select(static claim => claim.Run.Id));
        Assert.Equal(0, await host.Journal.LeaveAsync("of-p", "q", Token));
        Assert.Equal(3, await host.Journal.LeaveAsync("of-p", "p", Token));

        async Task<string> AskAsync(string project) =>
            (await host.Journal.RequestAsync(new RunRequest { Project = project, Type = "t", Input = "1"u8.ToArray() }, Token)).Run!.Id;
    }

    [Fact]
    public async Task A_step_that_is_asked_for_is_looked_up_and_begun_in_one_transaction()
    {
        await using var host = new Host(Open());
        await host.RequestAsync("t");
        Lease lease = Assert.Single(await host.ClaimAsync("t")).Lease;
        Assert.Equal(StepAnswerKind.Execute, (await host.Journal.AskStepAsync(lease, "a", "d1", EffectClass.Pure, adopts: true, Token)).Kind);
        var step = new StepRecord("a", "d1", EffectClass.Pure, StepState.Succeeded, null, StepSource.Executed, 1, 0);
        Assert.True(await host.Journal.RecordStepAsync(lease, step, Json("5"), ("p", 0), Token));

        StepAnswer answer = await host.Journal.AskStepAsync(lease, "a", "d1", EffectClass.Pure, adopts: true, Token);
        Assert.Equal((StepAnswerKind.Recorded, "5"), (answer.Kind, System.Text.Encoding.UTF8.GetString(answer.Content!)));
        Assert.Equal(StepAnswerKind.Mismatch, (await host.Journal.AskStepAsync(lease, "a", "d2", EffectClass.Pure, adopts: true, Token)).Kind);
        Assert.Equal(StepAnswerKind.Recorded, (await host.Journal.AskStepAsync(lease, "b", "d1", EffectClass.Pure, adopts: true, Token)).Kind);
        Assert.Equal(StepAnswerKind.Execute, (await host.Journal.AskStepAsync(lease, "c", "d1", EffectClass.Pure, adopts: false, Token)).Kind);
        Assert.Equal(StepAnswerKind.Execute, (await host.Journal.AskStepAsync(lease, "u", "d3", EffectClass.Unsafe, adopts: true, Token)).Kind);
        Assert.Equal(StepAnswerKind.Execute, (await host.Journal.AskStepAsync(lease, "u", "d3", EffectClass.Unsafe, adopts: true, Token)).Kind);
        Assert.Equal(StepAnswerKind.Lost, (await host.Journal.AskStepAsync(lease with { Fence = 99 }, "a", "d1", EffectClass.Pure, adopts: true, Token)).Kind);
        Assert.Equal("p", await host.Journal.ProjectOfAsync(lease, Token));
        Assert.Null(await host.Journal.ProjectOfAsync(lease with { Fence = 99 }, Token));
    }

    [Fact]
    public async Task Projects_that_all_have_work_waiting_get_their_weights_share_whatever_workers_can_do()
    {
        await using var host = new Host(Open());
        var random = new Random(7);
        string[] projects = ["a", "b", "c", "d"];
        int[] weights = [1, 2, 5, 8];
        for (int i = 0; i < projects.Length; i++)
        {
            host.Options.Weights[projects[i]] = weights[i];
        }

        foreach (string project in projects.OrderBy(_ => random.Next()))
        {
            for (int i = 0; i < 120; i++)
            {
                await host.RequestAsync(i % 2 == 0 ? "x" : "y", project, string.Create(CultureInfo.InvariantCulture, $"{i}"));
            }
        }

        int[] served = new int[projects.Length];
        while (served.Sum() < 200)
        {
            foreach (Claim claim in await host.Journal.ClaimAsync("w", ["x", "y"], random.Next(1, 6), Token))
            {
                served[Array.IndexOf(projects, claim.Run.Project)]++;
                await host.Journal.SucceedAsync(claim.Lease, Json("1"), Token);
            }
        }

        // The bound of start-time fair queueing for runs of equal cost: shares that were served differ by at most one run of each.
        for (int i = 0; i < projects.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double difference = Math.Abs(((double)served[i] / weights[i]) - ((double)served[j] / weights[j]));
                Assert.True(difference <= (1.0 / weights[i]) + (1.0 / weights[j]) + 1e-9, $"{string.Join(' ', served)}");
            }
        }
    }

    [Fact]
    public async Task Limits_hold_whoever_asks_and_whatever_has_room()
    {
        await using var host = new Host(Open());
        host.Options.MostOfType["x"] = 4;
        host.Options.MostOfProject["a"] = 3;
        host.Options.MostOfProject["b"] = 1;
        var random = new Random(11);
        var held = new List<Claim>();
        for (int round = 0; round < 150; round++)
        {
            switch (random.Next(3))
            {
                case 0:
                    await host.RequestAsync(random.Next(2) == 0 ? "x" : "y", new[] { "a", "b", "c" }[random.Next(3)]);
                    break;
                case 1 when held.Count > 0:
                    Claim ended = held[random.Next(held.Count)];
                    held.Remove(ended);
                    await (random.Next(2) == 0 ? host.Journal.SucceedAsync(ended.Lease, Json("1"), Token) : host.Journal.ReleaseAsync(ended.Lease, Token));
                    break;
                default:
                    var room = new Dictionary<string, int> { ["x"] = random.Next(4), ["y"] = random.Next(4) };
                    int most = random.Next(1, 6);
                    IReadOnlyList<Claim> claims = await host.Journal.ClaimAsync($"w{random.Next(3)}", room, most, Token);
                    Assert.InRange(claims.Count, 0, most);
                    Assert.All(claims.CountBy(static claim => claim.Run.Type), count => Assert.InRange(count.Value, 0, room[count.Key]));
                    held.AddRange(claims);
                    break;
            }

            Assert.InRange(held.Count(static claim => claim.Run.Type == "x"), 0, 4);
            Assert.InRange(held.Count(static claim => claim.Run.Project == "a"), 0, 3);
            Assert.InRange(held.Count(static claim => claim.Run.Project == "b"), 0, 1);
        }
    }
}
