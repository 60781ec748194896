using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    [Fact]
    public async Task Requests_that_are_made_together_start_in_the_order_of_their_names_dependencies()
    {
        await using var host = new Host(Open());
        string earlier = (await host.RequestAsync("before")).Run!.Id;
        BatchStart batch = await host.Journal.RequestAllAsync(
            [Named("last", "left", "right"), Named("left", "first"), Named("right", "first", earlier), Named("first")], Token);

        Assert.Equal(["last", "left", "right", "first"], batch.Starts!.Select(static start => start.Run!.Type));
        foreach (string next in (string[])["first", "left", "before", "right"])
        {
            Assert.Empty(await host.ClaimAsync("last"));
            Assert.True(await host.Journal.SucceedAsync(Assert.Single(await host.ClaimAsync(next)).Lease, Json("1"), Token));
        }

        Assert.Single(await host.ClaimAsync("last"));
    }

    [Fact]
    public async Task A_circle_is_named_and_nothing_is_asked_for()
    {
        await using var host = new Host(Open());
        BatchStart batch = await host.Journal.RequestAllAsync([Named("alone"), Named("a", "alone", "b"), Named("b", "c"), Named("c", "a")], Token);
        BatchStart self = await host.Journal.RequestAllAsync([Named("me", "me")], Token);

        Assert.Equal(["a", "b", "c", "a"], batch.Cycle);
        Assert.Equal(["me", "me"], self.Cycle);
        Assert.Empty(await host.Journal.ListAsync("p", new(null, null, null, 10), Token));
    }

    [Fact]
    public async Task One_that_is_refused_takes_all_back_and_the_same_batch_again_is_the_same()
    {
        await using var host = new Host(Open());
        BatchStart refused = await host.Journal.RequestAllAsync([Named("a"), Named("b", "a", "job_unknown")], Token);
        Assert.Equal(("b", RunStartKind.UnknownRun, "job_unknown"), (refused.Refused!.Value.Name, refused.Refused.Value.Start.Kind, refused.Refused.Value.Start.Unknown));
        Assert.Empty(await host.Journal.ListAsync("p", new(null, null, null, 10), Token));

        NamedRequest[] keyed = [.. ((NamedRequest[])[Named("b", "a"), Named("a")]).Select(static request => request with { Request = request.Request with { Key = $"k/{request.Name}" } })];
        BatchStart first = await host.Journal.RequestAllAsync(keyed, Token), second = await host.Journal.RequestAllAsync(keyed, Token);
        Assert.All(second.Starts!, static start => Assert.Equal(RunStartKind.Existing, start.Kind));
        Assert.Equal(first.Starts!.Select(static start => start.Run!.Id), second.Starts!.Select(static start => start.Run!.Id));
        keyed[0] = keyed[0] with { Request = keyed[0].Request with { Input = Json("7") } };
        BatchStart conflict = await host.Journal.RequestAllAsync([.. keyed, Named("new")], Token);
        Assert.Equal(("b", RunStartKind.Conflict), (conflict.Refused!.Value.Name, conflict.Refused.Value.Start.Kind));
        Assert.Equal(2, (await host.Journal.ListAsync("p", new(null, null, null, 10), Token)).Count);
    }

    [Fact]
    public async Task Random_graphs_are_asked_for_after_what_they_depend_on_or_have_a_circle()
    {
        var random = new Random(11);
        await using var host = new Host(Open());
        int circles = 0;
        for (int round = 0; round < 40; round++)
        {
            int count = random.Next(1, 9);
            NamedRequest[] requests = [.. Enumerable.Range(0, count).Select(i => Named(
                $"n{i}", [.. Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(count)).Where(other => round % 2 == 0 || other < i).Select(static other => $"n{other}").Distinct()]))];
            BatchStart batch = await host.Journal.RequestAllAsync(requests, Token);
            if (batch.Cycle is { } cycle)
            {
                circles++;
                Assert.Equal(cycle[0], cycle[^1]);
                for (int i = 0; i < cycle.Count - 1; i++)
                {
                    Assert.Contains(cycle[i + 1], requests.Single(request => request.Name == cycle[i]).Request.DependsOn);
                }
            }
            else
            {
                Assert.Equal(count, batch.Starts!.Count);
                Assert.All(requests.Zip(batch.Starts), static pair => Assert.Equal(pair.First.Request.DependsOn.Count > 0 ? RunState.Waiting : RunState.Ready, pair.Second.Run!.State));
            }
        }

        Assert.InRange(circles, 5, 20); // the odd rounds cannot have one
    }

    private static NamedRequest Named(string name, params string[] after) => new(name, new RunRequest { Project = "p", Type = name, Input = Json("1"), DependsOn = after });
}
