using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Jobs;

/// <summary>The result of a job as people read it: the text of the built-in types with what its numbers stand for, JSON of all others.</summary>
internal static class JobResult
{
    private const int LongestQuote = 1000;

    // The field of a built-in type's result that is the text, and one by which the result is known to be of that type.
    private static readonly (string Text, string Beside)[] _forms = [("report", "citations"), ("summary", "citations"), ("content", "citations"), ("answer", "transcript")];

    public static void Write(TextWriter output, JsonElement result)
    {
        if (TextOf(result) is not { } text)
        {
            Terminal.WriteJson(output, result);
            return;
        }

        foreach (string line in text.Split('\n'))
        {
            output.WriteLine(Terminal.Printable(line, int.MaxValue));
        }

        foreach (JsonElement citation in result.Items("citations"))
        {
            output.WriteLine();
            string[] parts = [string.Create(CultureInfo.InvariantCulture, $"[{citation.Number("number")}]"), citation.Text("title", LongestQuote), citation.Text("url", LongestQuote), citation.Text("source", LongestQuote)];
            output.WriteLine(string.Join("  ", parts.Where(static part => part.Length > 0)));
            output.WriteLine($"    \"{citation.Text("quote", LongestQuote)}\"");
        }

        foreach (string note in result.Items("notes").Select(static note => note.Text("message", LongestQuote)).Concat(Endings(result)))
        {
            output.WriteLine();
            output.WriteLine($"({note})");
        }
    }

    private static string? TextOf(JsonElement result) => _forms.Where(form => result.Given(form.Beside) is not null)
        .Select(form => result.Given(form.Text)).FirstOrDefault(static text => text is { ValueKind: JsonValueKind.String })?.GetString();

    private static IEnumerable<string> Endings(JsonElement result)
    {
        if (result.Text("stop_reason") is { Length: > 0 } reason and not "answered")
        {
            yield return $"It was stopped: {reason}.";
        }
    }
}
