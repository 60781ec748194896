using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Commands;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace HelixFlow.Cli.Jobs;

/// <summary>Shows jobs while they are followed: a live bar for each on a terminal, a line per change elsewhere, or the events themselves as JSON.</summary>
internal sealed class JobDisplay(JobClient client, TextWriter output, bool isTerminal, bool json, TimeProvider time)
{
    private const string EndKey = "end";
    private const int OtherColumns = 52; // of a bar, its numbers and its times
    private const int LeastWords = 20;

    // How often the server is asked how long a job still takes.
    private static readonly TimeSpan _estimateInterval = TimeSpan.FromSeconds(1);

    /// <summary>Shows jobs until all have ended. The result is how each ended, as its last event says; empty when it was deleted meanwhile.</summary>
    public async Task<string[]> ShowAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        if (isTerminal && !json)
        {
            return await ShowBarsAsync(ids, cancellationToken);
        }

        var lines = TextWriter.Synchronized(output);
        return await Task.WhenAll(ids.Select(id => ReadAsync(
            id,
            (text, happened, left) => lines.WriteLine(json ? text : $"{(ids.Count > 1 ? id + "  " : "")}{Line(happened, left)}"),
            cancellationToken)));
    }

    /// <summary>One line of text for an event.</summary>
    /// <param name="happened">The event.</param>
    /// <param name="left">How long the job probably still takes; null when that is not known.</param>
    public static string Line(JsonElement happened, TimeSpan? left)
    {
        string percent = happened.Text("kind") == "progressed" ? string.Create(CultureInfo.InvariantCulture, $" ({happened.Number("percent")} %{Left(left)})") : "";
        return $"{happened.Text("at")}  {Words(happened)}{percent}";
    }

    private async Task<string[]> ShowBarsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        int room = Math.Max(LeastWords, console.Profile.Width - OtherColumns);
        return await console.Progress().AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 16 }, new PercentageColumn(), new ElapsedTimeColumn(), new LeftColumn(time), new SpinnerColumn())
            .StartAsync(context => Task.WhenAll(ids.Select(async id =>
            {
                ProgressTask bar = context.AddTask("waiting", maxValue: 100);
                string end = await ReadAsync(id, (_, happened, left) => Move(bar, Shortened((ids.Count > 1 ? id[^Math.Min(6, id.Length)..] + "  " : "") + Words(happened), room), happened, left), cancellationToken);
                bar.StopTask();
                return end;
            })));
    }

    private void Move(ProgressTask bar, string words, JsonElement happened, TimeSpan? left)
    {
        string kind = happened.Text("kind");
        bar.Value = kind switch
        {
            "progressed" => happened.Number("percent"),
            "succeeded" => 100,
            _ => bar.Value,
        };
        bar.State.Update<DateTimeOffset>(EndKey, _ => left is { } span ? time.GetUtcNow() + span : default);
        bar.Description = Markup.Escape(words);
    }

    /// <summary>Reads a job's events to the last one, whose kind is the result.</summary>
    private async Task<string> ReadAsync(string id, Action<string, JsonElement, TimeSpan?> show, CancellationToken cancellationToken)
    {
        string last = "";
        TimeSpan? left = null;
        long? askedAt = null;
        await foreach (string text in client.FollowAsync(id, cancellationToken))
        {
            JsonElement happened = JsonElement.Parse(text);
            last = happened.Text("kind");
            if (!json && last is "attempt_started" or "progressed" && (askedAt is not { } before || time.GetElapsedTime(before) >= _estimateInterval))
            {
                askedAt = time.GetTimestamp();
                JsonElement? progress = JsonElement.Parse(await client.GetAsync($"jobs/{Uri.EscapeDataString(id)}", cancellationToken)).Given("progress");
                left = progress?.Given("estimated_remaining_ms") is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds.GetInt64()) : null;
            }

            show(text, happened, last is "attempt_started" or "progressed" ? left : null);
        }

        return last;
    }

    private static string Words(JsonElement happened)
    {
        string kind = happened.Text("kind");
        return kind switch
        {
            "progressed" when happened.Text("message") is { Length: > 0 } message => message,
            "step_started" or "step_succeeded" or "step_failed" or "step_parked" => With(happened.Text("address")),
            "asked" => With(Question(happened)),
            "attempt_started" => With($"on {happened.Text("worker")}"),
            "suspended" => $"waits for {Awaited(happened)}",
            "artifact_stored" => With(happened.Text("name")),
            "attempt_failed" => With($"{Error(happened)}{(happened.Clock("retry_at") is { Length: > 0 } at ? $" (again at {at})" : "")}"),
            "died" => With(Error(happened)),
            _ => With(""),
        };

        string With(string more) => kind.Replace('_', ' ') + (more.Length > 0 ? ": " + more : "");
    }

    private static string Shortened(string text, int room) => text.Length <= room ? text : text[..(room - 1)] + "…";

    private static string Error(JsonElement happened) => happened.Given("error") is { } error ? error.Text("message", longest: 300) : "";

    private static string Question(JsonElement happened) => happened.Given("question") is not { } question ? ""
        : $"{question.Text("tool")} {(question.Given("arguments") is { } given ? Terminal.Printable(given.GetRawText(), 300) : "")}".Trim();

    private static string Awaited(JsonElement happened) => (happened.Items("runs").Count(), happened.Text("signal"), happened.Clock("until")) switch
    {
        ( > 0 and var count, _, _) => Terminal.Several(count, "job"),
        (_, ['a', 'n', 's', 'w', 'e', 'r', ':', ..], _) => "an answer",
        (_, "*", _) => "one of several signals",
        (_, { Length: > 0 } signal, _) => $"the signal {signal}",
        (_, _, { Length: > 0 } until) => until,
        _ => "nothing",
    };

    private static string Left(TimeSpan? left) => left is { } span ? $", about {Terminal.Duration(span)} left" : "";

    /// <summary>How long a job probably still takes, by what the server knows of others of its type.</summary>
    private sealed class LeftColumn(TimeProvider time) : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(
            !task.IsFinished && task.State.Get<DateTimeOffset>(EndKey) is var end && end > time.GetUtcNow() ? $"~{Terminal.Duration(end - time.GetUtcNow())} left" : "", new Style(Color.Grey));
    }
}
