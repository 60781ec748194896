using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Runs;

/// <summary>Random graphs whose inputs change: the witness is the graph computed in a few lines, without any journal.</summary>
public sealed class RecomputationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(EffectClass.Recorded)]
    [InlineData(EffectClass.Pure)]
    public async Task A_changed_input_recomputes_the_nodes_that_see_a_difference_and_no_others(EffectClass effect)
    {
        int unchangedBehindChanged = 0;
        await using var host = new AgentHost();
        for (int seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            Graph graph = Graph.Random(random, $"{effect}{seed}");
            long[] inputs = [.. Enumerable.Range(0, graph.Sources).Select(_ => random.NextInt64(100))];
            var seen = new HashSet<string>(); // what the project has computed already
            string? id = null;
            long[][]? before = null;
            for (int edit = 0; edit < 4; edit++)
            {
                if (edit > 0)
                {
                    inputs[random.Next(inputs.Length)] = random.NextInt64(100);
                }

                long[][] wanted = [.. graph.Edges.Select((_, node) => graph.InputsOf(node, inputs))];
                string[] minimal = [.. Enumerable.Range(0, graph.Edges.Length).Where(node => effect == EffectClass.Pure
                    ? seen.Add($"{node}: {string.Join(',', wanted[node])}")
                    : before is null || !wanted[node].SequenceEqual(before[node])).Select(static node => $"node/{node}").Order(StringComparer.Ordinal)];
                var executed = new ConcurrentBag<string>();
                id = await host.RequestAsync("graph", $"[{string.Join(',', inputs)}]", forkOf: id);
                Run run = await host.AttemptAsync("graph", run => graph.RunAsync(run, effect, executed));

                Assert.Equal(minimal, executed.Order(StringComparer.Ordinal));
                Assert.Equal(minimal.Length, run.Executed);
                Assert.Equal($"[{string.Join(',', graph.Edges.Select((_, node) => graph.ValueOf(node, inputs)))}]", await host.OutputAsync(id));
                Assert.Equal(graph.Edges.Length, (await host.Journal.StepsAsync("p", id, Token)).Count);
                unchangedBehindChanged += edit > 0 && before is not null
                    ? Enumerable.Range(0, graph.Edges.Length).Count(node => wanted[node].SequenceEqual(before[node]) && graph.Reaches(node, inputs, before, wanted)) : 0;
                before = wanted;
            }
        }

        Assert.True(unchangedBehindChanged > 0, "No graph had a node that gave the same again: the test shows nothing of early cutoff.");
    }

    [Fact]
    public async Task A_fork_from_a_step_does_it_and_what_came_after_it_anew()
    {
        await using var host = new AgentHost();
        var executed = new List<string>();
        var step = new StepExecutor<int, int>("ask", 1, EffectClass.Recorded, TestJson.Default.Int32, TestJson.Default.Int32, (input, context, _) =>
        {
            executed.Add(context.Address);
            return Task.FromResult(input + 1);
        });
        string id = await host.RequestAsync("t");
        await host.AttemptAsync("t", CodeAsync);
        executed.Clear();
        await host.Journal.RequestAsync(new() { Project = "p", Type = "t", Input = "null"u8.ToArray(), ForkOf = id, ForkFrom = "b" }, Token);
        await host.AttemptAsync("t", CodeAsync);

        Assert.Equal(["b", "c"], executed);

        async Task<JsonElement> CodeAsync(Run run)
        {
            int value = 0;
            foreach (string address in (string[])["a", "b", "c"])
            {
                value = await run.StepAsync(address, step, value, Token);
            }

            return JsonElement.Parse($"{value}");
        }
    }

    /// <summary>Nodes that add what comes in and keep little of it, so that a change often ends after a node or two.</summary>
    private sealed class Graph(string name, int sources, int[][] edges)
    {
        public int Sources => sources;

        /// <summary>For each node where its values come from: an input as its negative number less one, or an earlier node.</summary>
        public int[][] Edges => edges;

        public static Graph Random(Random random, string name)
        {
            int sources = random.Next(1, 5);
            int nodes = random.Next(3, 14);
            return new Graph(name, sources, [.. Enumerable.Range(0, nodes).Select(node =>
                Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(-sources, node)).ToArray())]);
        }

        public long ValueOf(int from, long[] inputs) => from < 0 ? inputs[-from - 1] : Compute(from, InputsOf(from, inputs));

        public long[] InputsOf(int node, long[] inputs) => [.. edges[node].Select(from => ValueOf(from, inputs))];

        /// <summary>Whether a node of which this one depends saw a difference.</summary>
        public bool Reaches(int node, long[] inputs, long[][] before, long[][] now) =>
            edges[node].Any(from => from >= 0 && (!now[from].SequenceEqual(before[from]) || Reaches(from, inputs, before, now)));

        public async Task<JsonElement> RunAsync(Run run, EffectClass effect, ConcurrentBag<string> executed)
        {
            var executor = new StepExecutor<NodeInput, long>(name, 1, effect, TestJson.Default.NodeInput, TestJson.Default.Int64, (input, context, _) =>
            {
                executed.Add(context.Address);
                return Task.FromResult(Compute(input.Node, input.Values));
            });
            var nodes = new Task<long>[edges.Length];
            for (int i = 0; i < nodes.Length; i++)
            {
                int node = i;
                nodes[node] = Task.Run(async () =>
                {
                    var values = new List<long>();
                    foreach (int from in edges[node])
                    {
                        values.Add(from < 0 ? run.Input[-from - 1].GetInt64() : await nodes[from]);
                    }

                    return await run.StepAsync($"node/{node}", executor, new NodeInput(node, [.. values]), Token);
                }, Token);
            }

            return JsonElement.Parse($"[{string.Join(',', await Task.WhenAll(nodes))}]");
        }

        private static long Compute(int node, long[] values) => (node + values.Sum()) % (2 + (node % 3));
    }
}
