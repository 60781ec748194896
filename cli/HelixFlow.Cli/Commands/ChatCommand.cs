using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Conversation;
using Spectre.Console;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow chat</c>: a conversation in the terminal; replies stream, Ctrl-C ends a reply, Ctrl-D or /exit the chat.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        var options = new ChatOptions();
        var command = new Command("chat", "Talk to a model in the terminal");
        options.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                await using IChatSource source = await options.OpenAsync(arguments, cancellationToken);
                return await ConverseAsync(source, options.Settings(arguments), arguments.GetValue(options.System), arguments.GetValue(options.HideReasoning));
            }
            catch (ChatSourceException exception)
            {
                AnsiConsole.MarkupLineInterpolated($"[red]{exception.Message}[/]");
                return 1;
            }
        });
        return command;
    }

    private static async Task<int> ConverseAsync(IChatSource source, ChatSettings settings, string? system, bool hideReasoning)
    {
        AnsiConsole.MarkupLineInterpolated($"[bold]{source.Description}[/]  [grey]/help lists the commands, Ctrl-D ends the chat[/]");
        JsonArray messages = NewConversation(system);
        while (true)
        {
            AnsiConsole.Markup("[green]>[/] ");
            string? line = await Console.In.ReadLineAsync();
            switch (line?.Trim())
            {
                case null or "/exit" or "/quit" or "/bye":
                    return 0;
                case "":
                    continue;
                case "/help":
                    AnsiConsole.MarkupLine("[grey]/clear forgets the conversation, /system TEXT sets a system message and forgets, /exit ends. Ctrl-C stops a reply.[/]");
                    continue;
                case "/clear":
                    messages = NewConversation(system);
                    continue;
                case { } command when command.StartsWith("/system ", StringComparison.Ordinal):
                    system = command["/system ".Length..].Trim();
                    messages = NewConversation(system);
                    continue;
                case { } command when command.StartsWith('/'):
                    AnsiConsole.MarkupLineInterpolated($"[yellow]There is no command {command.Split(' ')[0]}; /help lists them.[/]");
                    continue;
                case { } text:
                    messages.Add(Message("user", text));
                    string? reply = await ReplyAsync(source, messages, settings, hideReasoning);
                    if (reply is null)
                    {
                        messages.RemoveAt(messages.Count - 1);
                    }
                    else
                    {
                        messages.Add(Message("assistant", reply));
                    }

                    continue;
            }
        }
    }

    /// <summary>Streams one reply to the terminal; null when it failed, the part that came when the user stopped it.</summary>
    private static async Task<string?> ReplyAsync(IChatSource source, JsonArray messages, ChatSettings settings, bool hideReasoning)
    {
        using var stop = new CancellationTokenSource();
        void Stop(object? sender, ConsoleCancelEventArgs press)
        {
            press.Cancel = true;
            stop.Cancel();
        }

        var reply = new StringBuilder();
        var output = new ReplyOutput(Console.Out, hideReasoning ? null : Console.Out, AnsiConsole.Profile.Capabilities.Ansi);
        Console.CancelKeyPress += Stop;
        try
        {
            await foreach (ReplyPiece piece in source.ReplyAsync(messages, settings, stop.Token))
            {
                reply.Append(piece.IsReasoning ? "" : piece.Text);
                await output.WriteAsync(piece, stop.Token);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            AnsiConsole.Markup(" [grey](stopped)[/]");
        }
        catch (ChatSourceException exception)
        {
            AnsiConsole.MarkupLineInterpolated($"[red]{exception.Message}[/]");
            return null;
        }
        finally
        {
            Console.CancelKeyPress -= Stop;
        }

        await output.EndAsync();
        return reply.ToString();
    }

    private static JsonArray NewConversation(string? system) => system is null ? [] : [Message("system", system)];

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
}
