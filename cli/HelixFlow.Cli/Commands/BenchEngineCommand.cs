using System.CommandLine;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Bench.Engines;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench engine MODEL</c>: prefill and decode rates beside the machine's own ceilings.</summary>
internal static class BenchEngineCommand
{
    public static Command Create()
    {
        Argument<string?> model = BenchCommand.ModelArgument();
        Option<int[]> prompt = BenchCommand.Counts("--prompt", "Tokens of each prompt; several values run one after the other", 512);
        Option<int> generate = BenchCommand.Count("--generate", "Tokens to generate per sequence", 64);
        Option<int[]> sequences = BenchCommand.Counts("--sequences", "Sequences that decode together; several values run one after the other", 1, 8);
        Option<int> repetitions = BenchCommand.Count("--repetitions", "How often each rate is measured; the median counts", 3);
        Option<int> threads = BenchCommand.ThreadsOption();
        Option<string?> quantize = QuantizeOption.Create();
        Option<KvType> kvType = Terminal.KvTypeOption();
        var show = new Option<bool>("--show") { Description = "With --json: print each sequence's continuation too" };
        var svg = new Option<string?>("--svg") { Description = "Draw the rates under the machine's roofline into this file", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object per combination of --prompt and --sequences, a line each" };
        Option<string?> data = Terminal.DataOption();
        var command = new Command(
            "engine",
            """
            Prefill and decode rates of a model, single and batched, beside the machine's ceilings

            Examples:
              helixflow bench engine model.gguf --sequences 1 2 4 8 16
              helixflow bench engine model.gguf --prompt 128 512 2048 --generate 32 --sequences 1
              helixflow bench engine ./folder --quantize q8_0 --kv-type q8_0
              helixflow bench engine model.gguf --sequences 1 2 4 8 16 --svg roofline.svg
              helixflow bench engine model.gguf --json | jq .decode_tokens_per_second
            """)
        {
            model, prompt, generate, sequences, repetitions, threads, quantize, kvType, show, svg, json, data,
        };
        command.SetAction((arguments, cancellationToken) => BenchCommand.GuardAsync(arguments, async () =>
        {
            string path = ModelChoice.Resolve(arguments.GetValue(model), DataFolder.Resolve(arguments.GetValue(data))).Path;
            var plan = new EngineBenchPlan(
                arguments.GetRequiredValue(prompt), arguments.GetValue(generate), arguments.GetRequiredValue(sequences),
                arguments.GetValue(repetitions), BenchCommand.Threads(arguments.GetValue(threads)), arguments.GetValue(kvType),
                QuantizeOption.TypeOf(arguments.GetValue(quantize)));
            EngineBenchResult result = await BenchDisplay.ShowAsync(display => Task.FromResult(new EngineBench(plan, TimeProvider.System, display).Run(path, cancellationToken)));
            if (arguments.GetValue(svg) is { } picture)
            {
                await File.WriteAllTextAsync(picture, RooflinePlot.Write(result), cancellationToken);
            }

            TextWriter output = arguments.InvocationConfiguration.Output;
            if (arguments.GetValue(json))
            {
                foreach (var line in EngineReport.Json(result, arguments.GetValue(show)))
                {
                    BenchCommand.WriteLine(output, line);
                }
            }
            else
            {
                EngineReport.WriteTables(output, result);
            }

            return 0;
        }));
        return command;
    }
}
