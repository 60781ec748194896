using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Conversation;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench</c>: the engine, a server, or the engine beside another.</summary>
internal static class BenchCommand
{
    private static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var command = new Command(
            "bench",
            """
            Measure the engine on this machine, a server under load, or the engine beside another; without a subcommand, as 'bench engine'

            Examples:
              helixflow bench engine                            the built-in model on this machine
              helixflow bench serve --rate 4 --requests 200     a server on this machine under load
              helixflow bench compare model.gguf                this engine and llama.cpp in turns

            docs/benchmarking.md says what each figure means.
            """);
        Command engine = BenchEngineCommand.Create();
        command.Subcommands.Add(engine);
        command.Subcommands.Add(BenchServeCommand.Create());
        command.Subcommands.Add(BenchCompareCommand.Create());
        command.Subcommands.Add(BenchWorkerCommand.Create());
        command.SetAction((arguments, cancellationToken) => engine.Parse([]).InvokeAsync(arguments.InvocationConfiguration, cancellationToken));
        return command;
    }

    /// <summary>Runs a measurement; what a user can mend becomes a message and exit code 1, an interruption exit code 130.</summary>
    public static async Task<int> GuardAsync(ParseResult arguments, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (Exception exception) when (exception is BenchException or ModelFormatException or StoreException or ChatSourceException or IOException
            or UnauthorizedAccessException or DllNotFoundException or NotSupportedException)
        {
            await arguments.InvocationConfiguration.Error.WriteLineAsync(exception.Message);
            return 1;
        }
    }

    public static void WriteLine(TextWriter output, JsonObject json) => output.WriteLine(json.ToJsonString(OneLine));

    public static int Threads(int option) => option > 0 ? option : Environment.ProcessorCount;

    public static Option<int> ThreadsOption() => new("--threads") { Description = "Worker threads; default: one per core", HelpName = "N" };

    public static Argument<string?> ModelArgument() =>
        new("model") { Description = "A model's name, .gguf file or Hugging Face folder; default: the built-in model", Arity = ArgumentArity.ZeroOrOne };

    /// <summary>An option of whole numbers of at least 1.</summary>
    public static Option<int> Count(string name, string description, int defaultValue)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => defaultValue, HelpName = "N" };
        AtLeast(option, 1);
        return option;
    }

    /// <inheritdoc cref="Count"/>
    public static Option<int[]> Counts(string name, string description, params int[] defaultValue)
    {
        var option = new Option<int[]>(name) { Description = description, DefaultValueFactory = _ => defaultValue, AllowMultipleArgumentsPerToken = true, HelpName = "N" };
        AtLeast(option, 1);
        return option;
    }

    /// <summary>Refuses smaller whole numbers; what is no number at all is refused by the parser.</summary>
    public static void AtLeast(Option option, int least) => option.Validators.Add(result =>
    {
        foreach (Token token in result.Tokens)
        {
            if (int.TryParse(token.Value, out int value) && value < least)
            {
                result.AddError($"{option.Name}: {value} is too small; it must be at least {least}");
            }
        }
    });
}
