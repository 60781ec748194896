using System.CommandLine;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Conversation;
using Spectre.Console;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow run PROMPT</c>: one prompt, the reply on standard output and nothing else there; what the model thinks goes to standard error.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var prompt = new Argument<string[]>("prompt") { Description = "The prompt; '-' or none reads standard input", Arity = ArgumentArity.ZeroOrMore };
        var options = new ChatOptions();
        var command = new Command("run", "Answer one prompt and exit") { prompt };
        options.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string text = string.Join(' ', arguments.GetValue(prompt) ?? []);
            if (text is "" or "-")
            {
                text = await Console.In.ReadToEndAsync(cancellationToken);
            }

            if (string.IsNullOrWhiteSpace(text))
            {
                await Console.Error.WriteLineAsync("There is no prompt: give one as an argument or on standard input. Example: helixflow run \"What is HelixFlow?\"");
                return 2;
            }

            var messages = new JsonArray();
            if (arguments.GetValue(options.System) is { } system)
            {
                messages.Add(new JsonObject { ["role"] = "system", ["content"] = system });
            }

            messages.Add(new JsonObject { ["role"] = "user", ["content"] = text });
            try
            {
                await using IChatSource source = await options.OpenAsync(arguments, cancellationToken);
                var output = new ReplyOutput(Console.Out, arguments.GetValue(options.HideReasoning) ? null : Console.Error, !Console.IsErrorRedirected && AnsiConsole.Profile.Capabilities.Ansi);
                await foreach (ReplyPiece piece in source.ReplyAsync(messages, options.Settings(arguments), cancellationToken))
                {
                    await output.WriteAsync(piece, cancellationToken);
                }

                await output.EndAsync();
                return 0;
            }
            catch (ChatSourceException exception)
            {
                await Console.Error.WriteLineAsync(exception.Message);
                return 1;
            }
        });
        return command;
    }
}
