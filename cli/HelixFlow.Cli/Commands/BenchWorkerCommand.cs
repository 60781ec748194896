using System.CommandLine;
using HelixFlow.Cli.Bench.Compare;
using HelixFlow.Cli.Bench.Engines;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench worker</c>, hidden: one engine in a process of its own, driven by <c>bench compare</c> over its standard input and output.</summary>
internal static class BenchWorkerCommand
{
    public static Command Create()
    {
        var engine = new Option<string>("--engine") { Required = true };
        var model = new Option<string>("--model") { Required = true };
        var library = new Option<string?>("--peer-library");
        var sequences = new Option<int>("--sequences") { Required = true };
        var length = new Option<int>("--length") { Required = true };
        var threads = new Option<int>("--threads") { Required = true };
        var command = new Command("worker", "One side of 'bench compare'") { engine, model, library, sequences, length, threads };
        command.Hidden = true;
        command.SetAction((arguments, cancellationToken) => EngineWorker.RunAsync(
            new EngineWorkerOptions(
                arguments.GetRequiredValue(engine),
                arguments.GetRequiredValue(model),
                arguments.GetValue(library),
                new EngineRoom(arguments.GetValue(sequences), arguments.GetValue(length), arguments.GetValue(threads), ComparisonPlan.SharedKvType)),
            Console.In,
            Console.Out,
            TimeProvider.System,
            cancellationToken));
        return command;
    }
}
