using System.CommandLine;
using System.Globalization;
using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.Simulation.Cluster;
using HelixFlow.Simulation.Measures;
using HelixFlow.Simulation.Policies;
using HelixFlow.Simulation.Traces;

namespace HelixFlow.Benchmarks;

/// <summary>Runs placement and routing on a simulated cluster; see docs/simulation.md.</summary>
internal static class SimulateCommand
{
    private const double GiB = 1L << 30;

    public static Command Create()
    {
        var nodes = new Option<int>("--nodes") { Description = "Nodes", DefaultValueFactory = _ => 200 };
        var budgets = new Option<string>("--budgets")
        {
            Description = "GiB of a node's devices, kinds of nodes in turn: '64', or '24,80+80' for nodes with one device of 24 and nodes with two of 80",
            DefaultValueFactory = _ => "64",
        };
        var models = new Option<int>("--models") { Description = "Models of a generated trace", DefaultValueFactory = _ => 3000 };
        var requests = new Option<int>("--requests") { Description = "Requests of a generated trace", DefaultValueFactory = _ => 200_000 };
        var rate = new Option<double>("--rate") { Description = "Requests per second of a generated trace", DefaultValueFactory = _ => 100 };
        var exponent = new Option<double>("--exponent") { Description = "Zipf's exponent of a generated trace", DefaultValueFactory = _ => 0.9 };
        var trace = new Option<string>("--trace") { Description = $"zipf, diurnal, bursts, or a file that begins with '{TraceFile.Header}'", DefaultValueFactory = _ => "zipf" };
        var write = new Option<string?>("--write-trace") { Description = "Write the trace to this file as well" };
        var bandwidth = new Option<double>("--load-gb") { Description = "GB that a load brings in per second", DefaultValueFactory = _ => 2 };
        var failures = new Option<double>("--fail-after") { Description = "Seconds for which a node runs on average until it fails; 0 for never", DefaultValueFactory = _ => 0 };
        var halfLife = new Option<double>("--half-life") { Description = "Seconds after which a use counts half, on nodes and in the router", DefaultValueFactory = _ => 600 };
        var onlyIntervals = new Option<bool>("--only-intervals") { Description = "Let nodes report every 500 ms only, not also when their models change" };
        var policies = new Option<string[]>("--policy")
        {
            Description = $"Any of {string.Join(", ", SimulationPolicy.All.Select(static policy => policy.Name))}; all by default",
            AllowMultipleArgumentsPerToken = true,
        };
        policies.AcceptOnlyFromAmong([.. SimulationPolicy.All.Select(static policy => policy.Name)]);
        var seed = new Option<int>("--seed") { Description = "The same seed gives the same output", DefaultValueFactory = _ => 1 };
        var command = new Command("simulate", "Run the placement and the router on a simulated cluster, beside baselines")
        {
            nodes, budgets, models, requests, rate, exponent, trace, write, bandwidth, failures, halfLife, onlyIntervals, policies, seed,
        };
        command.SetAction(arguments =>
        {
            try
            {
                IReadOnlyList<TraceRequest> recorded = Trace(arguments.GetValue(trace)!, new TraceOptions
                {
                    Models = arguments.GetValue(models),
                    Requests = arguments.GetValue(requests),
                    Rate = arguments.GetValue(rate),
                    Exponent = arguments.GetValue(exponent),
                    Seed = arguments.GetValue(seed),
                });
                if (arguments.GetValue(write) is { } path)
                {
                    using StreamWriter writer = File.CreateText(path);
                    TraceFile.Write(writer, recorded);
                }

                var options = new ClusterOptions
                {
                    Nodes = arguments.GetValue(nodes),
                    Budgets = Budgets(arguments.GetValue(budgets)!),
                    LoadBytesPerSecond = arguments.GetValue(bandwidth) * 1e9,
                    MeanTimeToFailure = TimeSpan.FromSeconds(arguments.GetValue(failures)),
                    Placement = new PlacementOptions { HalfLife = TimeSpan.FromSeconds(arguments.GetValue(halfLife)) },
                    Router = new RouterOptions { Routing = new RoutingOptions { UseHalfLife = TimeSpan.FromSeconds(arguments.GetValue(halfLife)) } },
                    ReportsChanges = !arguments.GetValue(onlyIntervals),
                };
                Run(recorded, options, arguments.GetValue(policies) ?? [], arguments.GetValue(seed));
                return 0;
            }
            catch (Exception problem) when (problem is FormatException or ArgumentException or IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine(problem.Message);
                return 1;
            }
        });
        return command;
    }

    private static void Run(IReadOnlyList<TraceRequest> trace, ClusterOptions options, string[] names, int seed)
    {
        if (trace.Count == 0)
        {
            throw new FormatException("The trace holds no request.");
        }

        IReadOnlyDictionary<string, long> sizes = ModelSizes.Draw(trace.Select(static request => request.Model), seed);
        SimulationPolicy[] chosen = [.. SimulationPolicy.All.Where(policy => names.Length == 0 || names.Contains(policy.Name, StringComparer.Ordinal))];
        double memory = Enumerable.Range(0, options.Nodes).Sum(node => (double)options.Budgets[node % options.Budgets.Count].Sum());
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{options.Nodes} nodes with {memory / GiB:F0} GiB; {sizes.Count} models of {sizes.Values.Sum() / GiB:F0} GiB; {trace.Count} requests over {trace[^1].At.TotalSeconds:F0} s; seed {seed}\n"));
        Console.Write(ResultTable.Of(Experiment.Run(trace, sizes, options, chosen, seed)));
    }

    private static IReadOnlyList<TraceRequest> Trace(string name, TraceOptions options)
    {
        if (Enum.TryParse(name, ignoreCase: true, out TraceKind kind) && Enum.IsDefined(kind))
        {
            return TraceGenerator.Generate(options with { Kind = kind });
        }

        using StreamReader reader = File.OpenText(name);
        try
        {
            return TraceFile.Read(reader);
        }
        catch (FormatException problem)
        {
            throw new FormatException($"{name}: {problem.Message}", problem);
        }
    }

    private static IReadOnlyList<IReadOnlyList<long>> Budgets(string text) =>
        [.. text.Split(',').Select(node => (IReadOnlyList<long>)[.. node.Split('+').Select(device =>
            double.TryParse(device, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double gibibytes) && gibibytes is > 0 and < 1e6
                ? (long)(gibibytes * GiB)
                : throw new FormatException($"--budgets: '{device}' is not a number of GiB above 0."))])];
}
