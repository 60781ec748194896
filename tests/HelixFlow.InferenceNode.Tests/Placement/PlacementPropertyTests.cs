using HelixFlow.InferenceNode.Placement;
using static HelixFlow.InferenceNode.Tests.Placement.PlacementKit;

namespace HelixFlow.InferenceNode.Tests.Placement;

/// <summary>Random sequences of operations, each answer checked against books kept apart.</summary>
public sealed class PlacementPropertyTests
{
    private const int Rounds = 150;
    private const int Steps = 400;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_answer_keeps_the_rules(bool reservations)
    {
        var seen = new Dictionary<AcquireStatus, int>();
        for (int seed = 0; seed < Rounds; seed++)
        {
            Run(new Random(seed), reservations, seen);
        }

        Assert.Equal(Enum.GetValues<AcquireStatus>().Length, seen.Count);
        Assert.All(seen.Values, count => Assert.True(count > 100));
    }

    private static void Run(Random random, bool reservations, Dictionary<AcquireStatus, int> seen)
    {
        long[] budgets = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => (long)random.Next(10, 40))];
        string[] models = [.. Enumerable.Range(0, random.Next(2, 9)).Select(i => $"m{i}")];
        var sizes = models.ToDictionary(model => model, _ => (long)random.Next(1, random.Next(2, 45)));
        var options = new PlacementOptions { ReserveAfter = reservations ? TimeSpan.FromSeconds(random.Next(0, 5)) : TimeSpan.MaxValue, ServePerLoad = random.Next(0, 3) };
        ModelPlacement placement = Place(options, budgets, [.. models.Select(model => (model, sizes[model]))]);
        var oracle = new PlacementOracle(budgets, sizes, reservations);
        double now = 0;
        for (int step = 0; step < Steps; step++)
        {
            now += random.NextDouble();
            Step(random, placement, oracle, models[random.Next(models.Length)], At(now), seen);
            placement.CheckInvariants();
        }
    }

    private static void Step(Random random, ModelPlacement placement, PlacementOracle oracle, string model, TimeSpan now, Dictionary<AcquireStatus, int> seen)
    {
        switch (random.Next(20))
        {
            case < 7:
                AcquireOutcome outcome = placement.Acquire(model, now);
                seen[outcome.Status] = seen.GetValueOrDefault(outcome.Status) + 1;
                oracle.Check(model, outcome);
                break;
            case < 11:
                if (Pick(random, oracle.Busy) is { } busy)
                {
                    oracle.Released(busy, placement.Release(busy));
                }

                break;
            case < 13:
                if (Pick(random, oracle.ReadyToFinish) is { } ready)
                {
                    oracle.Loaded(ready, placement.LoadSucceeded(ready, now));
                }

                break;
            case < 15:
                if (Pick(random, oracle.Unloading) is { } unloading)
                {
                    placement.Unloaded(unloading);
                    oracle.Gone(unloading);
                }

                break;
            default:
                StepRarely(random, placement, oracle, model, now);
                break;
        }
    }

    private static void StepRarely(Random random, ModelPlacement placement, PlacementOracle oracle, string model, TimeSpan now)
    {
        var unload = new List<Replica>();
        switch (random.Next(16))
        {
            case < 2:
                if (Pick(random, oracle.Loading) is { } failing)
                {
                    placement.LoadFailed(failing, now);
                    oracle.Gone(failing);
                }

                break;
            case 2:
                bool busyToo = random.Next(2) == 0;
                oracle.Unload(model, busyToo, placement.Unload(model, busyToo, unload), unload);
                break;
            case 3:
                placement.Pin(model);
                oracle.Pinned.Add(model);
                break;
            case < 7:
                string unpinned = Pick(random, oracle.Pinned) ?? model;
                placement.Unpin(unpinned);
                oracle.Pinned.Remove(unpinned);
                break;
            case < 9:
                int wanted = random.Next(1, 4);
                placement.SetReplicas(model, wanted, unload);
                oracle.Reduced(model, wanted, unload);
                break;
            case < 12:
                if (placement.PlanExtraReplica(now) is { } plan)
                {
                    oracle.Planned(plan, mayEvict: false);
                }

                break;
            case < 14:
                if (placement.TryAcquire(model, now) is { } replica)
                {
                    oracle.Used(model, replica);
                }

                break;
            default:
                placement.StopWaiting(model);
                break;
        }
    }

    private static T? Pick<T>(Random random, IEnumerable<T> among)
        where T : class
    {
        T[] choices = [.. among];
        return choices.Length == 0 ? null : choices[random.Next(choices.Length)];
    }
}
