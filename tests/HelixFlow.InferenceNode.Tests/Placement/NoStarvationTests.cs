using HelixFlow.InferenceNode.Placement;
using static HelixFlow.InferenceNode.Tests.Placement.PlacementKit;

namespace HelixFlow.InferenceNode.Tests.Placement;

public sealed class NoStarvationTests
{
    private const double LongTime = 100_000;

    [Fact]
    public void A_large_model_gets_its_turn_among_small_ones_that_are_never_idle_together()
    {
        double? waited = WaitAmongSmallOnes(new PlacementOptions(), before: LongTime);

        // Its patience, the longest request that was running, and its load.
        Assert.InRange(waited!.Value, 2, 2 + 1.5 + 1 + 0.1);
    }

    [Fact]
    public void Without_reservations_it_would_wait_for_ever()
    {
        Assert.Null(WaitAmongSmallOnes(new PlacementOptions { ReserveAfter = TimeSpan.MaxValue }, before: LongTime));
    }

    [Fact]
    public void Models_that_take_turns_spend_at_least_as_long_on_answers_as_on_loading()
    {
        ModelPlacement placement = Place([10], ("a", 10), ("b", 10));
        var simulation = new PlacementSimulation(placement, _ => 20, () => 0);
        foreach (string model in (string[])["a", "b"])
        {
            Repeat(simulation, () => simulation.Arrive(model, runsFor: 1), every: () => 0.5);
        }

        simulation.RunUntil(() => false, before: 10_000);

        Assert.InRange(simulation.Loads, 10_000 / 43, 10_000 / 40);
    }

    [Fact]
    public void Every_request_is_served_in_the_end_however_the_load_comes()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            Run(new Random(seed), seed);
        }
    }

    private static void Run(Random random, int seed)
    {
        long[] budgets = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => (long)random.Next(10, 40))];
        (string Model, long Bytes)[] models = [.. Enumerable.Range(0, random.Next(2, 12)).Select(i => ($"m{i}", (long)random.Next(1, (int)budgets.Max() + 1)))];
        var options = new PlacementOptions { ReserveAfter = TimeSpan.FromSeconds(random.Next(0, 5)), ServePerLoad = random.Next(0, 3) };
        ModelPlacement placement = Place(options, budgets, models);
        double slowness = random.NextDouble() * 10;
        var simulation = new PlacementSimulation(placement, _ => random.NextDouble() * slowness, () => random.NextDouble(), () => random.Next(8) == 0);

        // Arrivals are so dense that most models are wanted all the time, and go on until all of the first 300 are served.
        var tracked = new List<PlacementSimulation.Request>();
        Repeat(
            simulation,
            () =>
            {
                string model = models[random.Next(models.Length)].Model;
                if (random.Next(3) == 0)
                {
                    simulation.Arrive(model, random.NextDouble() * 4, patience: random.NextDouble() * 20);
                }
                else if (simulation.Arrive(model, random.NextDouble() * 4) is var request && tracked.Count < 300)
                {
                    tracked.Add(request);
                }
            },
            () => simulation.Waiting > 200 ? 5 : random.NextDouble() * 0.2);

        bool served = simulation.RunUntil(() => tracked.Count == 300 && tracked.TrueForAll(request => request.WaitedSeconds is not null), LongTime);

        Assert.True(served, $"seed {seed}: {tracked.Count(request => request.WaitedSeconds is null)} requests were never served");
    }

    private static double? WaitAmongSmallOnes(PlacementOptions options, double before)
    {
        ModelPlacement placement = Place(options, [10], ("a", 5), ("b", 5), ("big", 10));
        var simulation = new PlacementSimulation(placement, _ => 1, () => 0);
        Repeat(simulation, () => simulation.Arrive("a", runsFor: 1.5), every: () => 1);
        Repeat(simulation, () => simulation.Arrive("b", runsFor: 1.5), every: () => 1);
        PlacementSimulation.Request? big = null;
        simulation.Schedule(5.5, () => big = simulation.Arrive("big", runsFor: 1));
        simulation.RunUntil(() => big?.WaitedSeconds is not null, before);
        return big!.WaitedSeconds;
    }

    private static void Repeat(PlacementSimulation simulation, Action happening, Func<double> every) => simulation.Schedule(every(), () =>
    {
        happening();
        Repeat(simulation, happening, every);
    });
}
