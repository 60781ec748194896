using System.CommandLine;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Bench.Compare;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench compare MODEL</c>: this engine and another on the same weights, in turns.</summary>
internal static class BenchCompareCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A model's name or .gguf file that both engines can load" };
        var peer = new Option<string>("--peer") { Description = "The other engine", DefaultValueFactory = _ => EngineWorker.LlamaCpp, HelpName = EngineWorker.LlamaCpp };
        peer.AcceptOnlyFromAmong(EngineWorker.LlamaCpp, EngineWorker.HelixFlow);
        var library = new Option<string?>("--peer-library") { Description = "llama.cpp's libllama.so, or its folder; default: that of the npm package @node-llama-cpp", HelpName = "PATH" };
        Option<int> prompt = BenchCommand.Count("--prompt", "Tokens of each prompt", 256);
        Option<int> generate = BenchCommand.Count("--generate", "Tokens to generate per sequence", 48);
        Option<int[]> sequences = BenchCommand.Counts("--sequences", "Sequences that decode together, one row each", 1, 8);
        Option<int> rounds = BenchCommand.Count("--rounds", "Measurements of each row and engine, in turns", 5);
        Option<int> threads = BenchCommand.ThreadsOption();
        var json = new Option<bool>("--json") { Description = "Print one JSON object per row, a line each" };
        Option<string?> data = Terminal.DataOption();
        var command = new Command(
            "compare",
            """
            This engine and another on the same weights, each in a process of its own, in turns

            The peer is measured at its better setting of fused attention on and off, found for each row before the rounds.
            Both keep keys and values as f16.
            With --peer helixflow the engine meets itself: how far the ratios then stray from 1 is the noise of this machine.

            Examples:
              helixflow bench compare model.gguf
              helixflow bench compare model.gguf --threads 2 --sequences 1 8 --rounds 9 --json
              helixflow bench compare model.gguf --peer-library ~/llama.cpp/build/bin/libllama.so
            """)
        {
            model, peer, library, prompt, generate, sequences, rounds, threads, json, data,
        };
        command.SetAction((arguments, cancellationToken) => BenchCommand.GuardAsync(arguments, async () =>
        {
            string path = ModelChoice.Resolve(arguments.GetRequiredValue(model), DataFolder.Resolve(arguments.GetValue(data))).Path;
            var plan = new ComparisonPlan(
                arguments.GetValue(prompt), arguments.GetValue(generate), arguments.GetRequiredValue(sequences),
                arguments.GetValue(rounds), BenchCommand.Threads(arguments.GetValue(threads)));
            string name = arguments.GetRequiredValue(peer);
            List<ComparisonRow> rows = await BenchDisplay.ShowAsync(async display =>
            {
                await using EngineProcess ours = await EngineProcess.StartAsync(new EngineWorkerOptions(EngineWorker.HelixFlow, path, null, plan.Room), cancellationToken);
                await using EngineProcess theirs = await EngineProcess.StartAsync(new EngineWorkerOptions(name, path, arguments.GetValue(library), plan.Room), cancellationToken);
                return await new Comparison(plan, ours, theirs, display).RunAsync(cancellationToken);
            });
            TextWriter output = arguments.InvocationConfiguration.Output;
            if (arguments.GetValue(json))
            {
                foreach (ComparisonRow row in rows)
                {
                    BenchCommand.WriteLine(output, ComparisonReport.Json(row, Path.GetFileName(path), name, plan));
                }
            }
            else
            {
                ComparisonReport.WriteTable(output, rows, Path.GetFileName(path), name, plan);
            }

            return 0;
        }));
        return command;
    }
}
