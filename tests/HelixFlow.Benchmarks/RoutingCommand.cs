using System.CommandLine;
using System.Globalization;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Benchmarks;

/// <summary>What the gateway's routing policies cost per request, on one thread.</summary>
internal static class RoutingCommand
{
    public static Command Create()
    {
        var nodes = new Option<int>("--nodes") { Description = "Nodes, all of which have the model and hold a part of the prompt", DefaultValueFactory = _ => 300 };
        var prompt = new Option<int>("--prompt") { Description = "Bytes of the prompt", DefaultValueFactory = _ => 32_768 };
        var waiting = new Option<int>("--waiting") { Description = "Requests in the queue", DefaultValueFactory = _ => 4_000 };
        var command = new Command("routing", "Measure the prompt's hash chain, the choice of a node and the queue") { nodes, prompt, waiting };
        command.SetAction(arguments => Run(arguments.GetValue(nodes), arguments.GetValue(prompt), arguments.GetValue(waiting)));
        return command;
    }

    private static void Run(int nodes, int prompt, int waiting)
    {
        var request = new GenerateRequest { Model = "m", Project = "p", Chat = new ChatPrompt { MessagesJson = new string('x', prompt) } };
        var chain = new ulong[PromptChain.MaxBlocks];
        int length = 0;
        double chainTime = Microseconds(() => length = PromptChain.Compute(request, chain));
        Array.Resize(ref chain, length);

        var options = new RoutingOptions();
        var table = new NodeTable(options);
        var picker = new NodePicker(table, options, new Random(1));
        for (int at = 0; at < nodes; at++)
        {
            NodeView node = table.Add(string.Create(CultureInfo.InvariantCulture, $"node{at}"), TimeSpan.Zero);
            node.Report(new NodeReport(true, false, new LoadReport(at % 3, at % 29, 64, 900, 1000), 0), TimeSpan.Zero);
            table.ReportModel(node, new ModelReport("m", ModelReadiness.Resident));
            node.Prefixes.Add(chain.AsSpan(0, at * length / nodes));
        }

        var random = new Random(2);
        double pickTime = Microseconds(() => picker.Pick(new PickQuery { Model = "m", Chain = chain, Now = TimeSpan.FromHours(1) }));
        double sendTime = Microseconds(() =>
        {
            PickOutcome outcome = picker.Pick(new PickQuery { Model = "m", Chain = chain, Now = TimeSpan.FromHours(1) });
            table.End(table.Begin(outcome.Placement!, chain, TimeSpan.FromHours(1)), NodeResult.Succeeded, TimeSpan.FromHours(1));
        });

        string[] projects = [.. Enumerable.Range(0, 500).Select(at => string.Create(CultureInfo.InvariantCulture, $"project{at}"))];
        var queue = new FairQueue<int>(new FairQueueOptions { MaxLength = waiting + 1, MaxPerProject = waiting + 1 });
        void Enqueue() => queue.TryEnqueue(0, projects[random.Next(projects.Length)], random.Next(3), random.Next(1, 4000), TimeSpan.Zero, out _);
        for (int at = 0; at < waiting; at++)
        {
            Enqueue();
        }

        double queueTime = Microseconds(() =>
        {
            Enqueue();
            queue.TryDequeue(TimeSpan.Zero, out _);
        });
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"nodes":{{nodes}},"prompt_bytes":{{prompt}},"blocks":{{length}},"waiting":{{waiting}},"chain_us":{{chainTime:F2}},"pick_us":{{pickTime:F2}},"pick_begin_end_us":{{sendTime:F2}},"enqueue_dequeue_us":{{queueTime:F2}}}"""));
    }

    /// <summary>The median over runs of about 20 ms each, after the same to warm up.</summary>
    private static double Microseconds(Action action)
    {
        int repeat = 1;
        TimeSpan elapsed = Time(action, repeat);
        while (elapsed < TimeSpan.FromMilliseconds(20))
        {
            repeat *= 2;
            elapsed = Time(action, repeat);
        }

        double[] runs = [.. Enumerable.Range(0, 25).Select(_ => Time(action, repeat).TotalMicroseconds / repeat).Order()];
        return runs[runs.Length / 2];
    }

    private static TimeSpan Time(Action action, int repeat)
    {
        long start = TimeProvider.System.GetTimestamp();
        for (int at = 0; at < repeat; at++)
        {
            action();
        }

        return TimeProvider.System.GetElapsedTime(start);
    }
}
