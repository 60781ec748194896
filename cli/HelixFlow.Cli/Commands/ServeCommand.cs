using System.CommandLine;
using System.Net;
using HelixFlow.Cli.Hosting;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow serve</c>: all services in this process.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var host = new Option<string>("--host") { Description = "Address to listen on; 0.0.0.0 is every interface", DefaultValueFactory = _ => "127.0.0.1", HelpName = "ADDRESS" };
        var port = new Option<int>("--port") { Description = "Port to listen on; 0 takes a free one", DefaultValueFactory = _ => 8080, HelpName = "N" };
        Option<string?> data = Terminal.DataOption();
        var models = new Option<string[]>("--model", "-m")
        {
            Description = "Model to serve: a name from `helixflow models list`, a .gguf file or a Hugging Face folder; may be repeated. Default: the built-in helix-tiny",
            HelpName = "PATH|NAME",
        };
        var threads = new Option<int>("--threads") { Description = "Worker threads of the CPU backend; default: one per core", HelpName = "N" };
        var sequences = new Option<int>("--max-sequences") { Description = "Most sequences that run together, per model", DefaultValueFactory = _ => 64, HelpName = "N" };
        var waiting = new Option<int>("--max-waiting") { Description = "Most requests that wait, per model; further ones get 429", DefaultValueFactory = _ => 256, HelpName = "N" };
        var kv = new Option<int>("--kv-mib") { Description = "Memory for keys and values, per model, in MiB; default: an eighth of the machine's", HelpName = "N" };
        Require(host, value => IPAddress.TryParse(value, out _) || value == "localhost", "it must be an IP address or localhost");
        Require(port, value => value is >= 0 and <= 65535, "it must be between 0 and 65535");
        Require(threads, value => value is >= 1 and <= 1024, "it must be between 1 and 1024");
        Require(sequences, value => value is >= 1 and <= 512, "it must be between 1 and 512");
        Require(waiting, value => value >= 1, "it must be at least 1");
        Require(kv, value => value >= 1, "it must be at least 1");

        var command = new Command("serve", "Serve models through the OpenAI API") { host, port, data, models, threads, sequences, waiting, kv };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                string folder = DataFolder.Resolve(arguments.GetValue(data));
                string?[] named = arguments.GetValue(models) is { Length: > 0 } given ? given : new string?[1];
                var options = new ServerOptions
                {
                    Host = arguments.GetValue(host)!,
                    Port = arguments.GetValue(port),
                    DataFolder = folder,
                    Models = [.. named.Select(name => ModelChoice.Resolve(name, folder))],
                    Threads = arguments.GetValue(threads),
                    MaxSequences = arguments.GetValue(sequences),
                    MaxWaiting = arguments.GetValue(waiting),
                    KvBytes = arguments.GetValue(kv) * (1L << 20),
                };
                return await Server.RunAsync(options, cancellationToken);
            }
            catch (Exception exception) when (exception is StoreException or ModelFormatException or IOException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync(exception.Message);
                return 1;
            }
        });
        return command;
    }

    private static void Require<T>(Option<T> option, Func<T, bool> holds, string rule) => option.Validators.Add(result =>
    {
        if (result.Tokens.Count == 1 && result.GetValueOrDefault<T>() is { } value && !holds(value))
        {
            result.AddError($"{option.Name}: '{value}' will not do; {rule}.");
        }
    });
}
