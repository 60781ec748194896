using System.CommandLine;
using System.Text.Json;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using Spectre.Console;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench engine MODEL</c>: prefill and decode rates beside the machine's own ceilings.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var command = new Command("bench", "Measure the engine on this machine; without a subcommand, as 'bench engine'");
        Command engine = CreateEngine();
        command.Subcommands.Add(engine);
        command.SetAction((arguments, cancellationToken) => engine.Parse([]).InvokeAsync(arguments.InvocationConfiguration, cancellationToken));
        return command;
    }

    private static Command CreateEngine()
    {
        var model = new Argument<string?>("model") { Description = "A model's name, .gguf file or Hugging Face folder; default: the built-in model", Arity = ArgumentArity.ZeroOrOne };
        var prompt = new Option<int>("--prompt") { Description = "Tokens of each prompt", DefaultValueFactory = _ => 512, HelpName = "N" };
        var generate = new Option<int>("--generate") { Description = "Tokens to generate per sequence", DefaultValueFactory = _ => 64, HelpName = "N" };
        var sequences = new Option<int[]>("--sequences")
        {
            Description = "Sequences that decode together; several values run one after the other",
            DefaultValueFactory = _ => [1, 8],
            AllowMultipleArgumentsPerToken = true,
            HelpName = "N",
        };
        var threads = new Option<int>("--threads") { Description = "Worker threads; default: one per core", HelpName = "N" };
        Option<KvType> kvType = Terminal.KvTypeOption();
        var show = new Option<bool>("--show") { Description = "With --json: print each sequence's continuation too" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object per value of --sequences, a line each" };
        Option<string?> data = Terminal.DataOption();
        foreach (Option<int> positive in (Option<int>[])[prompt, generate])
        {
            positive.Validators.Add(result =>
            {
                if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value < 1)
                {
                    result.AddError($"{positive.Name}: {value} is too small; it must be at least 1");
                }
            });
        }

        var command = new Command("engine", "Prefill and decode rates of a model, single and batched, beside the machine's ceilings")
        {
            model, prompt, generate, sequences, threads, kvType, show, json, data,
        };
        command.SetAction(arguments =>
        {
            try
            {
                string path = ModelChoice.Resolve(arguments.GetValue(model), DataFolder.Resolve(arguments.GetValue(data))).Path;
                EngineBenchPlan[] plans = [.. arguments.GetValue(sequences)!.Select(count => new EngineBenchPlan(arguments.GetValue(prompt), arguments.GetValue(generate), Math.Max(1, count)))];
                int workers = arguments.GetValue(threads) is > 0 and int given ? given : Environment.ProcessorCount;
                Run(path, plans, workers, arguments.GetValue(kvType), arguments.GetValue(json), arguments.GetValue(show));
                return 0;
            }
            catch (Exception exception) when (exception is ModelFormatException or StoreException or IOException or UnauthorizedAccessException or ArgumentException)
            {
                Console.Error.WriteLine(exception.Message);
                return 1;
            }
        });
        return command;
    }

    private static void Run(string path, EngineBenchPlan[] plans, int threads, KvType kvType, bool json, bool show)
    {
        MachineCeilings? ceilings = json ? null : MachineCeilings.Measure(threads);
        Table? table = null;
        foreach (EngineBenchPlan plan in plans)
        {
            long start = TimeProvider.System.GetTimestamp();
            ModelFile file = ModelFile.Open(path);
            var options = new ModelRunnerOptions { ExpectedSequences = plan.Sequences, KvType = kvType };
            using var runner = new ModelRunner(file, new CpuBackend(new CpuBackendOptions { Threads = threads }), options with { KvBlocks = plan.KvBlocks(options.KvBlockSize) });
            TimeSpan load = TimeProvider.System.GetElapsedTime(start);
            EngineBenchResult result = new EngineBench(runner, plan, TimeProvider.System).Run();
            if (json)
            {
                PrintJson(file, plan, threads, load, result, show);
            }
            else
            {
                table ??= NewTable(file, threads);
                AddRow(table, file, plan, result, ceilings!);
            }
        }

        if (table is not null)
        {
            AnsiConsole.Write(table);
            AnsiConsole.MarkupLineInterpolated($"[grey]Ceilings measured in this run with {threads} threads: memory {ceilings!.ReadGigabytesPerSecond:F1} GB/s, int8 {ceilings.Int8Gops:F0} GOPS, float32 {ceilings.Float32Gflops:F0} GFLOPS.[/]");
        }
    }

    private static Table NewTable(ModelFile file, int threads)
    {
        var table = new Table { Title = new TableTitle($"{Markup.Escape(file.Name)}  {threads} threads") };
        table.AddColumn(new TableColumn("seqs").RightAligned());
        foreach (string heading in (string[])["prompt", "gen", "prefill tok/s", "GOPS", "decode tok/s", "GB/s", "of memory"])
        {
            table.AddColumn(new TableColumn(heading).RightAligned().NoWrap());
        }

        return table;
    }

    private static void AddRow(Table table, ModelFile file, EngineBenchPlan plan, EngineBenchResult result, MachineCeilings ceilings)
    {
        // Every decode step reads every weight once, whatever the number of sequences; every token multiplies and adds every weight.
        (long bytes, long parameters) = WeightsPerToken(file);
        double gigabytes = result.DecodeTokensPerSecond / plan.Sequences * bytes / 1e9;
        double operations = result.PrefillTokensPerSecond * 2 * parameters / 1e9;
        table.AddRow(
            $"{plan.Sequences}", $"{plan.Prompt}", $"{plan.Generate}", $"{result.PrefillTokensPerSecond:F1}", $"{operations:F0}",
            $"{result.DecodeTokensPerSecond:F2}", $"{gigabytes:F1}", $"{gigabytes / ceilings.ReadGigabytesPerSecond:P0}");
    }

    // An untied embedding table is only looked up; everything else takes part in every token (in a prefill, the output matrix does not).
    private static (long Bytes, long Parameters) WeightsPerToken(ModelFile file)
    {
        long bytes = 0;
        long parameters = 0;
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            bool table = tensor.Name is "token_embd.weight" or "model.embed_tokens.weight";
            bytes += table && !file.Config.TiedEmbeddings ? 0 : tensor.SizeBytes;
            parameters += table || tensor.Name is "output.weight" or "lm_head.weight" ? 0 : (long)tensor.Rows * tensor.Columns;
        }

        return (bytes, parameters);
    }

    private static void PrintJson(ModelFile file, EngineBenchPlan plan, int threads, TimeSpan load, EngineBenchResult result, bool show)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("engine", "helixflow");
            writer.WriteString("model", file.Name);
            writer.WriteNumber("threads", threads);
            writer.WriteNumber("sequences", plan.Sequences);
            writer.WriteNumber("prompt", plan.Prompt);
            writer.WriteNumber("generate", plan.Generate);
            writer.WriteNumber("load_seconds", Math.Round(load.TotalSeconds, 3));
            writer.WriteNumber("prefill_tokens_per_second", Math.Round(result.PrefillTokensPerSecond, 1));
            writer.WriteNumber("decode_tokens_per_second", Math.Round(result.DecodeTokensPerSecond, 2));
            if (show)
            {
                writer.WriteStartArray("continuations");
                foreach (int[] continuation in result.Continuations)
                {
                    writer.WriteStartArray();
                    foreach (int token in continuation)
                    {
                        writer.WriteNumberValue(token);
                    }

                    writer.WriteEndArray();
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }

        Console.Out.WriteLine(System.Text.Encoding.UTF8.GetString(stream.ToArray()));
    }
}
