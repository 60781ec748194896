using System.CommandLine;
using System.Text.Json;
using HelixFlow.Auth;
using HelixFlow.Cli.Commands;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Jobs;

/// <summary>Which server a command talks to, by options that all such commands have, and what its failures come to.</summary>
internal sealed class JobServerOptions(string jsonHelp)
{
    public Option<string> Url { get; } = new("--url") { Description = "The server", DefaultValueFactory = _ => "http://127.0.0.1:8080", HelpName = "URL" };

    public Option<string?> Key { get; } = new("--api-key") { Description = "Bearer key; default: HELIXFLOW_API_KEY, then the data folder's admin key", HelpName = "KEY" };

    public Option<string?> Data { get; } = Terminal.DataOption();

    public Option<bool> Json { get; } = new("--json") { Description = jsonHelp };

    /// <summary>Gives a command these options, behind its own.</summary>
    public Command AddTo(Command command)
    {
        command.Add(Url);
        command.Add(Key);
        command.Add(Data);
        command.Add(Json);
        return command;
    }

    /// <summary>The key that the options, the environment or the data folder give; empty when there is none.</summary>
    public string KeyOf(ParseResult arguments) =>
        arguments.GetValue(Key) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable) ?? AdminKey.Find(DataFolder.Resolve(arguments.GetValue(Data))) ?? "";

    /// <summary>Talks to the server. Exit code 1 when it refuses or cannot be reached, 2 when an input is no JSON.</summary>
    public async Task<int> CallAsync(ParseResult arguments, Func<JobClient, TextWriter, Task<int>> action, CancellationToken cancellationToken)
    {
        TextWriter error = arguments.InvocationConfiguration.Error;
        try
        {
            using var client = new JobClient(new Uri(arguments.GetValue(Url)!), KeyOf(arguments), TimeProvider.System);
            return await action(client, arguments.InvocationConfiguration.Output);
        }
        catch (JsonException exception)
        {
            await error.WriteLineAsync($"The input is no JSON: {exception.Message}");
            return 2;
        }
        catch (Exception exception) when (exception is JobClientException or UriFormatException or StoreException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync(Terminal.Printable(exception.Message, maxLength: 1000));
            return 1;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 1; // the job goes on
        }
    }

    /// <summary>An option's text, or what the file that it names after <c>@</c> holds; <c>@-</c> is standard input.</summary>
    public static async Task<string> ContentAsync(string text, CancellationToken cancellationToken) => text switch
    {
        "@-" => await Console.In.ReadToEndAsync(cancellationToken),
        ['@', .. var file] => await File.ReadAllTextAsync(file, cancellationToken),
        _ => text,
    };
}
