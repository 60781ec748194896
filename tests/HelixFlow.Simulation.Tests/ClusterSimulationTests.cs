using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.Simulation.Cluster;
using HelixFlow.Simulation.Measures;
using HelixFlow.Simulation.Policies;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Tests;

public sealed class ClusterSimulationTests
{
    private const long GiB = 1L << 30;

    [Fact]
    public void A_lone_request_waits_for_its_load_and_the_next_one_does_not()
    {
        TraceRequest[] trace = [Request(0, "a"), Request(100, "a"), Request(200, "b")];
        var options = new ClusterOptions { Nodes = 1, WarmUp = 0, LoadBytesPerSecond = GiB, NetworkDelay = TimeSpan.Zero };

        SimulationResult result = ClusterSimulation.Run(trace, new Dictionary<string, long> { ["a"] = 8 * GiB, ["b"] = 2 * GiB }, options, SimulationPolicy.Production, seed: 1);

        Assert.Equal((1, 0, 2, 2, 0), (result.Hits, result.Joined, result.Misses, result.Loads, result.Evictions));
        Assert.Equal((TimeSpan.Zero, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(9)), (Least(result), result.WaitMedian, result.WaitMax));
        Assert.Equal(10 * GiB, result.LoadedBytes);

        static TimeSpan Least(SimulationResult result) => (3 * result.WaitMean) - result.WaitMedian - result.WaitMax;
    }

    [Fact]
    public void The_same_seed_gives_the_same_output_and_another_one_does_not()
    {
        string first = Table(1);

        Assert.Equal(first, Table(1));
        Assert.NotEqual(first, Table(2));

        static string Table(int seed)
        {
            IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Models = 60, Requests = 1500, Rate = 10 });
            var options = new ClusterOptions { Nodes = 6, MeanTimeToFailure = TimeSpan.FromMinutes(5) };
            return ResultTable.Of(Experiment.Run(trace, Sizes(trace), options, SimulationPolicy.All, seed));
        }
    }

    [Theory]
    [InlineData(TraceKind.Zipf)]
    [InlineData(TraceKind.Diurnal)]
    [InlineData(TraceKind.Bursts)]
    public void No_budget_is_exceeded_and_every_request_ends_on_any_small_cluster(TraceKind kind)
    {
        var random = new Random(100 + (int)kind);
        for (int round = 0; round < 25; round++)
        {
            var shape = new TraceOptions
            {
                Kind = kind,
                Models = random.Next(1, 30),
                Requests = random.Next(20, 400),
                Rate = 0.5 + (8 * random.NextDouble()),
                Exponent = 1.5 * random.NextDouble(),
                CrowdSize = random.Next(1, 40),
                Seed = round,
            };
            IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(shape);
            bool fails = random.Next(3) == 0;
            var options = new ClusterOptions
            {
                Nodes = random.Next(2, 9),
                Budgets = random.Next(2) == 0 ? [[random.Next(48, 80) * GiB]] : [[24 * GiB], [48 * GiB, random.Next(48, 100) * GiB]],
                SequencesPerReplica = random.Next(1, 8),
                ReportsChanges = random.Next(2) == 0,
                MeanTimeToFailure = fails ? TimeSpan.FromMinutes(2) : TimeSpan.Zero,
                ChecksInvariants = true,
                WarmUp = 0,
                Router = new RouterOptions { HoldLimit = TimeSpan.FromHours(1), MaxAttempts = fails ? 20 : 3 },
                Placement = new PlacementOptions { ReserveAfter = TimeSpan.FromSeconds(random.Next(5)) },
            };
            SimulationPolicy policy = SimulationPolicy.All[round % SimulationPolicy.All.Count];

            SimulationResult result = ClusterSimulation.Run(trace, Sizes(trace), options, policy, seed: round);

            Assert.Equal(trace.Count, result.Requests);
            Assert.Equal(0, result.Unfinished);
            Assert.True(result.WaitMax < TimeSpan.FromHours(1), $"round {round}: a request waited for {result.WaitMax}");
            Assert.True(policy == SimulationPolicy.RandomRouting || fails || result.Refused == 0, $"round {round}: {result.Refused} were refused");
            Assert.InRange(result.MemoryUse, 0, 1);
        }
    }

    [Fact]
    public void Nodes_that_fail_lose_no_request()
    {
        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Models = 60, Requests = 4000, Rate = 10 });
        var options = new ClusterOptions { Nodes = 12, MeanTimeToFailure = TimeSpan.FromMinutes(4), WarmUp = 0, ChecksInvariants = true, Router = new RouterOptions { MaxAttempts = 10 } };

        SimulationResult result = ClusterSimulation.Run(trace, Sizes(trace), options, SimulationPolicy.Production, seed: 1);

        Assert.Equal((0, 0), (result.Unfinished, result.Refused));
    }

    [Fact]
    public void A_model_that_only_large_nodes_can_hold_is_not_sent_to_small_ones()
    {
        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Models = 100, Requests = 2000, Rate = 5, Exponent = 0.5 });
        var options = new ClusterOptions { Nodes = 16, Budgets = [[24 * GiB], [24 * GiB], [24 * GiB], [96 * GiB]], WarmUp = 0 };

        SimulationResult result = ClusterSimulation.Run(trace, Sizes(trace), options, SimulationPolicy.Production, seed: 1);

        Assert.Equal(0, result.Refused);
    }

    [Theory]
    [InlineData(TraceKind.Zipf)]
    [InlineData(TraceKind.Diurnal)]
    public void Production_beats_the_baselines_and_no_policy_beats_the_bound(TraceKind kind)
    {
        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Kind = kind, Models = 600, Requests = 12_000, Rate = 20 });

        Experiment experiment = Experiment.Run(trace, Sizes(trace), new ClusterOptions { Nodes = 40 }, SimulationPolicy.All, seed: 1);

        double production = HitRate(SimulationPolicy.Production);
        Assert.True(production > HitRate(SimulationPolicy.LeastRecentlyUsed) + LruMargin(kind), $"{production} against {HitRate(SimulationPolicy.LeastRecentlyUsed)} of LRU");
        Assert.True(production > HitRate(SimulationPolicy.RandomEviction) + RandomMargin(kind), $"{production} against {HitRate(SimulationPolicy.RandomEviction)} at random");
        Assert.True(production > HitRate(SimulationPolicy.RandomRouting) + 0.5, $"{production} against {HitRate(SimulationPolicy.RandomRouting)} with random routing");
        Assert.All(experiment.Results, result => Assert.InRange(result.Hits, 1, experiment.PooledBound));
        Assert.InRange(experiment.Results[0].Hits, 1, experiment.RoutedBound);

        double HitRate(SimulationPolicy policy) => experiment.Results.Single(result => result.Policy == policy.Name).HitRate;
    }

    // About two thirds of what was measured: of Zipf 0.036 against LRU and 0.032 against random eviction, of a day 0.008 against both.
    private static double LruMargin(TraceKind kind) => kind == TraceKind.Zipf ? 0.024 : 0.005;

    private static double RandomMargin(TraceKind kind) => kind == TraceKind.Zipf ? 0.021 : 0.005;

    private static IReadOnlyDictionary<string, long> Sizes(IReadOnlyList<TraceRequest> trace) => ModelSizes.Draw(trace.Select(static request => request.Model), seed: 1);

    private static TraceRequest Request(double seconds, string model) => new(TimeSpan.FromSeconds(seconds), model, 80, 40, "p", 0);
}
