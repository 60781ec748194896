using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Commands;
using Spectre.Console;

namespace HelixFlow.Cli.Jobs;

/// <summary>Shows a job while it is followed: a live bar on a terminal, a line per change elsewhere, or the events themselves as JSON.</summary>
internal sealed class JobDisplay(TextWriter output, bool isTerminal, bool json)
{
    /// <summary>Shows events until there are no more; the result is how the job ended, as its last event says.</summary>
    public async Task<string> ShowAsync(IAsyncEnumerable<string> events, CancellationToken cancellationToken)
    {
        if (!isTerminal || json)
        {
            return await ReadAsync(events, async (text, happened) => await output.WriteLineAsync(json ? text : Line(happened)), cancellationToken);
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        return await console.Progress().AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn(), new SpinnerColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask("waiting", maxValue: 100);
                return await ReadAsync(events, (_, happened) =>
                {
                    if (happened.GetProperty("kind").GetString() == "progressed")
                    {
                        task.Value = happened.GetProperty("percent").GetInt32();
                    }
                    else if (happened.GetProperty("kind").GetString() == "succeeded")
                    {
                        task.Value = 100;
                    }

                    task.Description = Markup.Escape(Words(happened));
                    return ValueTask.CompletedTask;
                }, cancellationToken);
            });
    }

    /// <summary>One line of text for an event.</summary>
    public static string Line(JsonElement happened) => string.Create(
        CultureInfo.InvariantCulture, $"{Text(happened, "at")}  {Words(happened)}{(Text(happened, "kind") == "progressed" ? $" ({happened.GetProperty("percent").GetInt32()} %)" : "")}");

    private static async Task<string> ReadAsync(IAsyncEnumerable<string> events, Func<string, JsonElement, ValueTask> show, CancellationToken cancellationToken)
    {
        string last = "";
        await foreach (string text in events.WithCancellation(cancellationToken))
        {
            JsonElement happened = JsonElement.Parse(text);
            last = Text(happened, "kind");
            await show(text, happened);
        }

        return last;
    }

    private static string Words(JsonElement happened)
    {
        string kind = Text(happened, "kind");
        string more = kind switch
        {
            "progressed" => Text(happened, "message"),
            "step_started" or "step_succeeded" or "step_failed" or "step_parked" => Text(happened, "address"),
            "asked" when happened.TryGetProperty("question", out JsonElement question) => $"{Text(question, "tool")} {(question.TryGetProperty("arguments", out JsonElement given) ? given.GetRawText() : "")}",
            "attempt_started" => $"on {Text(happened, "worker")}",
            "attempt_failed" or "died" when happened.TryGetProperty("error", out JsonElement error) => Text(error, "message"),
            _ => "",
        };
        return Terminal.Printable(kind == "progressed" && more.Length > 0 ? more : $"{kind.Replace('_', ' ')}{(more.Length > 0 ? ": " + more : "")}", maxLength: IsLong(kind) ? 300 : 60);

        static bool IsLong(string kind) => kind is "died" or "attempt_failed" or "asked";
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
