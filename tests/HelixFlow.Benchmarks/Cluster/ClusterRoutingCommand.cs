using System.CommandLine;
using System.Globalization;
using HelixFlow.InferenceNode;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>What the choice of nodes by prompt prefix saves: conversations over two nodes, by policy.</summary>
internal static class ClusterRoutingCommand
{
    private const int Nodes = 2;

    private static readonly string[] Counters = ["vllm:prompt_tokens_total", "vllm:prompt_tokens_cached_total", "helixflow_computed_tokens_total", "vllm:generation_tokens_total"];

    public static Command Create()
    {
        var policy = new Option<string>("--policy") { Description = "Policies, separated by commas; each runs against freshly started processes", DefaultValueFactory = _ => "prefix,roundrobin,leastloaded" };
        var model = new Option<string?>("--model") { Description = "A chat model: a folder or GGUF file; default: the built-in helix-tiny" };
        var tenants = new Option<int>("--tenants") { Description = "Conversations, each with a system prompt of its own", DefaultValueFactory = _ => 12 };
        var turns = new Option<int>("--turns") { Description = "Turns of each conversation", DefaultValueFactory = _ => 6 };
        var system = new Option<int>("--system-characters") { Description = "Length of a system prompt", DefaultValueFactory = _ => 1500 };
        var answer = new Option<int>("--answer") { Description = "Tokens of an answer", DefaultValueFactory = _ => 16 };
        var rate = new Option<double>("--rate") { Description = "Turns per second that arrive, whatever has been answered; a turn whose predecessor runs starts right after it", DefaultValueFactory = _ => 2 };
        var kv = new Option<int>("--kv-mib") { Description = "Room for keys and values of each node, in MiB; 0: the node's default", DefaultValueFactory = _ => 0 };
        var rounds = new Option<int>("--rounds") { Description = "Turns of all policies", DefaultValueFactory = _ => 3 };
        var seed = new Option<int>("--seed") { Description = "Of the first round's arrivals and texts", DefaultValueFactory = _ => 1 };
        var command = new Command("cluster-routing", "Measure routing policies with a gateway process and two pool processes of one thread each")
        {
            policy, model, tenants, turns, system, answer, rate, kv, rounds, seed,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string path = arguments.GetValue(model) ?? Path.Combine(AppContext.BaseDirectory, "models", "helix-tiny");
            string[] policies = arguments.GetValue(policy)!.Split(',');
            Console.WriteLine(Machine.Describe());
            var results = policies.ToDictionary(static name => name, static _ => new List<PolicyRound>(), StringComparer.Ordinal);
            for (int round = 0; round < arguments.GetValue(rounds); round++)
            {
                foreach (string name in policies)
                {
                    var workload = new ChatWorkload(
                        ModelSource.NameOf(path), arguments.GetValue(tenants), arguments.GetValue(turns), arguments.GetValue(system), arguments.GetValue(answer), arguments.GetValue(rate), arguments.GetValue(seed) + round);
                    PolicyRound result = await RunAsync(path, name, workload, arguments.GetValue(kv), cancellationToken);
                    results[name].Add(result);
                    await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}, {name}: {result}"));
                }
            }

            Print(policies, results);
        });
        return command;
    }

    private static async Task<PolicyRound> RunAsync(string model, string policy, ChatWorkload workload, int kvMib, CancellationToken cancellationToken)
    {
        var nodes = new List<RunningServer>();
        try
        {
            for (int i = 0; i < Nodes; i++)
            {
                nodes.Add(await Servers.PoolAsync(model, threads: 1, kvMib, cancellationToken));
            }

            await using RunningServer gateway = await Servers.GatewayAsync([.. nodes.Select(static node => node.Grpc!)], policy, cancellationToken);
            using var target = new HttpTarget(gateway.Http);
            await Task.WhenAll(Enumerable.Range(0, 2 * Nodes).Select(i => workload.WarmUpAsync(target, i, cancellationToken)));
            double[] before = await ReadAsync(nodes, cancellationToken);
            TimeSpan processor = ProcessorTime(nodes);
            long start = TimeProvider.System.GetTimestamp();
            IReadOnlyList<StreamTrace> traces = await workload.RunAsync(target, cancellationToken);
            TimeSpan total = TimeProvider.System.GetElapsedTime(start);
            processor = ProcessorTime(nodes) - processor;
            double[] after = await ReadAsync(nodes, cancellationToken);
            double[] grown = [.. after.Zip(before, static (now, then) => now - then)];
            double[] first = [.. traces.Select(static trace => trace.FirstToken.TotalMilliseconds)];
            return new PolicyRound(grown[0], grown[1], grown[2], Quantiles.Of(first, 0.5), Quantiles.Of(first, 0.99), total.TotalSeconds, processor.TotalSeconds);
        }
        finally
        {
            foreach (RunningServer node in nodes)
            {
                await node.DisposeAsync();
            }
        }
    }

    private static TimeSpan ProcessorTime(List<RunningServer> nodes) => nodes.Aggregate(TimeSpan.Zero, static (sum, node) => sum + node.Process.ProcessorTime);

    /// <summary>The counters, summed over the nodes.</summary>
    private static async Task<double[]> ReadAsync(List<RunningServer> nodes, CancellationToken cancellationToken)
    {
        double[] sums = new double[Counters.Length];
        foreach (RunningServer node in nodes)
        {
            using var metrics = new NodeMetrics(node.Http);
            for (int i = 0; i < sums.Length; i++)
            {
                sums[i] += await metrics.SumAsync(Counters[i], cancellationToken);
            }
        }

        return sums;
    }

    private static void Print(string[] policies, Dictionary<string, List<PolicyRound>> results)
    {
        List<PolicyRound> reference = results[policies[0]];
        Console.WriteLine();
        Console.WriteLine($"medians of {reference.Count} rounds; in brackets the median over rounds of the ratio to {policies[0]} in the same round");
        Console.WriteLine("| Policy | prompt tokens | cached | prefill computed | rows computed | first token p50, ms | p99, ms | total, s | nodes' processor time, s |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string policy in policies)
        {
            string Cell(Func<PolicyRound, double> pick) => string.Create(
                CultureInfo.InvariantCulture,
                $"{Text(Quantiles.Median(results[policy].Select(pick)))} ({Quantiles.Median(results[policy].Zip(reference, (one, other) => pick(one) / pick(other))):F2})");
            Console.WriteLine(
                $"| {policy} | {Cell(static r => r.PromptTokens)} | {Cell(static r => r.CachedTokens)} | {Cell(static r => r.PrefillTokens)} | {Cell(static r => r.ComputedTokens)} " +
                $"| {Cell(static r => r.FirstP50)} | {Cell(static r => r.FirstP99)} | {Cell(static r => r.TotalSeconds)} | {Cell(static r => r.ProcessorSeconds)} |");
        }
    }

    private static string Text(double value) => value.ToString(value < 100 ? "F1" : "F0", CultureInfo.InvariantCulture);

    /// <summary>What one policy showed in one round. Tokens are those of both nodes, times to the first token in milliseconds.</summary>
    private sealed record PolicyRound(double PromptTokens, double CachedTokens, double ComputedTokens, double FirstP50, double FirstP99, double TotalSeconds, double ProcessorSeconds)
    {
        /// <summary>Prompt tokens that no cache had.</summary>
        public double PrefillTokens => PromptTokens - CachedTokens;
    }
}
